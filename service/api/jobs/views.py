"""Jobs from the database as clients see them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from models.specs.spec import TrainSpec
from service.api.jobs.schemas import BestCheckpoint, JobDetails, JobFailure, JobProgress, StatusChange
from service.api.metrics.schemas import StepMetrics
from service.api.shared.schemas import ResultWarning
from service.comparing.specs import with_defaults
from service.links import link
from service.store import queries
from service.store.places import queue_places
from service.store.queries import Transition
from service.store.tables import NOT_EVALUATED, Job

IN_ORDER = dict.fromkeys(JobDetails.model_fields)
OF_SPEC = frozenset(TrainSpec.model_fields)
SAME = (
    *("id", "status", "status_reason", "label", "tags", "priority", "attempt", "arm"),
    *("torch_version", "cpu_capability", "kernels_sha256"),
    *("data_sha256", "init_digest", "data_digest", "weights_sha256"),
)
"""What a job shows as it is stored."""
TIMES = ("created_at", "started_at", "finished_at")
_stored = attrgetter(*SAME)


def view_jobs(session: Session, jobs: Sequence[Job], places: bool = True) -> list[JobDetails]:
    """Show jobs with their transitions and, unless `places` is False, their places in the queue.

    A stored spec is shown as it is, and not validated: this release might refuse it.
    """
    return [_details(document) for document in describe_jobs(session, jobs, places)]


def describe_jobs(session: Session, jobs: Sequence[Job], places: bool = True) -> list[dict[str, Any]]:
    """Show jobs as documents with the fields of JobDetails: three times as fast as with models."""
    transitions = queries.transitions(session, [job.key for job in jobs])
    positions = queue_places(session, jobs) if places else {}
    names = queries.comparison_ids(session, jobs)
    return [
        _document(job, transitions[job.key], positions.get(job.key), names.get(job.comparison_key))
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
    same = "id status label norm init seed arm attempt best failure"
    return [
        {
            **{name: getattr(job, name) for name in same.split()},
            **{name: _utc(getattr(job, name)) for name in TIMES},
            "learning_rate": job.spec["learning_rate"],
            "comparison_id": names.get(job.comparison_key),
            "progress": view_progress(job).model_dump(),
            "test_accuracy": None if job.test_accuracy == NOT_EVALUATED else job.test_accuracy,
        }
        for job in jobs
    ]


def _document(
    job: Job, transitions: Sequence[Transition], position: int | None, comparison_id: str | None
) -> dict[str, Any]:
    return {
        **IN_ORDER,
        **(job.spec if job.spec.keys() == OF_SPEC else _known(job.spec)),
        **dict(zip(SAME, _stored(job), strict=True)),
        **{name: _utc(getattr(job, name)) for name in TIMES},
        "progress": dict(view_progress(job)),
        "queue_position": position,
        "latest": _some(StepMetrics, job.latest),
        "best": _some(BestCheckpoint, job.best),
        "failure": _some(JobFailure, job.failure),
        "warnings": job.warnings or [],
        "transitions": [
            {"status": status, "at": _utc(at), "reason": reason} for status, at, reason in transitions
        ],
        "comparison_id": comparison_id,
        "links": _links(job),
    }


def _known(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored spec that this release knows, with defaults for those that it lacks."""
    return {name: value for name, value in with_defaults(spec).items() if name in OF_SPEC}


def _some(model: type[BaseModel], document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the fields of a model from a stored document; one that it lacks is None."""
    return {name: document.get(name) for name in model.model_fields} if document else None


def _details(document: Mapping[str, Any]) -> JobDetails:
    models = {"progress": JobProgress, "latest": StepMetrics, "best": BestCheckpoint, "failure": JobFailure}
    parts = {name: model(**document[name]) for name, model in models.items() if document[name]}
    warnings = [ResultWarning(**warning) for warning in document["warnings"]]
    transitions = [StatusChange(**each) for each in document["transitions"]]
    return JobDetails.model_construct(
        **{**document, **parts, "warnings": warnings, "transitions": transitions}
    )


def _utc(at: datetime | None) -> datetime | None:
    return at if at is None or at.tzinfo is UTC else at.astimezone(UTC)


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
                *("spec", "metrics", "plot.svg", "plot.png", "events", "init-report", "telemetry"),
                *("checkpoints", "predict", "evaluation", "misclassified.png", "export", "cancel"),
            )
        },
    }
