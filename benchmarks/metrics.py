"""The time to read histories and lists of jobs over HTTP, with 10⁵ and with 10⁷ rows, on both databases.

`python benchmarks/metrics.py 1000 SQLite` stores 1,000 histories rather than 10,000, on this database only.
A client sends one request after another; p50 and p99 are over 400 of them. Growth is the p50 with all rows
divided by the p50 with 100 histories.
"""

import http.client
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from dispatching import NOW, databases
from listing import copy_of
from running import started
from sqlalchemy import func, insert, select, text

from models.specs.spec import TrainSpec
from service.store import jobs, schema
from service.store.database import Database
from service.store.postgresql_engine import without_statement_timeout
from service.store.tables import Job, JobTransition

HISTORIES, STEPS, EVAL_EVERY = 10_000, 1_000, 100
FEW_HISTORIES, FEW_JOBS, JOBS, AT_ONCE = 100, 400, 100_000, 500
LONG, LONGEST = 100_000, 1_000_000
"""Steps of two more histories, for the tables."""
WARM_UPS, REQUESTS, TABLES = 50, 400, 5
WARMING_SECONDS = 12
"""After its start, the api imports for some seconds what predictions need."""
MEBIBYTE = 2**20

# Losses fall and accuracies rise with the step; each is an SQL expression.
COLUMNS = {
    "train_loss": "0.1 + 2.2 / (1 + step / 20.0) + 0.001 * (key % 97)",
    "train_accuracy": "(120 - key % 7 - 100 / (1 + step / 20)) / 128.0",
    "validation_loss": "{evaluated} 0.11 + 2.2 / (1 + step / 20.0) END",
    "validation_accuracy": "{evaluated} 0.96 - 2.0 / (step + 3) END",
    "test_loss": "{evaluated} 0.12 + 2.2 / (1 + step / 21.0) END",
    "test_accuracy": "{evaluated} 0.95 - 2.0 / (step + 7) END",
    "elapsed_seconds": "step * 0.00123456789",
}
PLANT = f"""
    INSERT INTO metrics (job_key, step, {", ".join(COLUMNS)})
    WITH RECURSIVE steps (step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM steps WHERE step < :steps)
    SELECT key, step, {", ".join(COLUMNS.values())}
    FROM (SELECT key FROM jobs WHERE key BETWEEN :first AND :last ORDER BY key) AS chosen CROSS JOIN steps
""".format(evaluated=f"CASE WHEN step % {EVAL_EVERY} = 0 THEN")  # noqa: S608


@dataclass(frozen=True)
class Read:
    """A request that is measured."""

    path: str
    most_ms: float
    """The aim for its p50."""
    unchanged: bool = False
    """Whether the client has the newest version."""
    coding: str = "identity"


READS = {
    "1,000 rows, all keys": Read("/jobs/{job}/metrics", 4),
    "1,000 rows, one key in columns": Read("/jobs/{job}/metrics?keys=train_loss&layout=columns", 3),
    "1,000 rows thinned to 300": Read("/jobs/{job}/metrics?max_points=300", 5),
    "304": Read("/jobs/{job}/metrics", 2, unchanged=True),
    "a list of 50 jobs": Read("/jobs?limit=50", 5),
    "a list of 50 jobs, best of a norm": Read("/jobs?limit=50&norm=batch&sort=-test_accuracy", 5),
    "1,000 rows, all keys, gzip": Read("/jobs/{job}/metrics", 8, coding="gzip"),
}


def add_jobs(database: Database, steps: int, first: int, last: int) -> None:
    """Store succeeded jobs with the keys from first to last, but not their histories."""
    row = ended_job(steps)
    for start in range(first, last + 1, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, last + 1))
        with database.writing() as session:
            session.execute(insert(Job), [{**copy_of(row, number), "init": number % 2} for number in numbers])
            session.execute(
                insert(JobTransition), [each for number in numbers for each in transitions(number)]
            )


def transitions(key: int) -> list[dict[str, Any]]:
    same = {"job_key": key, "reason": "-", "attempt": 1, "at": NOW}
    statuses = ("queued", "running", "succeeded")
    return [{**same, "number": number, "status": status} for number, status in enumerate(statuses, 1)]


def ended_job(steps: int) -> dict[str, Any]:
    job = jobs.new(TrainSpec(steps=steps, eval_every=EVAL_EVERY), None, {}, NOW)
    row = {column.name: getattr(job, column.name) for column in Job.__table__.columns if column.name != "id"}
    figures = dict.fromkeys(COLUMNS, 0.1234567890123)
    return {
        **row,
        **{"status": "succeeded", "status_reason": "finished", "attempt": 1, "step": steps, "revision": 5},
        **{"latest": {"step": steps, **figures, "non_finite": []}, "started_at": NOW, "finished_at": NOW},
        **{"best": {"step": steps, "validation_accuracy": 0.95, "test_accuracy": 0.94}, "size_bytes": 0},
    }


