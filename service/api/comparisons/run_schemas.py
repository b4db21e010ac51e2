"""The schemas of a comparison's runs."""

from service.api.jobs.schemas import FailureCode
from service.api.shared.schemas import Out, Status


class ComparisonRun(Out):
    """A run of a comparison with the metrics of its last step; null where that step has no such metric."""

    arm: str
    """The arm that it belongs to."""
    seed: int
    """The seed of its weights and its batches."""
    learning_rate: float
    """The learning rate that it is trained with."""
    job_id: str
    """The job that trains it."""
    status: Status
    """The status of that job."""
    step: int
    """The last step whose metrics are stored; 0 before the first."""
    train_loss: float | None
    """Mean cross-entropy over the batch of this step, in nats, before the update."""
    train_accuracy: float | None
    """Share of the batch of this step that is classified correctly, before the update."""
    validation_loss: float | None
    """Mean cross-entropy over the validation images, in nats."""
    validation_accuracy: float | None
    """Share of the validation images that is classified correctly."""
    test_loss: float | None
    """Mean cross-entropy over the test images, in nats."""
    test_accuracy: float | None
    """Share of the test images that is classified correctly."""
    train_seconds: float | None
    """Training time so far, in seconds; null before the first step is stored."""
    diverged: bool
    """Whether it ended because its loss, an evaluation or its net was not finite."""
    at_chance: bool
    """Whether it succeeded with a test accuracy that is not above chance."""
    failure_code: FailureCode | None
    """Why its job failed; null unless it did."""


class ComparisonRuns(Out):
    """All runs of a comparison."""

    comparison_id: str
    """The comparison that they belong to."""
    complete: bool
    """Whether every run has ended."""
    runs: list[ComparisonRun]
    """Sorted by arm, learning rate and seed."""
