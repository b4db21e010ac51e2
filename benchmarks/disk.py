"""The bytes that 300 small jobs leave on disk, divided by the bytes that are live, on both databases.

A dispatcher trains the jobs. Live is what the tables and indexes take after VACUUM FULL, or the SQLite file
after VACUUM. `python benchmarks/disk.py 1000 PostgreSQL` trains so many steps, on this database only. The
bytes of each table are those when the last job ended, 10 seconds later, and live.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from dispatching import databases
from running import dispatching
from sqlalchemy import func, select, text

from models.specs.spec import TrainSpec
from service.store import clock, jobs, schema, sqlite_files
from service.store.database import Database
from service.store.tables import ENDED, Base, Job

JOBS, STEPS = 300, 100
PATIENCE_SECONDS = 10.0
"""How long the dispatcher may take to free the room after the last job has ended."""
LIMIT = 1.3


@dataclass
class Measured:
    """Bytes by table, indexes and TOAST included."""

    at_the_end: dict[str, int]
    later: dict[str, int]
    live: dict[str, int]

    def ratio(self) -> float:
        return sum(self.later.values()) / sum(self.live.values())


def bytes_by_table(database: Database) -> dict[str, int]:
    with database.reading() as session:
        if database.is_sqlite:
            size = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            return {"file": session.scalar(size) or 0}
        sizes = select(*(func.pg_total_relation_size(name).label(name) for name in Base.metadata.tables))
        return dict(session.execute(sizes).one()._mapping)


def live_bytes_by_table(database: Database) -> dict[str, int]:
    """Return the bytes of a compact copy, or of the tables after they were made compact."""
    if database.is_sqlite:
        with tempfile.NamedTemporaryFile() as copy:
            sqlite_files.dump(database, Path(copy.name))
            return {"file": Path(copy.name).stat().st_size}
    # Our own connections would not wait so long.
    with psycopg.connect(database.url.render_as_string(False), autocommit=True) as connection:
        connection.execute(f"VACUUM FULL {', '.join(Base.metadata.tables)}")
    return bytes_by_table(database)


def measure(url: str, spec: TrainSpec) -> Measured:
    """Train the jobs; return the bytes when the last has ended, somewhat later, and compacted."""
    database = Database(url)
    schema.upgrade(database.engine)
    with database.writing() as session:
        for seed in range(JOBS):
            jobs.submit(session, spec.model_copy(update={"seed": seed}), None, {}, clock.now(session))
    with tempfile.TemporaryDirectory() as folder, dispatching(DATABASE_URL=url, DATA_DIR=folder):
        while ended(database) < JOBS:
            time.sleep(0.5)  # nothing announces the end of a job
        at_the_end = bytes_by_table(database)
        time.sleep(PATIENCE_SECONDS)
        later = bytes_by_table(database)
    live = live_bytes_by_table(database)
    database.close()
    return Measured(at_the_end, later, live)


def ended(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).where(Job.status.in_(ENDED))) or 0


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    with databases() as urls:
        for name, url in urls.items():
            if name in sys.argv[2:] or len(sys.argv) < 3:
                show(name, steps, measure(url, TrainSpec(steps=steps)))


def show(name: str, steps: int, found: Measured) -> None:
    print(f"{name}, {JOBS} jobs of {steps} steps: on disk ÷ live {found.ratio():.2f} (limit {LIMIT})")
    for table, live in found.live.items():
        sizes = (found.at_the_end[table], found.later[table], live)
        print(f"  {table}: {', '.join(f'{size / 1e6:.2f}' for size in sizes)} MB", flush=True)


if __name__ == "__main__":
    main()
