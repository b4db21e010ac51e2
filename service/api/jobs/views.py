"""Jobs from the database as clients see them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from models.specs.spec import TrainSpec
from service.api.jobs.schemas import BestCheckpoint, JobDetails, JobFailure, JobProgress, StatusChange
from service.api.metrics.schemas import StepMetrics
from service.api.shared.schemas import ResultWarning
from service.comparing.specs import with_defaults
from service.links import link
from service.store import queries
from service.store.places import queue_places
from service.store.tables import NOT_EVALUATED, Job, JobTransition


def view_jobs(session: Session, jobs: Sequence[Job], places: bool = True) -> list[JobDetails]:
    """Show jobs with their transitions and, unless `places` is False, their places in the queue.

    A stored spec is shown as it is, and not validated: this release might refuse it.
    """
    transitions = queries.transitions(session, [job.key for job in jobs])
    positions = queue_places(session, jobs) if places else {}
    names = queries.comparison_ids(session, jobs)
    return [
        _view(job, transitions[job.key], positions.get(job.key), names.get(job.comparison_key))
        for job in jobs
    ]


def view_spec(job: Job) -> dict[str, Any]:
    """Show what a job was asked for, with defaults for fields that its stored spec lacks.

    Fields of another release that this one does not know are shown too: without them, another net would be
    trained, and with them the body is refused.
    """
    return {**with_defaults(job.spec), "label": job.label, "tags": job.tags, "priority": job.priority}


def view_summaries(session: Session, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Show what a list needs of jobs: the fields of JobSummary."""
    names = queries.comparison_ids(session, jobs)
    same = "id status label norm init seed arm created_at started_at finished_at attempt best failure"
    return [
        {
            **{name: _utc(getattr(job, name)) for name in same.split()},
            "learning_rate": job.spec["learning_rate"],
            "comparison_id": names.get(job.comparison_key),
            "progress": view_progress(job).model_dump(),
            "test_accuracy": None if job.test_accuracy == NOT_EVALUATED else job.test_accuracy,
        }
        for job in jobs
    ]


def _view(
    job: Job, transitions: Sequence[JobTransition], position: int | None, comparison_id: str | None
) -> JobDetails:
    same = (
        "id status status_reason label tags priority created_at started_at finished_at attempt "
        "torch_version cpu_capability kernels_sha256 data_sha256 init_digest data_digest weights_sha256"
    )
    return JobDetails.model_construct(
        **{name: value for name, value in job.spec.items() if name in TrainSpec.model_fields},
        **{name: _utc(getattr(job, name)) for name in same.split()},
        progress=view_progress(job),
        queue_position=position,
        latest=StepMetrics(**job.latest) if job.latest else None,
        best=BestCheckpoint(**job.best) if job.best else None,
        failure=JobFailure(**job.failure) if job.failure else None,
        warnings=[ResultWarning(**warning) for warning in job.warnings or []],
        transitions=[StatusChange(status=t.status, at=t.at, reason=t.reason) for t in transitions],
        comparison_id=comparison_id,
        arm=job.arm,
        links=_links(job),
    )


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def view_progress(job: Job) -> JobProgress:
    """Show how far a job is, and how fast."""
    rate = pace(job.step, job.resumed_step, job.attempt_seconds)
    left = (job.steps - job.step) / rate if rate and job.status == "running" else None
    return JobProgress(
        step=job.step,
        steps=job.steps,
        percent=round(100 * job.step / job.steps, 1),
        steps_per_second=round(rate, 1) if rate else None,
        eta_seconds=round(left, 1) if left is not None else None,
    )


def pace(step: int, resumed_step: int | None, attempt_seconds: float | None) -> float | None:
    """Return the steps per second of an attempt by the clock on the wall; None until it has stored steps.

    Training time is no measure of this: a run of a stack is charged only its share of it.
    """
    if resumed_step is None or not attempt_seconds or step <= resumed_step:
        return None
    return (step - resumed_step) / attempt_seconds


def _links(job: Job) -> dict[str, str]:
    here = link(f"/jobs/{job.id}")
    return {
        "self": here,
        **{
            name: f"{here}/{name}"
            for name in (
                "spec",
                "metrics",
                "events",
                "init-report",
                "telemetry",
                "checkpoints",
                "predict",
                "cancel",
            )
        },
    }
