"""What clients, api and a worker do with three jobs, in one process; told again, it goes on."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from models.data.digits import Digits, load
from models.specs import span_lengths
from models.training import loop
from service import failpoints
from service.api.jobs.routes import cancel_job, submit_job
from service.api.jobs.schemas import JobSubmission
from service.api.shared.dependencies import Parts
from service.errors import JobNotFound
from service.settings import Settings
from service.store import clock, deletion, jobs, queries, schema
from service.store.database import Database
from service.store.sweeping import sweep_all
from service.store.waiting import candidates
from service.work import task
from tests.runs import evaluated_less

TRAINED: dict[str, Any] = {
    "norm": "batch",
    "init": True,
    "n_units": 32,
    "batch_size": 32,
    "steps": 60,
    "eval_every": 30,
    "checkpoint_every": 30,
}
FOUR_SPANS_SECONDS = 0.002


def tell(url: str, cache_folder: Path) -> str:
    """Migrate, submit three jobs, cancel one, delete one, train one; answer the id of the last."""
    span_lengths.FIRST_SPAN_SECONDS = span_lengths.LONGEST_SPAN_SECONDS = FOUR_SPANS_SECONDS
    span_lengths.SPAN_TO_STORING = 0
    database = Database(url)
    try:
        schema.upgrade(database.engine)
        trained, cancelled = (_submit(database, key) for key in ("trained", "cancelled"))
        cancel_job(database, cancelled)
        _delete(database, _submit(database, "deleted"))
        _train(database, cache_folder)
        return trained
    finally:
        database.close()


def tell_with(armed: str, folder: Path, url: str, cache_folder: Path) -> None:
    """Tell it with a failpoint: for a process that will not come to the end."""
    failpoints.arm(armed, folder)
    tell(url, cache_folder)


def _submit(database: Database, key: str) -> str:
    settings = Settings()
    names = ("max_queued", "max_key_queued", "max_written_bytes")
    limits = {name: getattr(settings, name) for name in names}
    parts: Any = SimpleNamespace(database=database, limits=limits)
    answer = submit_job(cast(Parts, parts), JobSubmission(**TRAINED), idempotency_key=key)
    return answer.headers["location"].removeprefix("/jobs/")


def _delete(database: Database, job_id: str) -> None:
    with suppress(JobNotFound):
        cancel_job(database, job_id)
        with database.writing() as session:
            deletion.delete_job(session, job_id, clock.now(session))
    sweep_all(database, lambda _: None)


def _train(database: Database, cache_folder: Path) -> None:
    with database.writing() as session:
        for left in queries.running(session):
            jobs.requeue_if_running(
                session, left.key, left.attempt, "the story is told again", clock.now(session)
            )
        keys = [job.key for job in candidates(session, (), 1, 2).jobs[:2]]
        jobs.set_submission(session, keys, "token")
    claimed = task.claim(database, keys, "token")
    if claimed:
        task.train_claimed(database, lambda _: _digits(cache_folder), claimed)


@cache
def _digits(cache_folder: Path) -> Digits:
    loop.prepare_thread()
    return evaluated_less(load("mnist", cache_folder))
