"""A database that fails when it is told to, and whose jobs are looked at after every transaction."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from sqlalchemy import delete, event
from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailable
from service.store import counters
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.jobs import MOST_DEATHS
from service.store.marks import WITH_MARKED
from service.store.tables import ENDED, Job
from service.store.tables import Counter as CounterRow
from service.store.webhook_tables import JobEnd
from tests.simulation.virtual import DIVERGES, POISON, Worker

MOVES = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    *(("running", end) for end in ENDED),
}
INNOCENT = {"handed back to stop", "the dispatcher started again"}
"""Why a job is queued again without a death."""
EXPECTED = {DIVERGES: ("failed", "diverged"), POISON: ("failed", "worker_lost")}


class Row(NamedTuple):
    """What is looked at."""

    status: str
    attempt: int
    step: int
    submission: str | None


class Watched(Database):
    """A SQLite file that need not survive a power cut, one queue after another."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        self._eye: Any = self.engine.raw_connection()
        self._seen: dict[int, Row] = {}
        self.actor: Worker | str = ""
        """Whose transactions the next ones are."""
        self.before: Callable[[], str] = lambda: "answered"
        """Called before every transaction; answers whether it is `answered`, `unanswered` or `failed`."""

    @contextmanager
    def writing(self, patience_seconds: float | None = None) -> Iterator[Session]:
        fate = self.before()
        with super().writing(patience_seconds) as session:
            yield session
            if fate == "failed":
                raise DatabaseUnavailable("a simulated failure")
        self._look()
        if fate == "unanswered":
            raise DatabaseUnavailable("a simulated loss of the answer")

    def empty(self) -> None:
        with super().writing() as session:
            for table in (JobEnd, Job, CounterRow):
                session.execute(delete(table), execution_options=WITH_MARKED)
        self._seen = {}

    def close(self) -> None:
        self._eye.close()
        super().close()

    def statuses(self) -> dict[int, str]:
        return {key: row.status for key, row in self._seen.items()}

    def is_running(self, key: int, attempt: int) -> bool:
        row = self._seen.get(key)
        return row is not None and (row.status, row.attempt) == ("running", attempt)

    def all_ended(self) -> bool:
        return all(row.status in ENDED for row in self._seen.values())

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        return list(self._eye.execute(query).fetchall())

    def _look(self) -> None:
        """Compare all jobs with what they were before this transaction."""
        before = self._seen
        found = self._ask("SELECT key, status, attempt, step, submission FROM jobs WHERE deleted_at IS NULL")
        self._seen = {key: Row(*values) for key, *values in found}
        for key in before.keys() - self._seen.keys():
            assert (self.actor, before[key].status in ENDED) == ("client", True), f"job {key} has gone"
        for key, row in self._seen.items():
            if key not in before:
                assert (self.actor, row) == ("client", Row("queued", 0, 0, None))
            elif row != before[key]:
                self._compare(key, before[key], row)
        [(rows,)] = self._ask(
            "SELECT COUNT(*) FROM metrics JOIN jobs ON key = job_key WHERE deleted_at IS NULL"
        )
        assert rows == sum(row.step for row in self._seen.values()), "steps and rows of histories differ"

    def _compare(self, key: int, before: Row, after: Row) -> None:
        what = f"job {key}: {before} became {after}"
        worker = self.actor if isinstance(self.actor, Worker) else None
        owned = worker is not None and before.status == "running" and worker.owns(key, before.attempt)
        assert before.status not in ENDED, f"{what} after its end"
        assert before.status == after.status or (before.status, after.status) in MOVES, what
        if after.attempt != before.attempt or after.status == "running" != before.status:
            assert after.attempt == before.attempt + 1, what
            assert (before.status, after.status) == ("queued", "running"), what
            assert worker, f"{what} by {self.actor}"
            assert before.submission == worker.task.submission, f"{what} by a stale task"
        if after.step != before.step:
            assert owned, f"{what} by one who did not own it"
            assert after.step > before.step, what
        if after.status == "succeeded" or (worker and before.status == "running" != after.status):
            assert owned, f"{what} by one who did not own it"
        if after.status == "cancelled" != before.status:
            assert self.actor == "client", f"{what} by {self.actor}"

    def check_ends(self, submitted: set[int], cancelled: set[int], broken: set[int]) -> Counter[str]:
        """Check what must hold of a queue that has come to its end; count why its jobs were moved,
        and which guards fired.
        """
        violations = check_invariants(self)
        assert not violations, violations
        jobs = {
            key: (seed, (status, failure))
            for key, seed, status, failure in self._ask(
                "SELECT key, seed, status, json_extract(failure, '$.code') FROM jobs WHERE deleted_at IS NULL"
            )
        }
        assert jobs.keys() == submitted
        deaths = self._deaths()
        for key, (seed, end) in jobs.items():
            expected = {EXPECTED.get(seed, ("succeeded", None))}
            if deaths.get(key) == MOST_DEATHS:
                expected = {("failed", "worker_lost")}
            elif seed == POISON:
                expected = set()
            expected |= {("cancelled", None)} if key in cancelled else set()
            expected |= {("failed", "internal")} if key in broken else set()
            assert end in expected, f"job {key} of seed {seed} with {deaths.get(key)} deaths has {end}"
        with self.reading() as session:
            fired = Counter(counters.read(session))
        return fired + Counter(reason for (reason,) in self._ask("SELECT reason FROM job_transitions"))

    def _deaths(self) -> dict[int, int]:
        """Count the deaths of each job since its newest row, and find that its rows are in the order of
        its attempts.
        """
        written: dict[int, list[int]] = {}
        for key, attempt in self._ask("SELECT job_key, train_loss FROM metrics ORDER BY job_key, step"):
            written.setdefault(key, []).append(attempt)
        for key, attempts in written.items():
            assert attempts == sorted(attempts), f"job {key} has rows of attempts {attempts}"
        found: dict[int, int] = {}
        query = "SELECT job_key, status, reason, attempt FROM job_transitions ORDER BY job_key, number"
        for key, moves in groupby(self._ask(query), key=lambda move: move[0]):
            found[key] = 0
            for (_, earlier, _, _), (_, status, reason, attempt) in pairwise(moves):
                lost = status == "queued" and reason not in INNOCENT
                if earlier == "running" and attempt in written.get(key, []):
                    found[key] = int(reason == "training failed in a stack")
                elif earlier == "running" and (lost or reason == "worker_lost"):
                    found[key] += 1
                assert found[key] < MOST_DEATHS or status == "failed", (
                    f"job {key} lives after {found[key]} deaths"
                )
        return found
