"""The schemas of metric histories."""

from types import GenericAlias
from typing import Any, Literal

from pydantic import ConfigDict, Field, create_model
from pydantic.config import JsonDict

from analysis.thinning import Method
from models.specs.strict import WITHOUT_DOCSTRINGS
from service.api.shared.schemas import Out


class StepMetrics(Out):
    """One step: train metrics before the update, others after it; null if not evaluated or not finite."""

    step: int
    """Number of the update, from 1."""
    train_loss: float | None
    """Mean cross-entropy on the batch before the update, in nats."""
    train_accuracy: float | None
    """Fraction of the batch that the net got right before the update."""
    validation_loss: float | None
    """Mean cross-entropy on the validation images after the update, in nats."""
    validation_accuracy: float | None
    """Fraction of the validation images that the net got right after the update."""
    test_loss: float | None
    """Mean cross-entropy on the test images after the update, in nats."""
    test_accuracy: float | None
    """Fraction of the test images that the net got right after the update."""
    elapsed_seconds: float
    """Training time so far, in seconds, over all attempts: processor time of `init`, steps, evaluations,
    telemetry and checkpoints; in a stack, the run's share."""
    non_finite: list[str]
    """Metrics that were evaluated and are not finite numbers."""


_ALWAYS: JsonDict = {"required": ["step", "non_finite"]}
_REQUIRED_OF_BUCKETS: JsonDict = {"required": ["start", "end", "n", "non_finite"]}


class HistoryRow(StepMetrics):
    """One step, with the metrics that `keys` asks for: by default all."""

    model_config = ConfigDict(json_schema_extra=_ALWAYS)


class _Columns(Out):
    model_config = ConfigDict(json_schema_extra=_ALWAYS)


_LISTS: Any = {
    name: (GenericAlias(list, (field.annotation,)), Field(description=field.description))
    for name, field in StepMetrics.model_fields.items()
}
HistoryColumns = create_model(
    "HistoryColumns",
    __base__=_Columns,
    __cls_kwargs__=WITHOUT_DOCSTRINGS,
    __doc__="A list per metric that `keys` asks for, by default all, with an entry per step.",
    **_LISTS,
)


class KeptInPart(Out):
    """Rows that must survive, of which max_points has no room for all."""

    what: Literal["min", "max", "non_finite"]
    """min and max count metrics, non_finite counts rows."""
    kept: int
    """How many were kept."""
    of: int
    """How many there are."""


class Thinning(Out):
    """What thinning did."""

    method: Method
    """How rows were chosen, or summed up."""
    n_in: int
    """Rows of the window."""
    n_out: int
    """Rows or buckets of the response."""
    kept: list[Literal["first", "last", "min", "max", "non_finite"]]
    """What the response has whole: the first and the last row, the extremes of each metric, and the rows
    with a metric that was not finite."""
    kept_in_part: list[KeptInPart]
    """The others of these, because max_points has no room for all of them."""


class _Page(Out):
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last page, and with `max_points`."""
    thinning: Thinning | None
    """What `max_points` did; null without it: no step is left out."""


class HistoryRowPage(_Page):
    """A page of a history with an object per step."""

    items: list[HistoryRow]
    """The steps of this page, in order."""


class HistoryColumnPage(_Page):
    """A page of a history with a list per metric."""

    items: HistoryColumns
    """The metrics of this page, in order of the steps."""


class MetricSum(Out):
    """One metric in a bucket; null where it has no finite value."""

    n: int
    """Rows with a finite value."""
    mean: float | None
    """Their mean."""
    min: float | None
    """The smallest value."""
    max: float | None
    """The largest value."""
    first: float | None
    """The first value."""
    last: float | None
    """The last value."""


class _Bucket(Out):
    model_config = ConfigDict(json_schema_extra=_REQUIRED_OF_BUCKETS)


class _BucketBounds(_Bucket):
    start: int
    """The first step."""
    end: int
    """The last step."""
    n: int
    """The number of rows."""
    non_finite: list[str]
    """Metrics that were evaluated in one of the rows and were not finite."""


_FIGURES = [name for name in StepMetrics.model_fields if name not in {"step", "non_finite"}]
_SUMS: Any = {
    name: (MetricSum, Field(description=StepMetrics.model_fields[name].description)) for name in _FIGURES
}
HistoryBucket = create_model(
    "HistoryBucket",
    __base__=_BucketBounds,
    __cls_kwargs__=WITHOUT_DOCSTRINGS,
    __doc__="Consecutive rows, summed up for each metric that `keys` asks for, by default all.",
    **_SUMS,
)


class HistoryBucketPage(_Page):
    """A history in buckets of consecutive rows, with an object per bucket."""

    items: list[HistoryBucket]
    """The buckets, in order."""


class MetricSums(Out):
    """One metric in each bucket; null where it has no finite value."""

    n: list[int]
    """Rows with a finite value."""
    mean: list[float | None]
    """Their mean."""
    min: list[float | None]
    """The smallest value."""
    max: list[float | None]
    """The largest value."""
    first: list[float | None]
    """The first value."""
    last: list[float | None]
    """The last value."""


class _BucketColumnsBounds(_Bucket):
    start: list[int]
    """The first step of each bucket."""
    end: list[int]
    """The last step of each bucket."""
    n: list[int]
    """The number of rows of each bucket."""
    non_finite: list[list[str]]
    """Metrics that were evaluated in one of the rows of each bucket and were not finite."""


_LISTS_OF_SUMS: Any = {name: (MetricSums, field) for name, (_, field) in _SUMS.items()}
HistoryBucketColumns = create_model(
    "HistoryBucketColumns",
    __base__=_BucketColumnsBounds,
    __cls_kwargs__=WITHOUT_DOCSTRINGS,
    __doc__="Lists per metric that `keys` asks for, by default all, with an entry per bucket.",
    **_LISTS_OF_SUMS,
)


class HistoryBucketColumnPage(_Page):
    """A history in buckets of consecutive rows, with lists per metric."""

    items: HistoryBucketColumns
    """The buckets, in order."""
