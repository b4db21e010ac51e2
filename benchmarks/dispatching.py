"""The dispatcher's time per job, and whether it grows with the number of ended jobs.

1,000 jobs pass through a dispatcher whose engine ends each immediately, first with an empty database, then
with 100,000 ended jobs, on SQLite and on PostgreSQL. The time of the engine is subtracted.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, text

from models.specs.spec import TrainSpec
from service.store import jobs, schema
from service.store.database import Database
from service.store.tables import Job
from service.work.dispatcher import Dispatcher
from tests import postgresql
from tests.store.rows import BUILD

JOBS, ENDED, AT_ONCE = 1_000, 100_000, 1_000
SPEC = TrainSpec(steps=1)
NOW = datetime.now(UTC)


class Done:
    """A future that has finished."""

    status = "finished"

    def done(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def add_done_callback(self, call: Any) -> None:
        pass


class AtOnce:
    """An engine whose tasks claim their jobs and end them immediately; `seconds` is the time that took."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.seconds = 0.0

    def submit(self, keys: list[int], submission: str) -> Done:
        started = time.perf_counter()
        with self.database.writing() as session:
            for key in keys:
                claimed = jobs.claim_if_queued(session, key, submission, BUILD, NOW)
                if claimed:
                    jobs.finish_if_running(session, key, claimed.attempt, NOW)
        self.seconds += time.perf_counter() - started
        return Done()

    def slots(self) -> int:
        return 2

    def workers(self) -> list[str]:
        return []

    def counted(self) -> dict[str, dict[str, int]]:
        return {}

    def assigned(self) -> set[str]:
        return set()

    def start_missing_workers(self) -> None:
        pass

    def exceeded_memory(self, _task: Done) -> bool:
        return False

    def restart_worker(self, submission: str) -> None:
        pass

    def kill_paused_workers(self) -> None:
        pass


def milliseconds_per_job(database: Database) -> float:
    """Submit the jobs, run the dispatcher until none is queued, and return its time without the engine."""
    with database.writing() as session:
        for _ in range(JOBS):
            jobs.submit(session, SPEC, None, {}, NOW)
    engine = AtOnce(database)
    dispatcher = Dispatcher(database, engine, stall_seconds=300)
    started = time.perf_counter()
    while left(database):
        dispatcher.step()
    return 1000 * (time.perf_counter() - started - engine.seconds) / JOBS


def left(database: Database) -> bool:
    with database.reading() as session:
        return session.scalar(select(Job.key).where(Job.status == "queued").limit(1)) is not None


def add_ended(database: Database) -> None:
    """Insert many copies of one ended job."""
    with database.writing() as session:
        job = jobs.submit(session, SPEC, None, {}, NOW)
        jobs.cancel_if_not_ended(session, job.id, NOW)
        session.refresh(job)
        columns = [column.name for column in Job.__table__.columns if column.name not in {"key", "id"}]
        row = {name: getattr(job, name) for name in columns}
        for first in range(0, ENDED, AT_ONCE):
            copies = [{**row, "id": f"job_{number:032x}"} for number in range(first, first + AT_ONCE)]
            session.execute(insert(Job), copies)
        session.execute(text("ANALYZE"))


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder, postgresql.server() as url:
        yield {"SQLite": f"sqlite:///{folder}/bench.db", "PostgreSQL": url}


def main() -> None:
    with databases() as urls:
        for name, url in urls.items():
            database = Database(url)
            schema.upgrade(database.engine)
            before = milliseconds_per_job(database)
            add_ended(database)
            after = milliseconds_per_job(database)
            database.close()
            print(f"{name}: {before:.2f} ms per job, {after:.2f} ms with {ENDED:,} ended jobs")


if __name__ == "__main__":
    main()
