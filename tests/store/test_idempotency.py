"""Idempotency keys on both databases: one answer for a day, however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from service.errors import IdempotencyKeyInvalid, IdempotencyKeyReused
from service.store import idempotency, jobs
from service.store.database import Database
from service.store.tables import IdempotencyKey, Job
from tests.store.rows import SPEC, T0, at


def create_once(database: Database, digest: str = "a" * 64, key: str = "key", seconds: float = 0) -> str:
    with database.writing() as session:
        known = idempotency.find(session, key, "submit_job", digest, at(seconds))
        if known is not None:
            return known.answer
        job = jobs.submit(session, SPEC, None, {}, at(seconds))
        idempotency.remember(
            session,
            IdempotencyKey(
                key=key,
                operation="submit_job",
                request_sha256=digest,
                status_code=201,
                location=f"/jobs/{job.id}",
                answer=job.id,
                created_at=at(seconds),
            ),
        )
        return job.id


def count(database: Database) -> int | None:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Job))


def test_the_same_request_again_gets_the_same_answer(database: Database) -> None:
    first = create_once(database)

    assert create_once(database) == first
    assert count(database) == 1


def test_twenty_at_once_create_one_job(database: Database) -> None:
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: create_once(database), range(20)))

    assert (len(set(answers)), count(database)) == (1, 1)


def test_the_same_key_with_another_body_is_refused(database: Database) -> None:
    create_once(database)

    with pytest.raises(IdempotencyKeyReused):
        create_once(database, digest="b" * 64)


def test_a_key_is_forgotten_after_a_day(database: Database) -> None:
    first = create_once(database)

    second = create_once(database, digest="b" * 64, seconds=timedelta(hours=24, seconds=1).total_seconds())

    assert (second != first, count(database)) == (True, 2)


@pytest.mark.parametrize(
    "key", ["", "k" * 256, "a b", "a\n", "é"], ids=["empty", "long", "space", "line", "accent"]
)
def test_an_unusable_key_is_refused(database: Database, key: str) -> None:
    with database.writing() as session, pytest.raises(IdempotencyKeyInvalid):
        idempotency.find(session, key, "submit_job", "a" * 64, T0)
