"""The schemas of metric histories."""

from service.api.shared.schemas import Out


class StepMetrics(Out):
    """One step: train figures before the update, others after it; null is not evaluated or not finite."""

    step: int
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    elapsed_seconds: float
    """Training time so far, in seconds, over all attempts: processor time of `init`, steps, evaluations,
    telemetry and checkpoints; in a stack, the run's share."""
    non_finite: list[str]
    """Figures that were evaluated and are not finite numbers."""


class MetricPage(Out):
    """A page of a history; `thinning` is null because rows are exact."""

    items: list[StepMetrics]
    next_cursor: str | None
    thinning: None
