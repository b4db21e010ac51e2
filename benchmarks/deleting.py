"""The time to delete a comparison of 1,000 runs with 10,000 metric rows each, and other writes meanwhile.

An api and a sweeping thread run on SQLite and on PostgreSQL. A client deletes the comparison, then changes
the label of another job until everything is swept.
"""

import os
import sys
import threading
import time
from datetime import UTC, datetime

import httpx
from dispatching import databases
from running import started
from sqlalchemy import insert, select, text

from models.specs.comparison import ComparisonSpec
from models.specs.spec import TrainSpec
from service.store import comparisons, jobs, schema
from service.store.database import Database
from service.store.marks import WITH_MARKED
from service.store.postgresql_engine import without_statement_timeout
from service.store.tables import Checkpoint, Job
from service.work import sweeper

RUNS, ROWS, AT_ONCE = 1_000, 10_000, 50
WEIGHTS = bytes(400_000)
NOW = datetime.now(UTC)
HISTORY = text(
    f"""
    WITH RECURSIVE steps AS (SELECT 1 AS step UNION ALL SELECT step + 1 FROM steps WHERE step < {ROWS})
    INSERT INTO metrics (job_key, step, train_loss, train_accuracy, elapsed_seconds)
    SELECT key, steps.step, 0.123456789, 0.987654321, 0.5 FROM jobs, steps
    WHERE key BETWEEN :first AND :last
    """  # noqa: S608
)


def fill(database: Database) -> tuple[str, str]:
    """Store the comparison, ended, and another job; return their ids."""
    body = {"arms": [{"name": "none"}], "seeds": RUNS, "base": {"steps": ROWS}}
    spec = ComparisonSpec.model_validate(body)
    with database.writing() as session:
        other = jobs.submit(session, TrainSpec(), None, {}, NOW)
        comparison = comparisons.create(session, spec, None, NOW)
        comparisons.cancel(session, comparison, NOW)
        keys = session.scalars(select(Job.key).where(Job.comparison_key == comparison.key)).all()
    for first in range(0, RUNS, AT_ONCE):
        some = keys[first : first + AT_ONCE]
        with database.writing() as session, without_statement_timeout(session.connection()):
            session.execute(HISTORY, {"first": some[0], "last": some[-1]})
            session.execute(insert(Checkpoint), [checkpoint(key) for key in some])
            session.execute(
                text("UPDATE jobs SET step = :rows, size_bytes = :size WHERE key BETWEEN :first AND :last"),
                {"rows": ROWS, "size": len(WEIGHTS), "first": some[0], "last": some[-1]},
            )
    return comparison.id, other.id


def checkpoint(key: int) -> dict[str, object]:
    size = {"weights": WEIGHTS, "size_bytes": len(WEIGHTS)}
    return {"job_key": key, "step": ROWS, "sha256": "0" * 64, "created_at": NOW, **size}


def is_swept(database: Database) -> bool:
    marked = select(Job.key).where(Job.deleted_at.is_not(None)).limit(1)
    with database.reading() as session:
        return session.scalar(marked, execution_options=WITH_MARKED) is None


def measure(name: str, url: str) -> None:
    database = Database(url)
    schema.upgrade(database.engine)
    comparison, other = fill(database)
    stop, waits = threading.Event(), list[float]()
    with started("api", DATABASE_URL=url) as address, httpx.Client(base_url=address, timeout=60) as client:
        sweeper.start(database, stop)
        client.patch(f"/jobs/{other}", json={"label": "warm"}).raise_for_status()
        os.sync()  # what was just filled in is no part of the deletion
        begun = time.perf_counter()
        deleted = client.delete(f"/comparisons/{comparison}")
        took = time.perf_counter() - begun
        while not is_swept(database):
            before = time.perf_counter()
            client.patch(f"/jobs/{other}", json={"label": str(before)}).raise_for_status()
            waits.append(time.perf_counter() - before)
        swept = time.perf_counter() - begun
    stop.set()
    database.close()
    slowest = sorted(waits)
    p99 = 1000 * slowest[int(0.99 * len(slowest))]
    print(
        f"{name}: DELETE {deleted.status_code} in {1000 * took:.0f} ms, swept in {swept:.0f} s, "
        f"{len(waits):,} other writes meanwhile: p99 {p99:.0f} ms, slowest {1000 * slowest[-1]:.0f} ms",
        flush=True,
    )


def main() -> None:
    with databases() as urls:
        for name, url in urls.items():
            if len(sys.argv) == 1 or name in sys.argv[1:]:
                measure(name, url)


if __name__ == "__main__":
    main()
