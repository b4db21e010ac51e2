"""The schemas of jobs: what a client sends, and what it gets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from models.specs.spec import TrainSpec
from models.specs.strict import StrictModel
from service.api.metrics.schemas import StepMetrics
from service.api.shared.schemas import Label, Out, Priority, ResultWarning

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
TagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
TagValue = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=20)]

FailureCode = Literal[
    "diverged",
    "worker_lost",
    "time_limit",
    "out_of_memory",
    "dataset_unavailable",
    "checkpoint_corrupt",
    "internal",
]


class JobSubmission(TrainSpec):
    """A job to submit: what to train, and a label and tags to find it by. Every default is the article's."""

    label: Label | None = None
    """A line of at most 80 characters, shown with the job."""
    tags: Tags = Field(default_factory=dict)
    """Up to 20 names with values, to filter by."""
    priority: Priority = 0
    """Queued jobs of higher priority start first."""


class JobChanges(StrictModel):
    """What can be changed after a job is submitted."""

    label: Label | None = None
    """A new label; null removes it."""
    tags: Tags | None = None
    """New tags, which replace all old ones."""
    priority: Priority = 0
    """A new priority; it matters as long as the job is queued."""


class DeletedJob(Out):
    """What was deleted, and the bytes that it freed."""

    id: str
    freed_bytes: int


class JobProgress(Out):
    """The progress of the training."""

    step: int
    steps: int
    percent: float
    steps_per_second: float | None
    """Steps of the newest attempt per second by the clock on the wall, whatever else its worker trains beside
    it; null until the attempt has stored steps."""
    eta_seconds: float | None
    """Seconds by the clock on the wall until the last step, at this pace; null unless running."""


class BestCheckpoint(Out):
    """The checkpoint of highest validation accuracy, the earliest on ties."""

    step: int
    validation_accuracy: float
    test_accuracy: float | None


class JobFailure(Out):
    """Why a job failed; if it diverged, also the first layer and quantity that were not finite."""

    code: FailureCode
    message: str
    step: int | None
    """The last step; if the run diverged, the first with a loss, evaluation or net that is not finite."""
    layer: str | None
    quantity: str | None = None


class StatusChange(Out):
    """A change of status."""

    status: Status
    at: datetime
    reason: str


class JobDetails(TrainSpec):
    """A job: its whole spec, and everything that is known about its run."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True, strict=False)

    id: str
    status: Status
    status_reason: str | None
    label: str | None
    tags: dict[str, str]
    priority: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    progress: JobProgress
    queue_position: int | None
    """How many jobs start before it if nothing else arrives, plus 1; null unless queued, and null in the
    response to POST, which does not look for it."""
    latest: StepMetrics | None
    best: BestCheckpoint | None
    failure: JobFailure | None
    warnings: list[ResultWarning]
    """Warnings about the spec, and about attempts with different kernels."""
    transitions: list[StatusChange]
    comparison_id: str | None
    arm: str | None
    torch_version: str | None
    cpu_capability: str | None
    """The instructions that torch uses; MKL and numpy choose by themselves."""
    kernels_sha256: str | None
    """sha256 of what the worker of the newest attempt computes from fixed numbers: jobs of equal specs have
    equal bits where it is equal."""
    data_sha256: str | None
    init_digest: str | None
    """sha256 of the standard draw of the weights: equal for equal seeds and shapes, with any norm."""
    data_digest: str | None
    """sha256 of the batch order: equal for equal seeds, batch sizes and sampling."""
    weights_sha256: str | None
    links: dict[str, str]


class JobList(Out):
    """A page of jobs."""

    items: list[JobDetails]
    next_cursor: str | None


class MeasuredMachine(Out):
    """The machine that an estimate is for; its workers measured it when they started."""

    torch_version: str
    cpu_capability: str
    measured_at: datetime


class JobEstimate(Out):
    """The spec and the cost that a job would have."""

    spec: TrainSpec
    """Every field, with defaults filled in."""
    parameters: int
    checkpoint_bytes: int
    """Bytes of the tensors of a checkpoint; the file also has a header."""
    memory_bytes: int
    """The most memory that the run is expected to need in its worker."""
    written_bytes: int
    """Bytes that the job is expected to write to the database over its life, dropped checkpoints included."""
    estimated_seconds: float | None
    """Training time alone on an idle worker, evaluations included; null until a worker is measured."""
    measured: MeasuredMachine | None
    warnings: list[ResultWarning]
