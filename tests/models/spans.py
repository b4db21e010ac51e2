"""The spans of one run of a training, and where the first of them ends."""

from collections.abc import Callable, Sequence
from itertools import chain, repeat

import pytest

from models.specs import span_lengths
from models.specs.metrics import MetricRow
from models.training.loop import Span, Training


def spans_of(training: Training, run: int = 0) -> list[Span]:
    """Train to the end and return all spans of one run."""
    return [span for spans in training.spans() for span in spans if span.run == run]


def rows_of(spans: Sequence[Span]) -> list[MetricRow]:
    """The metrics of all steps."""
    return list(chain.from_iterable(span.rows for span in spans))


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Return a `should_stop` that ends the first span after this many steps, however fast they are."""
    monkeypatch.setattr(span_lengths, "LONGEST_SPAN_SECONDS", 0.0)  # should_stop is called after every step
    monkeypatch.setattr(span_lengths, "FIRST_SPAN_SECONDS", 1e9)
    replies = chain(repeat(False, steps - 1), [True], repeat(False))
    return lambda: next(replies)
