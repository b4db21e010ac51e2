"""The schemas of jobs: what a client sends, and what it gets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, WithJsonSchema

from models.specs.comparison import ComparisonSpec
from models.specs.spec import TrainSpec
from models.specs.strict import PartialModel
from service.api.metrics.schemas import StepMetrics
from service.api.shared.schemas import Label, Out, Priority, ResultWarning, Status

TagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
TagValue = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Tags = Annotated[
    dict[TagName, TagValue],
    Field(max_length=20),
    # pydantic's own schema of such a dict lets names of other patterns have any value.
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 20,
            "propertyNames": TypeAdapter(TagName).json_schema(),
            "additionalProperties": TypeAdapter(TagValue).json_schema(),
        }
    ),
]

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

    elsewhere: ClassVar[Mapping[str, str]] = {
        "spec": "put its fields beside the others",
        **{
            name: f"a job trains one net; POST /comparisons takes {name}"
            for name in ComparisonSpec.model_fields
        },
    }

    label: Label | None = None
    """A line of at most 80 characters, shown with the job."""
    tags: Tags = Field(default_factory=dict)
    """Up to 20 names with values, to filter by."""
    priority: Priority = 0
    """Queued jobs of higher priority start first."""


class JobSpec(JobSubmission):
    """What a job was asked for, every field included: a body that POST /jobs accepts."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class JobChanges(PartialModel):
    """What can be changed after a job is submitted."""

    label: Label | None = None
    """A new label; null removes it."""
    tags: Tags = Field(default_factory=dict)
    """New tags, which replace all old ones; {} removes them."""
    priority: Priority = 0
    """A new priority; it matters as long as the job is queued."""


class DeletedJob(Out):
    """What was deleted, and the bytes that it freed."""

    id: str
    """Id of the job."""
    freed_bytes: int
    """Bytes of its checkpoints."""


class JobProgress(Out):
    """The progress of the training."""

    step: int
    """Steps that are stored."""
    steps: int
    """Steps of the spec."""
    percent: float
    """Share of the steps that is stored, from 0 to 100."""
    steps_per_second: float | None
    """Steps of the newest attempt per second by the clock on the wall, whatever else its worker trains beside
    it; null until the attempt has stored steps."""
    eta_seconds: float | None
    """Seconds by the clock on the wall until the last step, at this pace; null unless running."""


class BestCheckpoint(Out):
    """The checkpoint of highest validation accuracy, the earliest on ties."""

    step: int
    """Updates that the net had had."""
    validation_accuracy: float
    """Fraction of the validation images that the net gets right."""
    test_accuracy: float | None
    """Fraction of the test images that the net gets right; null if it was not evaluated."""


class JobFailure(Out):
    """Why a job failed; if it diverged, also the first layer and quantity that were not finite."""

    code: FailureCode
    """The kind of failure."""
    message: str
    """What happened, as a sentence."""
    step: int | None
    """The last step; if the run diverged, the first with a loss, evaluation or net that is not finite."""
    layer: str | None
    """Layer in which the first number that is not finite appeared; null unless the run diverged."""
    quantity: str | None = None
    """Quantity of that layer that was not finite; null unless the run diverged."""


class StatusChange(Out):
    """A change of status."""

    status: Status
    """The new status."""
    at: datetime
    """When it changed, in UTC."""
    reason: str
    """Why it changed."""


class JobDetails(TrainSpec):
    """A job: its whole spec, and everything that is known about its run."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True, strict=False)

    id: str
    """Id of the job, `job_` and a UUID; newer ids sort after older ones."""
    status: Status
    """State of the job; the last three are final."""
    status_reason: str | None
    """Why it has this status; null until its status has changed."""
    label: str | None
    """A name to find the job by; null if there is none."""
    tags: dict[str, str]
    """Names with values, to filter jobs by."""
    priority: int
    """Queued jobs of higher priority start first."""
    created_at: datetime
    """When it was submitted, in UTC."""
    started_at: datetime | None
    """When its first attempt began, in UTC; null until then."""
    finished_at: datetime | None
    """When it ended, in UTC; null until then."""
    attempt: int
    """How many times a worker has started on it."""
    progress: JobProgress
    """How far the training is."""
    queue_position: int | None
    """How many jobs start before it if nothing else arrives, plus 1; null unless queued, and null in the
    response to POST, which does not look for it."""
    latest: StepMetrics | None
    """The newest row of its history; null until there is one."""
    best: BestCheckpoint | None
    """The checkpoint of highest validation accuracy; null until there is one."""
    failure: JobFailure | None
    """Why it failed; null unless it failed."""
    warnings: list[ResultWarning]
    """Warnings about the spec, and about attempts with different kernels."""
    transitions: list[StatusChange]
    """Every change of status, the oldest first."""
    comparison_id: str | None
    """The comparison that it belongs to; null for a single job."""
    arm: str | None
    """Arm of the comparison that it was submitted for; null for a job that never had one."""
    torch_version: str | None
    """Release of torch that trained it; null until it has run."""
    cpu_capability: str | None
    """The instructions that torch uses; MKL and numpy choose by themselves."""
    kernels_sha256: str | None
    """sha256 of what the worker of the newest attempt computes from fixed numbers: jobs of equal specs have
    equal bits where it is equal."""
    data_sha256: str | None
    """sha256 of the images and labels that it was trained on; null until it has run."""
    init_digest: str | None
    """sha256 of the standard draw of the weights: equal for equal seeds and shapes, with any norm."""
    data_digest: str | None
    """sha256 of the batch order: equal for equal seeds, batch sizes and sampling."""
    weights_sha256: str | None
    """sha256 of its last checkpoint; null unless it succeeded."""
    links: dict[str, str]
    """Paths of what belongs to the job."""


class JobList(Out):
    """A page of jobs."""

    items: list[JobDetails]
    """The jobs of this page."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last page."""


class MeasuredMachine(Out):
    """The machine that an estimate is for; its workers measured it when they started."""

    torch_version: str
    """Release of torch on it."""
    cpu_capability: str
    """The instructions that torch uses on it."""
    measured_at: datetime
    """When it was measured, in UTC."""


class JobEstimate(Out):
    """The spec and the cost that a job would have."""

    spec: TrainSpec
    """Every field, with defaults filled in."""
    parameters: int
    """Number of trained parameters of the net."""
    checkpoint_bytes: int
    """Bytes of the tensors of a checkpoint; the file also has a header."""
    memory_bytes: int
    """The most memory that the run is expected to need in its worker."""
    written_bytes: int
    """Bytes that the job is expected to write to the database over its life, dropped checkpoints included."""
    estimated_seconds: float | None
    """Training time alone on an idle worker, evaluations included; null until a worker is measured."""
    measured: MeasuredMachine | None
    """The machine that the seconds are for; null until one is measured."""
    warnings: list[ResultWarning]
    """What is probably a mistake in the spec."""
