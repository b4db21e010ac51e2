"""Weight norms of extreme lengths: only the direction of v counts, in float32 too."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.data.digits import Digits
from models.nets.layers import Dense, LayerGradients
from models.nets.net import Net
from models.nets.norms import NORM_TYPES
from models.nets.telemetry import measure
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training
from models.training.optimizers import create_optimizer, initial_state
from models.training.start import build
from tests.models.spans import spans_of, stop_after

pytestmark = pytest.mark.slow

WEIGHT_NORMS = [norm for norm, facts in NORMS.items() if facts.of_weights]
# Beyond squares that vanish or overflow in float32; 2 ** -100 and so on change no digit of v.
SCALES = [2.0**exponent for exponent in (-100, -65, -45, 45, 65, 100)]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, DZ, V = drawn(1, 8, 6), drawn(1, 8, 4, seed=1), drawn(1, 6, 4, seed=2)


def dense(norm: str, weight: Tensor) -> Dense:
    layer = Dense(weight.clone(), NORM_TYPES[norm].create(weight, 1))
    layer.norm.gain.copy_(torch.tensor([0.5, -1.0, 2.0, 1.5]))
    layer.norm.shift.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    return layer


def passed(layer: Dense) -> tuple[Tensor, LayerGradients]:
    z, tape = layer.forward(X, training=True)
    return z, layer.backward(DZ.clone(), tape)


def weight_gradient(layer: Dense) -> Tensor:
    _, gradients = passed(layer)
    return gradients.by_tensor(layer.weight)["weight"]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_the_length_of_v_changes_no_bit_of_z(norm: str, scale: float) -> None:
    z, _ = passed(dense(norm, V))

    scaled, _ = passed(dense(norm, V * scale))

    assert torch.equal(scaled, z)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_the_gradient_of_v_grows_as_v_shrinks(norm: str, scale: float) -> None:
    expected = weight_gradient(dense(norm, V))

    found = weight_gradient(dense(norm, V * scale))

    torch.testing.assert_close(found * scale, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_the_gain_starts_at_a_length_that_does_not_vanish(scale: float) -> None:
    create = NORM_TYPES["weight"].create

    assert torch.equal(create(V * scale, 1).gain, create(V, 1).gain * scale)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("scale", [1e-25, 1e25, 0.0])
@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_a_unit_of_extreme_length_changes_no_bit_of_the_others(
    norm: str, scale: float, optimizer: Any
) -> None:
    ordinary, extreme = dense(norm, V), dense(norm, V)
    extreme.weight[..., 0] *= scale
    spec = TrainSpec(optimizer=optimizer, weight_decay=0.1)

    for layer in (ordinary, extreme):
        state = initial_state(spec, Net({"only": layer}, "relu"))
        update = create_optimizer(spec, torch.full((1, 1, 1), 0.1), state).update
        for step in (1, 2, 3):
            update("only", layer, passed(layer)[1], step)

    assert torch.isfinite(extreme.weight).all()
    for name, tensor in extreme.tensors().items():
        assert torch.equal(tensor[..., 1:], ordinary.tensors()[name][..., 1:])


@pytest.mark.parametrize("scale", [2.0**-65, 2.0**-100, 2.0**100])
def test_a_step_from_an_extreme_length_is_that_of_its_gradient(scale: float) -> None:
    layer = dense("weight", V * scale)
    expected = layer.weight * 0.99 - 0.1 * weight_gradient(layer)

    spec = TrainSpec(weight_decay=0.1)
    create_optimizer(spec, torch.full((1, 1, 1), 0.1), {}).update("only", layer, passed(layer)[1], 1)

    torch.testing.assert_close(layer.weight / expected, torch.ones_like(expected), rtol=1e-4, atol=0)


@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_a_unit_without_direction_gives_its_shift_and_gets_no_gradient_for_v(norm: str) -> None:
    layer = dense(norm, torch.cat([torch.zeros(1, 6, 1), V[..., 1:]], 2))

    z, gradients = passed(layer)

    assert torch.equal(z[..., 0], torch.full((1, 8), 0.1))
    assert torch.equal(gradients.by_tensor(layer.weight)["weight"][..., 0], torch.zeros(1, 6))
    assert all(torch.isfinite(each).all() for each in gradients.by_tensor(layer.weight).values())


@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_a_weight_that_is_not_finite_is_not_hidden(norm: str) -> None:
    weight = V.clone()
    weight[0, 0, 0], weight[0, 0, 1] = torch.nan, torch.inf

    z, _ = passed(dense(norm, weight))

    assert torch.isfinite(z).all(1).tolist() == [[False, False, True, True]]


def test_telemetry_measures_short_weights() -> None:
    net, _ = build(TrainSpec(norm="weight", n_units=4))
    net.layers["hidden1"].weight.mul_(1e-30)

    [hidden, _] = measure(net, torch.rand(1, 8, 784), torch.zeros(1, 8, dtype=torch.int64), TrainSpec())

    assert hidden.weight_norm is not None
    assert hidden.effective_step is not None
    assert 0 < hidden.weight_norm.min < 1e-28
    assert 1e50 < hidden.effective_step.max < 1e60


def assert_ended_well(spec: TrainSpec, digits: Digits) -> None:
    last = spans_of(Training([Run(spec)], digits))[-1]

    assert (last.outcome, last.rows[-1].step) == ("succeeded", spec.steps)
    assert last.rows[-1].test_loss is not None
    assert last.rows[-1].test_loss < 5
    net = load_net(last.checkpoints[-1].weights, spec)
    assert all(torch.isfinite(tensor).all() for tensor in net.tensors().values())


# The weights of units without gradients shrink by this factor per step: to 0 at once, or by 90 %.
@pytest.mark.parametrize("rate", [0.1, 0.09], ids=["0", "0.1"])
@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_decay_down_to_nothing_leaves_a_run_finite(norm: Any, rate: float, digits: Digits) -> None:
    assert_ended_well(TrainSpec(norm=norm, weight_decay=10, learning_rate=rate, steps=80), digits)


def test_a_run_whose_lengths_used_to_vanish_ends_well(digits: Digits) -> None:
    assert_ended_well(TrainSpec(norm="weight", weight_decay=0.1, learning_rate=0.25, steps=1800), digits)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_a_neighbour_whose_lengths_vanish_changes_no_bit(norm: Any, optimizer: Any, digits: Digits) -> None:
    spec = TrainSpec(norm=norm, optimizer=optimizer, weight_decay=10, learning_rate=1e-4, steps=60)
    vanishing = spec.model_copy(update={"learning_rate": 0.1, "seed": 1})
    alone = spans_of(Training([Run(spec)], digits))[-1].checkpoints[-1].weights

    [*_, stacked] = Training([Run(vanishing), Run(spec)], digits).spans()

    assert stacked[1].checkpoints[-1].weights == alone


def test_a_run_continues_with_units_without_direction(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TrainSpec(norm="weight", weight_decay=10, learning_rate=0.1, steps=60)
    undisturbed = spans_of(Training([Run(spec)], digits))[-1].checkpoints[-1].weights
    [first] = next(Training([Run(spec)], digits).spans(stop_after(30, monkeypatch)))
    assert first.outcome is None

    *_, [last] = Training([Run(spec, first.resume_state)], digits).spans()

    assert last.checkpoints[-1].weights == undisturbed
