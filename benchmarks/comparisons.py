"""The time to read a large comparison that has ended: its summary, computed and then cached, and curves.

It has 50 arms of 20 seeds and 1,000 steps: a million rows, which the database generates, on SQLite and on
PostgreSQL. The requests go over HTTP, after the same requests for a small comparison.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
from running import started
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from models.specs.metrics import MetricRow
from service.store import schema
from service.store.database import Database
from service.store.tables import Job, Metric
from tests import postgresql

ARMS, SEEDS, STEPS, EVAL_EVERY = 50, 20, 1_000, 100
CACHED, CURVES = 20, 10
CURVE_METRICS = ("test_accuracy", "train_loss")
CHANCE = {"sqlite": "abs(random() % 1000000) / 1e6", "postgresql": "random()"}

# Losses fall and accuracies rise with the step, slightly differently in each arm; each is an SQL expression.
COLUMNS = {
    "train_loss": "(0.1 + 2.2 / (1 + step / 20.0)) * (0.8 + 0.4 * {chance})",
    "train_accuracy": "round(125 - 100 / (1 + step / 20.0) + 3 * {chance}) / 128",
    "validation_loss": "{evaluated} 0.11 + 2.2 / (1 + step / 20.0) + 0.01 * {chance} END",
    "validation_accuracy": "{evaluated} 0.96 - 2.0 / step + 0.0002 * (key % 50) + 0.005 * {chance} END",
    "test_loss": "{evaluated} 0.12 + 2.2 / (1 + step / 20.0) + 0.01 * {chance} END",
    "test_accuracy": "{evaluated} 0.95 - 2.0 / step + 0.0002 * (key % 50) + 0.005 * {chance} END",
    "elapsed_seconds": "step * (0.001 + 0.0001 * {chance})",
}
PLANT = """
    INSERT INTO metrics (job_key, step, {names})
    WITH RECURSIVE steps (step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM steps WHERE step < {steps})
    SELECT key, step, {values}
    FROM (SELECT key FROM jobs WHERE status = 'queued' AND seed = :seed) AS waiting CROSS JOIN steps
"""


def planted(client: httpx.Client, database: Database, arms: int) -> str:
    """Create a comparison, end all its jobs without training, and return its address."""
    named = [{"name": f"arm {number}", "n_units": 16 + 8 * number} for number in range(arms)]
    asked = {"arms": named, "seeds": SEEDS, "base": {"steps": STEPS, "eval_every": EVAL_EVERY}}
    created = client.post("/comparisons", json=asked).raise_for_status()
    with database.writing() as session:
        for seed in range(SEEDS):  # a million rows at once would exceed the time limit of a statement
            session.execute(text(statement(session)), {"seed": seed})
        session.execute(update(Job), list(ends(session)))
        if not database.is_sqlite:  # autovacuum would do this within a minute
            session.execute(text("ANALYZE"))
    return f"/comparisons/{created.json()['id']}"


def statement(session: Session) -> str:
    """Return the SQL statement that generates the rows of all queued jobs of a seed."""
    evaluated = f"CASE WHEN step % {EVAL_EVERY} = 0 THEN"
    chance = CHANCE[session.get_bind().dialect.name]
    values = ", ".join(COLUMNS.values()).format(evaluated=evaluated, chance=chance)
    return PLANT.format(names=", ".join(COLUMNS), steps=STEPS, values=values)


def ends(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the final state of every job that has its last row."""
    now = datetime.now(UTC)
    ended = {"status": "succeeded", "attempt": 1, "step": STEPS, "started_at": now, "finished_at": now}
    waiting = select(Metric).join(Job).where(Job.status == "queued", Metric.step == STEPS)
    for row in session.scalars(waiting):
        latest = {name: getattr(row, name) for name in MetricRow._fields} | {"non_finite": []}
        yield {"key": row.job_key, **ended, "latest": latest, "test_accuracy": row.test_accuracy}


def ask(client: httpx.Client, address: str) -> tuple[float, int]:
    """Send one request; return the milliseconds until the whole response arrived, and its size in bytes."""
    begun = time.perf_counter()
    response = client.get(address).raise_for_status()
    return 1000 * (time.perf_counter() - begun), len(response.content)


def repeated(client: httpx.Client, address: str, times: int) -> str:
    taken, sizes = zip(*(ask(client, address) for _ in range(times)), strict=True)
    return f"median {statistics.median(taken):.0f} ms, worst {max(taken):.0f} ms, {max(sizes):,} bytes"


def measure(say: partial[None], client: httpx.Client, database: Database) -> None:
    small, large = planted(client, database, 2), planted(client, database, ARMS)
    addresses = {metric: f"curves?metric={metric}&max_points=300" for metric in CURVE_METRICS}
    for address in ("summary", *addresses.values()):
        ask(client, f"{small}/{address}")
    say(f"summary, first computed: {ask(client, f'{large}/summary')[0] / 1000:.2f} s")
    say(f"summary, cached: {repeated(client, f'{large}/summary', CACHED)}")
    for metric, address in addresses.items():
        say(f"curves of {metric}: {repeated(client, f'{large}/{address}', CURVES)}")


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder, postgresql.server() as url:
        yield {"SQLite": f"sqlite:///{folder}/bench.db", "PostgreSQL": url}


def main() -> None:
    print(f"a comparison of {ARMS} arms, {SEEDS} seeds and {STEPS:,} steps")
    with databases() as urls:
        for name, url in urls.items():
            database = Database(url)
            schema.upgrade(database.engine)
            with started("api", DATABASE_URL=url) as address, httpx.Client(base_url=address) as client:
                client.timeout = 60
                measure(partial(print, f"{name}:"), client, database)
            database.close()


if __name__ == "__main__":
    main()
