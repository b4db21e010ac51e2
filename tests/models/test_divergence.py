"""Divergence: what ends a run, and the first non-finite quantity, found by repeating its last span."""

from typing import Any, NamedTuple, Self

import pytest
import torch

from models.data.digits import Digits
from models.nets.divergence import (
    NonFinite,
    find_first_non_finite,
    quantities_after_update,
    quantities_before_update,
)
from models.nets.net import Net
from models.specs import span_lengths
from models.specs.spec import TrainSpec
from models.training.checkpoint import ResumeState, dump_resume_state
from models.training.loop import Run, Span, Training
from models.training.optimizers import initial_state
from models.training.start import build

WILD = TrainSpec(norm="weight", init=True, learning_rate=1e6)


def small_net(**options: Any) -> Net:
    net, _ = build(TrainSpec(n_units=4, n_hidden=2, **options))
    return net


def first_in_step(net: Net, x: torch.Tensor) -> NonFinite | None:
    return find_first_non_finite(
        quantities_before_update(net, x, torch.zeros(1, x.shape[1], dtype=torch.int64)), 7
    )


def last_span(spec: TrainSpec, digits: Digits, *neighbours: TrainSpec) -> Span:
    training = Training([Run(each) for each in (spec, *neighbours)], digits)
    return [span for spans in training.spans() for span in spans if span.run == 0][-1]


def test_a_finite_step_has_no_non_finite_quantity() -> None:
    net = small_net(norm="batch")

    assert first_in_step(net, torch.rand(1, 8, 784)) is None
    assert find_first_non_finite(quantities_after_update(net.tensors()), 7) is None


@pytest.mark.parametrize(
    ("layer", "tensor", "quantity"),
    [
        ("hidden1", "weight", "product"),
        ("hidden2", "weight", "product"),
        ("output", "weight", "product"),
        ("hidden2", "gain", "pre_activation"),
        ("hidden2", "shift", "pre_activation"),
    ],
)
def test_the_first_non_finite_quantity_is_named(layer: str, tensor: str, quantity: str) -> None:
    net = small_net(norm="layer")
    net.tensors()[f"{layer}.{tensor}"].fill_(torch.inf)

    assert first_in_step(net, torch.rand(1, 8, 784)) == (7, layer, quantity)


def test_a_loss_that_overflows_is_named_after_finite_logits() -> None:
    net = small_net()
    # The logits of every row: one far above, the label's far below; each is finite, their distance is not.
    net.tensors()["output.shift"][..., :2] = torch.tensor([-3e38, 3e38])

    assert first_in_step(net, torch.zeros(1, 8, 784)) == (7, "output", "loss")


def test_a_tensor_after_an_update_is_named_with_its_layer() -> None:
    left = {"hidden1.weight": torch.ones(2), "hidden2.weight.square": torch.tensor([1.0, torch.inf])}

    assert find_first_non_finite(quantities_after_update(left), 3) == (3, "hidden2", "weight.square")


def test_the_search_does_not_change_the_net() -> None:
    net = small_net(norm="batch")
    before = {name: tensor.clone() for name, tensor in net.tensors().items()}

    first_in_step(net, torch.rand(1, 8, 784))

    assert all(torch.equal(tensor, before[name]) for name, tensor in net.tensors().items())


@pytest.mark.slow
def test_a_diverged_run_names_the_same_quantity_alone_and_stacked(digits: Digits) -> None:
    alone = last_span(WILD, digits)
    stacked = last_span(WILD, digits, WILD.model_copy(update={"learning_rate": 0.1, "steps": 1000}))

    assert alone.outcome == "diverged"
    assert alone.first_non_finite is not None
    assert alone.first_non_finite.step in {alone.rows[-1].step - 1, alone.rows[-1].step}
    assert stacked.first_non_finite == alone.first_non_finite


