"""/ui/jobs/{id}: one job, its curves, what init did, its checkpoints, and how its net classifies."""

from collections.abc import Iterator
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.specs.facts import NORMS
from models.specs.nets import NETS
from models.specs.spec import TrainSpec
from service.api.evaluations.routes import get_evaluation
from service.api.jobs.routes import cancel_job
from service.api.jobs.schemas import JobDetails
from service.api.jobs.views import view_jobs
from service.api.shared.dependencies import TheDatabase, TheParts
from service.api.shared.parameters import JobId
from service.api.shared.scopes import needs
from service.callers import READ, TRAIN
from service.comparing.specs import method_of
from service.links import link
from service.store import checkpoints, jobs, queries
from service.store.database import Database
from service.store.queries import JobFilter
from service.store.tables import ENDED, NOT_EVALUATED, Job
from service.web.curve_state import CurveState
from service.web.lines import failure_words, measured_at, name_of_job, name_of_stored
from service.web.pages import Command, curl, page_router, render

router = page_router()

Shown = dict[str, Any]


@router.get("/ui/jobs/latest")
@needs(READ)
def lead_to_latest(database: TheDatabase) -> RedirectResponse:
    """Lead to the newest job, or to the list if there is none."""
    with database.reading() as session:
        newest = queries.list_jobs(session, JobFilter(), "-created_at", 1, None).items
    return RedirectResponse(link(f"/ui/jobs/{newest[0].id}" if newest else "/ui/jobs"), 303)


@router.get("/ui/jobs/{job_id}")
@needs(READ)
def show_job(request: Request, database: TheDatabase, job_id: JobId, _curves: CurveState) -> Response:
    """Show a job as far as it is."""
    with database.reading() as session:
        context = _context(session, jobs.get(session, job_id))
    return render("job", context, "jobs", commands=_commands(request, job_id))


@router.post("/ui/jobs/{job_id}/cancel")
@needs(TRAIN)
def cancel(database: TheDatabase, job_id: JobId) -> RedirectResponse:
    """Cancel a job that has not ended, and show it."""
    cancel_job(database, job_id)
    return RedirectResponse(link(f"/ui/jobs/{job_id}"), 303)


@router.get("/ui/jobs/{job_id}/evaluation")
@needs(READ)
async def show_evaluation(request: Request, parts: TheParts, job_id: JobId) -> Response:
    """Show how the newest net of a job classifies the test images."""
    name = await run_in_threadpool(_name, parts.database, job_id)
    response = await get_evaluation(request, parts, job_id, limit=0)
    found = orjson.loads(response.body)
    context = {
        "found": found,
        "name": name,
        "job_id": job_id,
        "most": max(_mistakes(found["confusion"])),
        "sheet": link(f"/jobs/{job_id}/misclassified.png?checkpoint={found['step']}&limit=60"),
    }
    commands = [curl(request, "Evaluate the net", f"/jobs/{job_id}/evaluation")]
    return render("evaluation", context, "jobs", commands=commands)


def _name(database: Database, job_id: str) -> str:
    with database.reading() as session:
        return name_of_stored(jobs.get(session, job_id))


def _context(session: Session, job: Job) -> Shown:
    [shown] = view_jobs(session, [job])
    return {
        "job": shown,
        "name": name_of_job(shown.model_dump(include={"label", "arm", "norm", "init", "seed"})),
        "method": method_of(job.spec),
        "why": failure_words(job.failure),
        "lower_rate": _lower_rate(shown),
        "ended": job.status in ENDED,
        "test_accuracy": None if job.test_accuracy == NOT_EVALUATED else job.test_accuracy,
        "measured_at": measured_at(job),
        "layers": job.init_report or [],
        "checkpoints": [_checkpoint(job, each) for each in checkpoints.list_of(session, job)],
        "spec": list(_spec_rows(shown)),
        "has_telemetry": bool(job.spec.get("telemetry")),
    }


def _checkpoint(job: Job, checkpoint: Any) -> Shown:
    names = ("step", "validation_accuracy", "test_accuracy", "size_bytes")
    best = job.best["step"] if job.best else None
    return {**{name: getattr(checkpoint, name) for name in names}, "is_best": checkpoint.step == best}


def _spec_rows(job: JobDetails) -> Iterator[tuple[str, Any, str, bool]]:
    """Yield of each field that has an effect its name, value and docs, and whether it is not the default."""
    is_known = job.norm in NORMS and job.net in NETS
    unused = TrainSpec.model_construct(**dict(job)).unused_fields() if is_known else {}
    for name, field in TrainSpec.model_fields.items():
        value = getattr(job, name)
        if name in unused:
            continue
        default = (
            field.get_default(call_default_factory=True, validated_data={"norm": job.norm, "net": job.net})
            if is_known
            else value
        )
        yield name, value, field.description or "", value != default


def _lower_rate(job: JobDetails) -> str | None:
    """Return the learning rate to try after a run has diverged: a tenth, with two digits."""
    if job.failure is None or job.failure.code != "diverged":
        return None
    return f"{job.learning_rate / 10:.2g}"


def _mistakes(confusion: list[list[int]]) -> Iterator[int]:
    yield 1
    for label, row in enumerate(confusion):
        yield from (n for predicted, n in enumerate(row) if predicted != label)


def _commands(request: Request, job_id: str) -> list[Command]:
    return [
        curl(request, "Show this job", f"/jobs/{job_id}"),
        curl(request, "Follow its steps as they are stored", f"/jobs/{job_id}/events"),
        curl(request, "Download its history as CSV", f"/jobs/{job_id}/metrics.csv"),
        curl(request, "Cancel it", f"/jobs/{job_id}/cancel", "{}"),
    ]
