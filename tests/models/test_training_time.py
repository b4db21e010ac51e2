"""Training time: the same for a run alone and stacked, evaluations included, pauses not.

The clock of processor time is an edge: here it counts the numbers that torch computes, so it is exact.
"""

import time
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.data.digits import Digits
from models.specs import span_lengths
from models.specs.spec import TrainSpec
from models.training import loop
from models.training.loop import Run, Training
from tests.models.spans import rows_of, spans_of

SPEC = TrainSpec(n_units=16, batch_size=16, steps=30, eval_every=10, checkpoint_every=30)
STACK = 16
EXACT = 0.01  # a stack shares some small tensors


class Work(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's is untyped
    """A clock that takes 1 ns for every number that an operation of torch returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the same
        self.seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.seconds += 1e-9 * (result.numel() if isinstance(result, Tensor) else 0)
        return result


@pytest.fixture
def _counted_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Work() as work:
        clock = SimpleNamespace(thread_time=lambda: work.seconds, perf_counter=time.perf_counter)
        monkeypatch.setattr(loop, "time", clock)
        yield


pytestmark = pytest.mark.usefixtures("_counted_work")


def stack_of(spec: TrainSpec, **others: Any) -> list[Run]:
    """A run of this spec, and 15 that differ from it in their seeds, and in what is asked for."""
    return [
        Run(spec),
        *(Run(spec.model_copy(update={"seed": seed, **others})) for seed in range(1, STACK)),
    ]


def elapsed(cohort: list[Run], mnist: Digits) -> list[float]:
    """The training time of the first run after each of its steps."""
    return [row.elapsed_seconds for row in rows_of(spans_of(Training(cohort, mnist)))]


@pytest.mark.slow
def test_equal_runs_alone_and_stacked_have_equal_training_times(mnist: Digits) -> None:
    alone, stacked = elapsed([Run(SPEC)], mnist), elapsed(stack_of(SPEC), mnist)

    assert stacked == pytest.approx(alone, rel=EXACT)


@pytest.mark.slow
def test_a_run_is_not_charged_for_the_init_of_its_neighbours(mnist: Digits) -> None:
    spec = SPEC.model_copy(update={"norm": "weight"})

    alone, stacked = elapsed([Run(spec)], mnist), elapsed(stack_of(spec, init=True), mnist)

    assert stacked == pytest.approx(alone, rel=EXACT)


def test_init_is_training_time_of_its_run(mnist: Digits) -> None:
    plain, initialised = (
        elapsed([Run(SPEC.model_copy(update={"init": init}))], mnist) for init in (False, True)
    )

    assert plain[0] < initialised[0]
    assert initialised[-1] - initialised[0] == pytest.approx(plain[-1] - plain[0], rel=EXACT)


@pytest.mark.slow
def test_the_share_grows_when_neighbours_end(mnist: Digits) -> None:
    limit = elapsed([Run(SPEC)], mnist)[9]
    cohort = stack_of(SPEC, max_seconds=limit / 2)

    assert elapsed(cohort, mnist) == pytest.approx(elapsed([Run(SPEC)], mnist), rel=EXACT)


def test_evaluations_are_training_time(mnist: Digits) -> None:
    steps = elapsed([Run(SPEC)], mnist)

    evaluated = [steps[index] - steps[index - 1] for index in (9, 19, 29)]
    others = [steps[index] - steps[index - 1] for index in (8, 18, 28)]
    assert min(evaluated) > 100 * max(others)


@pytest.mark.slow
def test_a_limit_that_a_run_keeps_alone_it_keeps_beside_fifteen_others(mnist: Digits) -> None:
    limited = SPEC.model_copy(update={"max_seconds": 1.5 * elapsed([Run(SPEC)], mnist)[-1]})

    stacked = spans_of(Training(stack_of(limited), mnist))

    assert stacked[-1].outcome == "succeeded"


@pytest.fixture
def _spans_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_SPAN_SECONDS", "LONGEST_SPAN_SECONDS", "SPAN_TO_STORING"):
        monkeypatch.setattr(span_lengths, name, 0)


@pytest.mark.usefixtures("_spans_of_one_step")
def test_a_limit_includes_evaluations(mnist: Digits) -> None:
    steps = elapsed([Run(SPEC)], mnist)
    limited = SPEC.model_copy(update={"max_seconds": (steps[8] + steps[9]) / 2})

    spans = spans_of(Training([Run(limited)], mnist))

    assert (spans[-1].outcome, spans[-1].rows[-1].step) == ("time_limit", 10)


@pytest.mark.usefixtures("_spans_of_one_step")
def test_a_pause_is_no_training_time(mnist: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = elapsed([Run(SPEC)], mnist)
    an_hour_at_each_look = count(step=3600).__next__
    monkeypatch.setattr("models.training.loop.time.perf_counter", an_hour_at_each_look)

    assert elapsed([Run(SPEC)], mnist) == pytest.approx(undisturbed, rel=EXACT)


@pytest.mark.usefixtures("_spans_of_one_step")
def test_a_resumed_run_continues_with_its_training_time(mnist: Digits) -> None:
    undisturbed = elapsed([Run(SPEC)], mnist)
    first = next(Training([Run(SPEC)], mnist).spans())[0]

    rest = elapsed([Run(SPEC, first.resume_state), Run(SPEC, first.resume_state)], mnist)

    assert [first.rows[0].elapsed_seconds, *rest] == pytest.approx(undisturbed, rel=EXACT)
