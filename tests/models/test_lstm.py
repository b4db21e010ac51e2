"""The recurrent net with every norm: against the reference vectors, against torch's LSTM, and exactly."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.nets import norms
from models.nets.init import initialise
from models.nets.lstm import Lstm
from models.nets.net import Net
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.checkpoint import unstacked
from models.training.start import build
from tests.models import reference_nets
from tests.models.formulas import FORMULAS
from tests.models.reference_nets import unsettled_net

CASES = reference_nets.VECTORS["lstm"]
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
TOLERANCES: dict[str, dict[str, Any]] = {**dict.fromkeys(NORMS, CLOSE), "group": {"rtol": 1e-9, "atol": 1e-9}}
ROWS = 6

Tensors = dict[str, Tensor]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_net_computes_the_reference_vectors(case: dict[str, Any]) -> None:
    reference_nets.check_case(case, reference_nets.lstm_net(case), **TOLERANCES[case["spec"]["norm"]])


def spec_of(norm: Any, **fields: Any) -> TrainSpec:
    groups: dict[str, Any] = {"groups": 2} if norm == "group" else {}
    return TrainSpec(net="lstm", norm=norm, n_units=8, **groups, **fields)


def lstm_of(net: Net) -> Lstm:
    layer = net.layers["lstm1"]
    assert isinstance(layer, Lstm)
    return layer


def drawn_batch(runs: int = 1) -> tuple[Tensor, Tensor]:
    return torch.rand(runs, ROWS, 784, dtype=torch.float64), torch.randint(10, (runs, ROWS))


def last_h(net: Net, x: Tensor, training: bool = True) -> Tensor:
    return net.map(Tensor.clone).layers["lstm1"].forward(x, training)[0]


def logits_by_formula(spec: TrainSpec, tensors: Tensors, x: Tensor) -> Tensor:
    """The logits [rows, classes] of one run from x [rows, steps, inputs]; running statistics move."""
    parts = {part: reference_nets.of_layer(tensors, f"lstm1.{part}") for part in ("input", "state", "cell")}

    def normalised(part: str, x: Tensor, step: int) -> Tensor:
        a = x @ parts[part]["weight"] if part != "cell" else x
        own = {"shift": torch.zeros_like(a[0]), **parts[part]}
        at_step = {name: tensor[step] for name, tensor in own.items() if "running" in name}
        groups = spec.groups * (1 if part == "cell" else 4)
        return FORMULAS[spec.norm](a, {**own, **at_step}, groups, True)

    h = c = torch.zeros(len(x), spec.n_units, dtype=torch.float64)
    for step, inputs in enumerate(x.unbind(1)):
        gates = normalised("input", inputs, step) + normalised("state", h, step) + tensors["lstm1.shift"]
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * (normalised("cell", c, step) if parts["cell"] else c).tanh()
    own = reference_nets.of_layer(tensors, "output")
    return FORMULAS[spec.plan()[-1].norm](h @ own["weight"], own, spec.groups, True)


@pytest.mark.parametrize(("norm", "scope"), reference_nets.IN_SCOPES)
def test_every_gradient_and_statistic_agrees_with_the_formulas(norm: Any, scope: Any) -> None:
    net, (x, labels) = unsettled_net(spec_of(norm, scope=scope), runs=2), drawn_batch(2)
    spec, order = spec_of(norm, scope=scope), lstm_of(net).pixels.flatten()
    start = [{name: value.clone() for name, value in unstacked(net.run(run)).items()} for run in range(2)]

    gradients = reference_nets.gradients_of(net, x, labels)

    for run, tensors in enumerate(start):
        trained = {name: value.requires_grad_() for name, value in tensors.items() if "running" not in name}
        logits = logits_by_formula(spec, tensors, x[run][:, order].view(ROWS, 28, 28))
        loss = functional.cross_entropy(logits, labels[run])
        expected = dict(zip(trained, torch.autograd.grad(loss, [*trained.values()]), strict=True))
        found = {name: gradients[name][run].reshape(expected[name].shape) for name in expected}
        torch.testing.assert_close(found, expected, **TOLERANCES[norm])
        running = {name: value for name, value in unstacked(net.run(run)).items() if "running" in name}
        torch.testing.assert_close(running, {name: tensors[name] for name in running}, **CLOSE)


@pytest.mark.parametrize("sequence", ["rows", "permuted"])
def test_a_plain_net_is_torchs_lstm(sequence: str) -> None:
    net, (x, labels) = unsettled_net(spec_of("none", sequence=sequence), runs=2), drawn_batch(2)
    order = lstm_of(net).pixels.flatten()

    gradients = reference_nets.gradients_of(net, x, labels)

    for run in range(2):
        own = {name: tensor[run] for name, tensor in net.tensors().items()}
        module = nn.LSTM(28, 8, batch_first=True).double()
        values = [
            own["lstm1.input.weight"].T,
            own["lstm1.state.weight"].T,
            own["lstm1.shift"][0],
            torch.zeros(32),
        ]
        for parameter, value in zip(module.parameters(), values, strict=True):
            parameter.data.copy_(value)
        _, (h, _) = module(x[run][:, order].view(ROWS, 28, 28))
        logits = h[0] @ own["output.weight"] + own["output.shift"]
        loss = functional.cross_entropy(logits, labels[run])
        expected = torch.autograd.grad(loss, [*module.parameters()][:3])
        names = ("lstm1.input.weight", "lstm1.state.weight", "lstm1.shift")
        found = [
            gradients[name][run].T.reshape(each.shape) for name, each in zip(names, expected, strict=True)
        ]
        torch.testing.assert_close(found, [*expected], **CLOSE)
    assert sequence == "permuted" or order.tolist() == list(range(784))


def test_the_permutation_is_the_published_one() -> None:
    order = lstm_of(build(TrainSpec(net="lstm", n_units=2))[0]).pixels.flatten().tolist()

    assert order == reference_nets.PERMUTATION


@pytest.mark.parametrize("norm", [norm for norm, facts in NORMS.items() if facts.scale_free])
@pytest.mark.parametrize("part", ["input", "state"])
def test_the_scale_of_the_weights_has_no_effect(
    norm: Any, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not 0: the first recurrent product is 0, and 0 / 0 would be in everything that follows.
    monkeypatch.setattr(norms, "EPS", 1e-300)
    net, (x, _) = unsettled_net(spec_of(norm)), drawn_batch()
    by_unit = NORMS[norm].over_batch or NORMS[norm].of_weights
    longer = net.map(Tensor.clone)
    longer.tensors()[f"lstm1.{part}.weight"].mul_(torch.arange(1.0, 33.0) if by_unit else 3.0)

    found, expected = last_h(longer, x), last_h(net, x)

    assert expected.isfinite().all()
    torch.testing.assert_close(found, expected, **CLOSE)


def test_weight_norm_without_init_starts_as_the_unnormalised_net() -> None:
    x, _ = drawn_batch()
    plain, weighted = (
        last_h(build(TrainSpec(net="lstm", norm=norm, n_units=8))[0].map(Tensor.double), x)
        for norm in ("none", "weight")
    )

    torch.testing.assert_close(weighted, plain, rtol=1e-6, atol=1e-6)  # float32 draws their gains


@pytest.mark.parametrize("norm", NORMS)
def test_a_row_depends_on_others_only_by_statistics_of_the_batch(norm: Any) -> None:
    net, (x, _) = unsettled_net(spec_of(norm)), drawn_batch()
    others = torch.cat([x[:, :1], torch.rand_like(x[:, 1:])], 1)

    in_training, in_evaluation = (
        torch.allclose(
            last_h(net, x, training)[:, :1], last_h(net, others, training)[:, :1], rtol=0, atol=1e-12
        )
        for training in (True, False)
    )

    assert in_evaluation
    assert in_training == (not NORMS[norm].over_batch)


@pytest.mark.parametrize("norm", ["batch", "weight_mean_only_batch"])
def test_the_first_recurrent_product_is_zero(norm: Any) -> None:
    net, (x, _) = unsettled_net(spec_of(norm)), drawn_batch()
    before = {name: tensor.clone() for name, tensor in net.tensors().items()}

    net.forward(x, training=True)

    for name, start in before.items():
        if name.startswith("lstm1.state.running_"):  # batch statistics of the first step are 0
            torch.testing.assert_close(net.tensors()[name][:, 0], 0.9 * start[:, 0], **CLOSE)


@pytest.mark.parametrize("norm", NORMS)
def test_init_sets_the_input_and_leaves_what_recurs_alone(norm: Any) -> None:
    net, (x, _) = unsettled_net(spec_of(norm)), drawn_batch()
    before = {name: tensor.clone() for name, tensor in net.tensors().items()}

    of_input, _ = initialise(net, x)
    once = {name: tensor.clone() for name, tensor in net.tensors().items()}
    initialise(net, x)

    assert of_input.layer == "lstm1.input"
    z = lstm_of(net).map(Tensor.clone).of_inputs(x).transpose(1, 2).flatten(2)  # (runs, units, batch · steps)
    bias = lstm_of(net).start_of_shift()[:, 0]
    torch.testing.assert_close(z.mean(-1), bias, rtol=0, atol=1e-8)
    torch.testing.assert_close(z.std(-1, correction=0), torch.ones_like(bias), rtol=0, atol=1e-6)
    assert all(
        torch.equal(once[name], tensor)
        for name, tensor in before.items()
        if ".state" in name or ".cell" in name
    )
    torch.testing.assert_close(net.tensors(), once, rtol=1e-5, atol=1e-5)