def add_histories(database: Database, steps: int, first: int, last: int) -> None:
    at_once = max(1, AT_ONCE * STEPS // steps)
    for start in range(first, last + 1, at_once):
        with database.writing() as session, without_statement_timeout(session.connection()):
            values = {"steps": steps, "first": start, "last": min(start + at_once - 1, last)}
            session.execute(text(PLANT), values)


def id_of(key: int) -> str:
    return f"job_{key:032x}"


class Client:
    """One connection to the api, and the time of each request on it."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=120)

    def get(self, path: str, headers: Mapping[str, str]) -> tuple[float, http.client.HTTPResponse]:
        """Return the milliseconds until the whole response has arrived."""
        started_at = time.perf_counter()
        self.connection.request("GET", path, headers=dict(headers))
        response = self.connection.getresponse()
        response.read()
        milliseconds = 1000 * (time.perf_counter() - started_at)
        if response.status not in {200, 304}:
            raise RuntimeError(f"{path}: {response.status}")
        return milliseconds, response

    def times(self, read: Read, job: str) -> list[float]:
        """Return the milliseconds of each request, the shortest first."""
        path, headers = read.path.format(job=job), {"Accept-Encoding": read.coding}
        if read.unchanged:
            headers["If-None-Match"] = str(self.get(path, headers)[1].headers["ETag"])
        for _ in range(WARM_UPS):
            self.get(path, headers)
        return sorted(self.get(path, headers)[0] for _ in range(REQUESTS))

    def table_growth(self, path: str) -> int:
        """Return by how many bytes the api grows while it streams a table."""
        [api] = psutil.Process().children()
        before = most = api.memory_info().rss
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        while response.read(MEBIBYTE):
            most = max(most, api.memory_info().rss)
        return most - before


def measure(address: str, name: str, before: Mapping[str, float] | None) -> dict[str, float]:
    """Print the figures of each read, and return the medians."""
    client, medians = Client(address), {}
    for what, read in READS.items():
        found = client.times(read, id_of(FEW_HISTORIES // 2))
        p50, p99 = statistics.median(found), found[int(0.99 * len(found))]
        medians[what] = p50
        growth = f", growth {p50 / before[what]:.2f} (1.3)" if before else ""
        print(
            f"{name}, {what}: p50 {p50:.1f} ms ({read.most_ms:g}), p99 / p50 {p99 / p50:.1f} (3){growth}",
            flush=True,
        )
    return medians


def measure_tables(address: str, name: str, long: str, longest: str) -> None:
    client = Client(address)
    identity = {"Accept-Encoding": "identity"}
    best = min(client.get(f"/jobs/{long}/metrics.csv", identity)[0] for _ in range(TABLES))
    print(f"{name}, {LONG:,} rows as CSV: {best / 1000:.2f} s, best of {TABLES} (0.4)")
    growth = client.table_growth(f"/jobs/{longest}/metrics.csv")
    print(f"{name}, {LONGEST:,} rows as CSV: memory grows by {growth / MEBIBYTE:.1f} MiB (64)", flush=True)


def run(name: str, url: str, histories: int) -> None:
    database = Database(url)
    schema.upgrade(database.engine)
    add_jobs(database, STEPS, 1, FEW_JOBS)
    add_histories(database, STEPS, 1, FEW_HISTORIES)
    settle(database)
    with started("api", DATABASE_URL=url) as address:
        time.sleep(WARMING_SECONDS)
        few = measure(address, f"{name}, {FEW_HISTORIES * STEPS:,} rows", None)
    add_jobs(database, STEPS, FEW_JOBS + 1, max(JOBS, histories))
    add_histories(database, STEPS, FEW_HISTORIES + 1, histories)
    last = max(JOBS, histories)
    for number, steps in enumerate((LONG, LONGEST), last + 1):
        add_jobs(database, steps, number, number)
        add_histories(database, steps, number, number)
    settle(database)
    with database.reading() as session:
        print(f"{name}: {session.scalar(select(func.count()).select_from(Job)):,} jobs", flush=True)
    with started("api", DATABASE_URL=url) as address:
        time.sleep(WARMING_SECONDS)
        measure(address, f"{name}, {histories * STEPS:,} rows", few)
        measure_tables(address, name, id_of(last + 1), id_of(last + 2))
    database.close()


def settle(database: Database) -> None:
    """Gather statistics, as autovacuum would within a minute, and write what is only in the log of SQLite."""
    with database.engine.connect() as connection:
        statement = "PRAGMA wal_checkpoint(TRUNCATE)" if database.is_sqlite else "ANALYZE"
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(statement)


def main() -> None:
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else HISTORIES
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    with databases() as urls:
        for name, url in urls.items():
            if only in name:
                run(name, url, histories)


if __name__ == "__main__":
    main()
