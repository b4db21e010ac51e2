"""The schemas of metric histories."""

from types import GenericAlias
from typing import Any

from pydantic import ConfigDict, Field, create_model
from pydantic.config import JsonDict

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
    __doc__="A list per metric that `keys` asks for, by default all, with an entry per step.",
    **_LISTS,
)


class _Page(Out):
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last page."""
    thinning: None
    """Null: no step is left out."""


class HistoryRowPage(_Page):
    """A page of a history with an object per step."""

    items: list[HistoryRow]
    """The steps of this page, in order."""


class HistoryColumnPage(_Page):
    """A page of a history with a list per metric."""

    items: HistoryColumns
    """The metrics of this page, in order of the steps."""