def test_the_quantity_is_found_in_a_later_span_too(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    together = last_span(WILD, digits)
    monkeypatch.setattr(span_lengths, "FIRST_SPAN_SECONDS", 1e-9)
    monkeypatch.setattr(span_lengths, "LONGEST_SPAN_SECONDS", 1e-9)
    monkeypatch.setattr(span_lengths, "SPAN_TO_STORING", 0)

    apart = last_span(WILD, digits)

    assert (len(apart.rows), apart.rows[-1].step) == (1, together.rows[-1].step)
    assert apart.first_non_finite == together.first_non_finite


class End(NamedTuple):
    """The end of a run: its outcome, its last row without times, and the first value that was not finite."""

    outcome: str | None
    step: int
    non_finite: list[str]
    first: NonFinite | None

    @classmethod
    def of(cls, span: Span) -> Self:
        return cls(span.outcome, span.rows[-1].step, span.rows[-1].non_finite(), span.first_non_finite)


def end_of(digits: Digits, spec: TrainSpec, state: bytes) -> End:
    """Train from a resume state to the end."""
    *_, [last] = Training([Run(spec, state)], digits).spans()
    return End.of(last)


def state_with(spec: TrainSpec, **values: Any) -> bytes:
    """Return the resume state of a first step that left the first number of these tensors at these values."""
    net, _ = build(spec)
    for name, value in values.items():
        net.tensors()[name.replace("__", ".")].view(-1)[0] = value
    return dump_resume_state(ResumeState(net, initial_state(spec, net), 1, 0.0))


@pytest.fixture(params=[1, 1e-9], ids=["one span", "a span per step"])
def spans(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_SPAN_SECONDS", "LONGEST_SPAN_SECONDS"):
        monkeypatch.setattr(span_lengths, name, request.param)
    monkeypatch.setattr(span_lengths, "SPAN_TO_STORING", 0)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_a_run_whose_end_is_not_finite_has_diverged(steps: int, digits: Digits) -> None:
    last = last_span(WILD.model_copy(update={"steps": steps}), digits)

    finite = last.outcome == "succeeded"
    assert [checkpoint.row for checkpoint in last.checkpoints] == last.rows[-1:] * finite
    assert (last.rows[-1].non_finite() == [], last.first_non_finite is None) == (finite, finite)
    assert steps < 4 or last.outcome == "diverged"


@pytest.mark.usefixtures("spans")
def test_a_net_that_is_not_finite_ends_its_run_at_its_checkpoint_though_no_figure_shows_it(
    digits: Digits,
) -> None:
    spec = TrainSpec(n_units=8, steps=20, eval_every=3, checkpoint_every=10)

    # A unit of relu that is always 0, and gets no gradient.
    outcome, step, non_finite, first = end_of(digits, spec, state_with(spec, hidden1__shift=-torch.inf))

    assert (outcome, step, non_finite) == ("diverged", 10, [])
    assert first is not None
    assert first.layer == "hidden1"


@pytest.mark.usefixtures("spans")
def test_an_evaluation_that_is_not_finite_ends_its_run(digits: Digits) -> None:
    spec = TrainSpec(norm="batch", n_units=8, steps=20, eval_every=6, checkpoint_every=20)

    # Running statistics are for evaluations only: training goes on as if nothing were wrong.
    end = end_of(digits, spec, state_with(spec, hidden1__running_mean=-3e38, hidden1__running_var=0))

    assert end == End(
        "diverged",
        6,
        ["validation_loss", "test_loss"],
        NonFinite(6, "hidden1", "validation_pre_activation"),
    )


def test_a_convolution_that_diverges_is_named(digits: Digits) -> None:
    spec = TrainSpec(net="conv", norm="weight", n_units=4, steps=3, batch_size=16)

    end = end_of(digits, spec, state_with(spec, conv2__gain=torch.inf))

    assert (end.outcome, end.step, end.first) == ("diverged", 2, NonFinite(2, "conv2", "pre_activation"))


@pytest.mark.parametrize(
    ("tensor", "place"), [("input__gain", "input"), ("state__weight", "state"), ("cell__gain", "cell")]
)
def test_the_part_of_a_recurrent_layer_that_diverges_is_named(
    tensor: str, place: str, digits: Digits
) -> None:
    spec = TrainSpec(net="lstm", norm="layer", n_units=4, steps=3, batch_size=16)

    end = end_of(digits, spec, state_with(spec, **{f"lstm1__{tensor}": torch.inf}))

    assert (end.outcome, end.step) == ("diverged", 2)
    assert end.first == NonFinite(2, f"lstm1.{place}", "pre_activation")


def test_a_run_that_stays_finite_names_no_quantity(digits: Digits) -> None:
    assert last_span(TrainSpec(learning_rate=1e4, steps=30), digits).first_non_finite is None
