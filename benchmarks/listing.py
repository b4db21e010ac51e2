"""The time to read a page of 100,000 jobs by each filter and sort, on SQLite and on PostgreSQL.

The figure is the median of 21 reads of the first page of 20 jobs, and of the page after it.
"""

import statistics
import time

from dispatching import NOW, SPEC, databases
from sqlalchemy import insert, text

from service.store import jobs, queries, schema, tags
from service.store.database import Database
from service.store.queries import JobFilter, JobSort
from service.store.tables import Job

JOBS, AT_ONCE, READS = 100_000, 1_000, 21
NORMS = ("none", "weight", "batch", "layer")
LISTS: dict[str, tuple[JobFilter, JobSort]] = {
    "label of 100 jobs": (JobFilter(label="label 3"), "-created_at"),
    "label of none": (JobFilter(label="no"), "-created_at"),
    "norm of 25,000": (JobFilter(norm="batch"), "-created_at"),
    "seed of 200": (JobFilter(seed=17), "-created_at"),
    "tag of 50,000": (JobFilter(tags=[("half", "0")]), "-created_at"),
    "tag of none": (JobFilter(tags=[("half", "no")]), "-created_at"),
    "best first": (JobFilter(), "-test_accuracy"),
    "worst first": (JobFilter(), "test_accuracy"),
}


def fill(database: Database) -> None:
    with database.writing() as session:
        job = jobs.submit(session, SPEC, None, {}, NOW)
        jobs.cancel_if_not_ended(session, job.id, NOW)
        session.refresh(job)
        columns = [column.name for column in Job.__table__.columns if column.name != "id"]
        row = {name: getattr(job, name) for name in columns}
        for first in range(2, JOBS + 2, AT_ONCE):
            numbers = range(first, first + AT_ONCE)
            session.execute(insert(Job), [copy_of(row, number) for number in numbers])
            tags.index(session, {number: {"half": str(number % 2)} for number in numbers})
        session.execute(text("ANALYZE"))


def copy_of(row: dict[str, object], number: int) -> dict[str, object]:
    differs = {"label": f"label {number % 1000}", "norm": NORMS[number % 4], "seed": number % 500}
    accuracy = number / (2 * JOBS) if number % 2 else -1.0
    return {**row, "key": number, "id": f"job_{number:032x}", "test_accuracy": accuracy, **differs}


def milliseconds(database: Database, wanted: JobFilter, sort: JobSort, cursor: str | None) -> float:
    times = []
    for _ in range(READS):
        started = time.perf_counter()
        with database.reading() as session:
            queries.list_jobs(session, wanted, sort, 20, cursor)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def main() -> None:
    with databases() as urls:
        for name, url in urls.items():
            database = Database(url)
            schema.upgrade(database.engine)
            fill(database)
            for what, (wanted, sort) in LISTS.items():
                with database.reading() as session:
                    following = queries.list_jobs(session, wanted, sort, 20, None).next_cursor
                pages = [milliseconds(database, wanted, sort, cursor) for cursor in (None, following)]
                print(f"{name}, {what}: {pages[0]:.1f} ms, next page {pages[1]:.1f} ms", flush=True)
            database.close()


if __name__ == "__main__":
    main()
