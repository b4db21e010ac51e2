"""A job as clients see it: the whole spec, where it stands, and how it got there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from models.specs.spec import TrainSpec
from service.store import queries
from service.store.tables import Job, JobTransition

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Label = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
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


class Out(BaseModel):
    """An answer: every field is always there."""

    model_config = ConfigDict(
        extra="forbid", json_schema_serialization_defaults_required=True, use_attribute_docstrings=True
    )


class MetricOut(Out):
    """One step: train figures before the update, the others after it; null is not evaluated or not finite."""

    step: int
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    elapsed_seconds: float
    non_finite: list[str]
    """Figures that were evaluated and were not finite numbers."""


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


class WarningOut(Out):
    """Something that a reader of the results should know."""

    code: str
    """groups_of_two, large_effective_step or other_build."""
    message: str


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


def view(session: Session, jobs: Sequence[Job]) -> list[JobOut]:
    """Show jobs with their transitions and their places in the queue.

    A stored spec is shown as it is, even one that this release would refuse: an answer built from it must
    not be validated again.
    """
    transitions = queries.transitions(session, [job.key for job in jobs])
    positions = queries.queue_positions(session, jobs)
    names = queries.comparison_ids(session, jobs)
    return [
        _view_one(job, transitions[job.key], positions.get(job.key), names.get(job.comparison_key))
        for job in jobs
    ]


def _view_one(
    job: Job, transitions: Sequence[JobTransition], position: int | None, comparison_id: str | None
) -> JobOut:
    same = (
        "id status status_reason label tags created_at started_at finished_at attempt "
        "torch_version cpu_capability data_sha256 init_digest data_digest weights_sha256"
    )
    return JobOut.model_construct(
        **{name: value for name, value in job.spec.items() if name in TrainSpec.model_fields},
        **{name: _utc(getattr(job, name)) for name in same.split()},
        progress=_progress(job),
        queue_position=position,
        latest=MetricOut(**job.latest) if job.latest else None,
        best=BestOut(**job.best) if job.best else None,
        failure=FailureOut(**job.failure) if job.failure else None,
        warnings=[WarningOut(**warning) for warning in job.warnings or []],
        transitions=[TransitionOut(status=t.status, at=t.at, reason=t.reason) for t in transitions],
        comparison_id=comparison_id,
        arm=job.arm,
        links=_links(job),
    )


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _progress(job: Job) -> ProgressOut:
    seconds = job.latest["elapsed_seconds"] if job.latest else 0
    rate = job.step / seconds if seconds else None
    left = (job.steps - job.step) / rate if rate and job.status == "running" else None
    return ProgressOut(
        step=job.step,
        steps=job.steps,
        percent=round(100 * job.step / job.steps, 1),
        steps_per_second=round(rate, 1) if rate else None,
        eta_seconds=round(left, 1) if left is not None else None,
    )


def _links(job: Job) -> dict[str, str]:
    here = f"/jobs/{job.id}"
    return {
        "self": here,
        **{
            name: f"{here}/{name}"
            for name in ("metrics", "init-report", "telemetry", "checkpoints", "predict", "cancel")
        },
    }
