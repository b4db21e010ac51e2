"""Telemetry: every value against its formula, and no effect on the run."""

from typing import Any

import pytest
import torch

from models.data.digits import Digits
from models.nets.net import Net
from models.nets.telemetry import measure
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training
from models.training.start import build
from tests.models.spans import spans_of

SPEC = TrainSpec(norm="batch", n_hidden=2, n_units=16, learning_rate=0.5)
X = torch.rand(1, 32, 784, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(32).remainder(10).view(1, 32)


def built(spec: TrainSpec) -> Net:
    net, _ = build(spec)
    return net


def test_the_gradient_norm_agrees_with_autograd() -> None:
    net = built(TrainSpec(norm="none"))
    weight = net.layers["output"].weight.clone().requires_grad_()

    hidden = (X @ net.layers["hidden1"].weight).relu()
    torch.nn.functional.cross_entropy((hidden @ weight)[0], LABELS[0]).backward()  # type: ignore[no-untyped-call] # torch's is untyped

    [_, output] = measure(net, X, LABELS, TrainSpec(norm="none"))
    assert weight.grad is not None
    assert output.gradient_norm == pytest.approx(weight.grad.norm().item(), rel=1e-5)


def test_lengths_and_effective_steps_are_computed_by_column() -> None:
    net = built(SPEC)
    lengths = net.layers["hidden1"].weight[0].norm(dim=0)

    found = measure(net, X, LABELS, SPEC)[0]

    assert found.weight_norm is not None
    assert found.effective_step is not None
    assert found.weight_norm.mean == pytest.approx(lengths.mean().item())
    assert found.weight_norm.max == pytest.approx(lengths.max().item())
    assert found.effective_step.mean == pytest.approx((0.5 / lengths.square()).mean().item())


def test_a_gain_is_summarised_where_one_is_trained() -> None:
    net = built(SPEC)
    net.layers["hidden2"].norm.gain[..., :8] = 3

    hidden1, hidden2, output = measure(net, X, LABELS, SPEC)

    assert hidden1.gain is not None
    assert hidden2.gain is not None
    assert (hidden1.gain.mean, hidden2.gain.mean, hidden2.gain.sd, output.gain) == (1, 2, 1, None)


def test_units_that_output_zero_for_every_row_are_dead() -> None:
    net = built(SPEC)
    net.layers["hidden1"].norm.shift[..., :4] = -1e6

    assert [layer.dead_units for layer in measure(net, X, LABELS, SPEC)] == [0.25, 0, None]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_units_die_of_relu_only(activation: Any) -> None:
    spec = SPEC.model_copy(update={"activation": activation})

    assert [layer.dead_units for layer in measure(built(spec), X, LABELS, spec)] == [None] * 3


def test_drift_is_the_distance_of_the_batch_from_the_running_values() -> None:
    net = built(SPEC)
    a = X @ net.layers["hidden1"].weight

    hidden1, _, output = measure(net, X, LABELS, SPEC)

    assert hidden1.running_mean_drift == pytest.approx(a.mean(1).abs().mean().item(), rel=1e-4)
    assert hidden1.running_var_drift == pytest.approx((a.var(1) - 1).abs().mean().item(), rel=1e-4)
    assert (output.running_mean_drift, output.running_var_drift) == (None, None)


def test_the_norm_of_cells_has_gain_and_drift_and_no_length() -> None:
    spec = TrainSpec(net="lstm", norm="batch", n_units=4)

    of_input, _, of_cell, _ = measure(built(spec), X, LABELS, spec)

    assert (of_cell.layer, of_cell.gradient_norm, of_cell.weight_norm, of_cell.effective_step) == (
        *("lstm1.cell", None, None, None),
    )
    assert of_input.gain is not None
    assert of_cell.gain is not None
    assert (of_input.gain.mean, of_cell.gain.mean) == pytest.approx((0.1, 0.1))
    assert of_cell.running_mean_drift is not None
    assert of_cell.running_var_drift is not None


def test_measuring_does_not_change_the_net() -> None:
    net = built(SPEC)
    before = {name: tensor.clone() for name, tensor in net.tensors().items()}

    measure(net, X, LABELS, SPEC)

    assert all(torch.equal(tensor, before[name]) for name, tensor in net.tensors().items())


def test_there_is_one_row_per_evaluation_if_telemetry_is_on(digits: Digits) -> None:
    fields: dict[str, Any] = {"steps": 70, "eval_every": 30, "checkpoint_every": 70}

    asked = spans_of(Training([Run(TrainSpec(telemetry=True, **fields))], digits))
    silent = spans_of(Training([Run(TrainSpec(**fields))], digits))

    assert [row.step for span in asked for row in span.telemetry] == [30, 60, 70]
    assert [row for span in silent for row in span.telemetry] == []


def test_a_run_has_the_same_telemetry_alone_and_stacked(digits: Digits) -> None:
    specs = [SPEC.model_copy(update={"telemetry": True, "steps": 40, "seed": seed}) for seed in range(3)]

    alone = [row for span in spans_of(Training([Run(specs[2])], digits)) for row in span.telemetry]
    stacked = [
        row for span in spans_of(Training([Run(spec) for spec in specs], digits), 2) for row in span.telemetry
    ]

    assert alone == stacked


def test_telemetry_does_not_change_the_bits_of_training(digits: Digits) -> None:
    spec = TrainSpec(norm="batch", init=True, steps=60, eval_every=10, checkpoint_every=60)

    plain = spans_of(Training([Run(spec)], digits))
    measured = spans_of(Training([Run(spec.model_copy(update={"telemetry": True}))], digits))

    rows = [
        [row._replace(elapsed_seconds=0) for span in spans for row in span.rows]
        for spans in (plain, measured)
    ]
    assert rows[0] == rows[1]
