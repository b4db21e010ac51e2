"""The figure of a job: loss and accuracy on train, validation and test images over the steps."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from analysis.curves import mean_curve
from analysis.palette import Split
from analysis.plots import ImageFormat, Line, Mark, Panel, Theme, draw
from analysis.thinning import History, minmax_lttb
from service.comparing.curves import CurveMetric
from service.comparing.specs import method_of, with_defaults
from service.histories.reading import Columns, read_columns
from service.store.database import Database
from service.store.metrics import Window
from service.store.tables import ENDED, Job

METRICS: Sequence[CurveMetric] = (
    *("train_loss", "train_accuracy", "test_loss", "test_accuracy"),
    *("validation_loss", "validation_accuracy"),
)
"""In the order in which they are drawn: markers of validation are rings around those of test."""
SPLITS: dict[str, Split] = {split: split for split in get_args(Split)}
PANELS = {"loss": "Loss", "accuracy": "Accuracy"}
POINTS = 600


def draw_job(
    database: Database,
    job: Job,
    metric: CurveMetric | None,
    theme: Theme,
    image_format: ImageFormat,
    window: Window = Window(),  # noqa: B008 # it is frozen
) -> Generator[int, None, bytes]:
    """Draw one metric of a job, or all in two panels, in slices for a pool: the reading, then the figure.

    Only the steps of the window are drawn.
    """
    shown = METRICS if metric is None else [metric]
    seen = replace(window, end=min(window.end, max(job.step, 1)))
    columns = yield from read_columns(database, job.key, seen, shown)
    panels = [
        _panel(job, title, columns, _places(shown, kind), window)
        for kind, title in PANELS.items()
        if any(name.endswith(kind) for name in shown)
    ]
    return draw(panels, title_of(job), theme, image_format)


def _places(shown: Sequence[CurveMetric], kind: str) -> dict[CurveMetric, int]:
    return {name: shown.index(name) for name in shown if name.endswith(kind)}


def title_of(job: Job) -> str:
    """Return the job's label, or what it trains, and how far it is."""
    name = job.label or f"{method_of(with_defaults(job.spec))}, seed {job.seed}"
    if job.status == "succeeded":
        return name
    diverged = job.failure is not None and job.failure["code"] == "diverged"
    state = "diverged" if diverged else job.status
    how = f"{state} at step" if job.status in ENDED else "step"
    return f"{name}: {how} {job.step:,} of {job.steps:,}"


def _panel(job: Job, title: str, columns: Columns, places: dict[CurveMetric, int], window: Window) -> Panel:
    method = method_of(with_defaults(job.spec))
    lines = [_line(SPLITS[name.partition("_")[0]], method, columns, place) for name, place in places.items()]
    marks = [mark for mark in _marks(job, columns, places) if window.start <= mark.step <= window.end]
    return Panel(title, lines, marks)


def _line(split: Split, method: str, columns: Columns, place: int) -> Line:
    """Choose the points to draw: a figure of every point of a million would be 100 MB."""
    measured = np.flatnonzero(~np.isnan(columns.values[place]) | columns.is_non_finite(place))
    steps, values = columns.steps[measured], columns.values[place : place + 1, measured]
    rows, _ = minmax_lttb(History(steps, values, np.isnan(values[0])), POINTS)
    return Line(split, method, steps[rows], mean_curve(values[:, rows], "sd"), split)


def _marks(job: Job, columns: Columns, places: dict[CurveMetric, int]) -> list[Mark]:
    """Mark where the run diverged, or else the last row of which these metrics were not finite."""
    if job.failure is not None and job.failure["code"] == "diverged":
        step = job.failure["step"] or job.step
        return [Mark(step, f"diverged at step {step:,}")]
    rows = np.flatnonzero(np.logical_or.reduce([columns.is_non_finite(place) for place in places.values()]))
    return [Mark(step, f"not finite at step {step:,}") for step in columns.steps[rows[-1:]].tolist()]
