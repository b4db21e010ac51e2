"""The schemas of jobs: what a client sends, and what it gets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from models.specs.spec import TrainSpec
from models.specs.strict import StrictModel
from service.api.metrics.schemas import MetricOut
from service.api.shared.schemas import Label, Out, WarningOut

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


class JobIn(TrainSpec):
    """A job to submit: what to train, and words to find it by. Every default is the article's."""

    label: Label | None = None
    """A line of at most 80 characters, shown with the job."""
    tags: Tags = Field(default_factory=dict)
    """Up to 20 names with values, to filter by."""


class JobChanges(StrictModel):
    """What may change once a job exists."""

    label: Label | None = None
    """A new label; null takes it away."""
    tags: Tags | None = None
    """New tags in place of all the old ones."""


class Deleted(Out):
    """What a deletion gave back."""

    id: str
    freed_bytes: int


class ProgressOut(Out):
    """How far the training has come."""

    step: int
    steps: int
    percent: float
    steps_per_second: float | None
    eta_seconds: float | None


class BestOut(Out):
    """The checkpoint of highest validation accuracy, the earliest on ties."""

    step: int
    validation_accuracy: float
    test_accuracy: float | None


class FailureOut(Out):
    """Why a job failed; of one that diverged also the layer and quantity that first were not finite."""

    code: FailureCode
    message: str
    step: int | None
    """The last step: of a run that diverged, the first whose train loss is not finite."""
    layer: str | None
    quantity: str | None = None


class TransitionOut(Out):
    """A change of status."""

    status: Status
    at: datetime
    reason: str


class JobOut(TrainSpec):
    """A job: its spec resolved, and everything that is known of its run."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True, strict=False)

    id: str
    status: Status
    status_reason: str | None
    label: str | None
    tags: dict[str, str]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    progress: ProgressOut
    queue_position: int | None
    """Place in the queue, from 1; null unless queued."""
    latest: MetricOut | None
    best: BestOut | None
    failure: FailureOut | None
    warnings: list[WarningOut]
    """Of the spec, and of attempts that ran on unlike machines."""
    transitions: list[TransitionOut]
    comparison_id: str | None
    arm: str | None
    torch_version: str | None
    cpu_capability: str | None
    data_sha256: str | None
    init_digest: str | None
    """sha256 of the standard draw of the weights: equal for equal seeds and shapes, whatever the norm."""
    data_digest: str | None
    """sha256 of the batch order: equal for equal seeds, batch sizes and sampling."""
    weights_sha256: str | None
    links: dict[str, str]


class JobList(Out):
    """A page of jobs."""

    items: list[JobOut]
    next_cursor: str | None


class MeasuredOut(Out):
    """The machine that an estimate is for, as its workers measured it when they started."""

    torch_version: str
    cpu_capability: str
    measured_at: datetime


class DryRunOut(Out):
    """What a job would be and cost."""

    spec: TrainSpec
    """Every field, resolved."""
    parameters: int
    checkpoint_bytes: int
    """Of the tensors of one checkpoint; the file has a header besides."""
    memory_bytes: int
    """The most that the run is expected to take in its worker."""
    estimated_seconds: float | None
    """Of training alone on an idle worker, evaluations included; null until a worker has been measured."""
    measured: MeasuredOut | None
    warnings: list[WarningOut]
