"""A norm needs its class, its facts and its row in the table of norms; everything else derives from these."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from analysis.curves import mean_curve
from analysis.plots import Line, Panel, draw
from models.data.digits import Digits
from models.nets.layers import Dense
from models.nets.norm import Norm, NormGradients, Operators, Saved, Scaling
from models.nets.norms import NORM_TYPES
from models.specs.cautions import cautions
from models.specs.estimate import step_work
from models.specs.facts import EPS, NORMS, NormFacts, gain, shift, weight
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training
from models.training.start import build
from service.serving.exports import fold_norms
from service.serving.onnx_graphs import build_model, run_reference
from tests.models.spans import spans_of, stop_after

FACTS = NormFacts(
    title="Mean absolute value",
    formula="u = a / (mean_row(|a|) + ε);  z = γ u + β",
    tensors=(weight("W"), gain("γ"), shift("β")),
    init="sets γ and β of each unit from the first batch",
    traps=(),
    epsilon=EPS,
    epsilon_place="added to the mean",
)


@dataclass
class MeanAbsNorm(Norm):
    """u = a / (mean(|a|) + ε) over the units of one row;  z = gain · u + shift."""

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        inverse = a.abs().mean(-1, keepdim=True).add_(EPS).reciprocal_()
        return a.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        du = dz * self.gain
        along_u = (du * saved.u).mean(-1, keepdim=True)
        da = (du - saved.u.sign() * along_u) * saved.inverse
        return NormGradients(da=da, gain=(dz * saved.u).sum(1, keepdim=True), shift=dz.sum(1, keepdim=True))

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        return scaling.apply(a / (a.abs().mean(-1, keepdim=True) + EPS))

    @staticmethod
    def add_rows(graph: Operators, name: str, rows: str, size: int) -> str:  # noqa: ARG004
        absolute = graph.add("Abs", f"{name}.abs", rows)
        mean = graph.add("ReduceMean", f"{name}.mean", absolute, axes=[-1], keepdims=1)
        eps = graph.constant(f"{name}.eps", np.array([EPS], np.float32))
        return graph.add("Div", f"{name}.u", rows, graph.add("Add", f"{name}.added", mean, eps))


class ToySpec(TrainSpec):
    """A spec whose norm is not limited to the known names."""

    norm: str = "toy"  # type: ignore[assignment] # wider on purpose


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: dict[Any, NormFacts] = NORMS
    monkeypatch.setitem(facts, "toy", FACTS)
    monkeypatch.setitem(NORM_TYPES, "toy", MeanAbsNorm)


@pytest.mark.parametrize("fields", [{}, {"init": True}, {"scope": "all"}], ids=["", "init", "all"])
def test_it_trains(fields: dict[str, Any], digits: Digits) -> None:
    spans = spans_of(Training([Run(ToySpec(steps=50, telemetry=True, **fields))], digits))

    losses = [row.train_loss for span in spans for row in span.rows]
    assert len(losses) == 50
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert spans[-1].telemetry[-1].layers[0].gain is not None


def test_a_recurrent_layer_has_it(digits: Digits) -> None:
    spec = ToySpec(net="lstm", n_units=8, batch_size=32, steps=20, learning_rate=0.5)

    losses = [row.train_loss for span in spans_of(Training([Run(spec)], digits)) for row in span.rows]

    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_init_gives_its_units_mean_0_and_deviation_1(digits: Digits) -> None:
    training = Training([Run(ToySpec(init=True, steps=1))], digits)
    next(training.spans())

    [hidden, output] = training.init_reports[0]

    assert (hidden.z_after.mean, hidden.z_after.sd) == pytest.approx((0, 1), abs=1e-4)
    assert (output.z_after.mean, output.z_after.sd) == pytest.approx((0, 1), abs=1e-4)


def test_it_keeps_its_bits_in_a_stack(digits: Digits) -> None:
    specs = [ToySpec(steps=20, seed=seed) for seed in range(3)]

    stacked = list(Training([Run(spec) for spec in specs], digits).spans())[-1]

    assert (
        stacked[1].checkpoints[-1].weights
        == spans_of(Training([Run(specs[1])], digits))[-1].checkpoints[-1].weights
    )


def test_its_gradients_agree_with_autograd() -> None:
    torch.manual_seed(5)
    weight = torch.randn(2, 6, 8, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    dz = torch.randn(2, 5, 8, dtype=torch.float64)
    a = x @ weight
    z = 1.5 * a / (a.abs().mean(-1, keepdim=True) + EPS)
    expected = torch.autograd.grad((z * dz).sum(), [weight, x])
    layer = Dense(weight.detach(), NORM_TYPES["toy"].create(weight.detach(), groups=1))
    layer.norm.gain.fill_(1.5)

    _, tape = layer.forward(x.detach(), training=True)
    gradients = layer.backward(dz, tape)

    found = [gradients.by_tensor(layer.weight)["weight"], layer.input_gradient(gradients)]
    torch.testing.assert_close(found, list(expected), rtol=1e-10, atol=1e-10)


def test_its_checkpoint_is_read_again(digits: Digits) -> None:
    spec = ToySpec(steps=30)
    last = spans_of(Training([Run(spec)], digits))[-1]

    net = load_net(last.checkpoints[-1].weights, spec)

    loss, _ = net.evaluate(digits.test.images, digits.test.labels)
    assert loss.item() == last.rows[-1].test_loss


def test_it_resumes_with_the_same_bits(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ToySpec(steps=30, optimizer="adam", learning_rate=0.001)
    undisturbed = spans_of(Training([Run(spec)], digits))
    [first] = next(Training([Run(spec)], digits).spans(stop_after(10, monkeypatch)))

    [*_, [last]] = Training([Run(spec, first.resume_state)], digits).spans()

    assert first.outcome is None
    assert last.checkpoints[-1].weights == undisturbed[-1].checkpoints[-1].weights


@pytest.mark.parametrize("net", ["dense", "lstm"])
def test_its_export_computes_the_same(net: Any) -> None:
    spec = ToySpec(net=net, n_units=8, scope="all")
    trained, _ = build(spec)
    images = torch.rand(5, 784, generator=torch.Generator().manual_seed(1))

    logits, _ = run_reference(build_model(fold_norms(trained), {}), images.numpy())

    expected, _ = trained.forward(images.unsqueeze(0), training=False)
    np.testing.assert_allclose(logits, expected[0], rtol=1e-4, atol=1e-5)


def test_its_counts_and_estimates_follow_from_its_facts() -> None:
    spec = ToySpec(n_units=16)
    net, _ = build(spec)

    assert spec.checkpoint_bytes() == sum(tensor.nbytes for tensor in net.tensors().values())
    assert spec.parameter_count() == TrainSpec(norm="layer", n_units=16).parameter_count()
    assert step_work(spec) == step_work(TrainSpec(norm="layer", n_units=16))
    assert cautions(spec) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_shows_it(theme: Any) -> None:
    curve = mean_curve(np.linspace(0.1, 0.9, 30).reshape(3, 10), "ci95")
    lines = [Line(method, method, np.arange(1, 11), curve) for method in ("none", "toy", "toy+init")]

    svg = draw([Panel("Test accuracy", lines)], "Title", theme, "svg").decode()

    assert svg.count(">toy<") == svg.count(">toy+init<") == 1
