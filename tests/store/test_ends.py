"""Ends become deliveries: each once for each webhook, whoever ends the jobs and whatever is deleted."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from models.specs.comparison import Arm, ComparisonSpec
from service.store import comparisons, deletion, jobs, webhooks
from service.store.database import Database
from service.store.ends import COMPARISON_ENDED, JOB_ENDED, is_any_pending, make_deliveries
from service.store.failures import WORKER_LOST, describe_failure
from service.store.sweeping import sweep_all
from service.store.tables import Comparison, Job
from service.store.webhook_tables import Webhook, WebhookDelivery
from tests.store.rows import at, claim, claimed_job, finish, submit

BOTH = (JOB_ENDED, COMPARISON_ENDED)
TWO_RUNS = ComparisonSpec(arms=[Arm(name="none")], seeds=[0, 1])


def webhook(database: Database, *events: str) -> Webhook:
    with database.writing() as session:
        return webhooks.create(session, "https://example.org/", events or BOTH, "a label", at(0))


def make_all(database: Database) -> None:
    while True:
        with database.writing() as session:
            if not make_deliveries(session, at(50)):
                return


def payloads(database: Database, receiver: Webhook) -> list[dict[str, Any]]:
    """What a webhook gets of all that has ended, in its order."""
    make_all(database)
    query = select(WebhookDelivery.payload).where(WebhookDelivery.webhook_key == receiver.key)
    with database.reading() as session:
        return list(map(json.loads, session.scalars(query.order_by(WebhookDelivery.key))))


def sent(database: Database, receiver: Webhook) -> list[tuple[str, str]]:
    return [(each["type"], each["data"]["id"]) for each in payloads(database, receiver)]


def comparison(database: Database) -> Comparison:
    with database.writing() as session:
        return comparisons.create(session, TWO_RUNS, "a question", at(0))


def runs(database: Database, of: Comparison) -> list[Job]:
    with database.reading() as session:
        return list(session.scalars(select(Job).where(Job.comparison_key == of.key).order_by(Job.key)))


def cancel(database: Database, job: Job, seconds: float = 5) -> None:
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, at(seconds))


def test_every_way_to_end_is_an_event_of_the_webhooks_that_want_it(database: Database) -> None:
    first, second, neither = webhook(database), webhook(database, JOB_ENDED), webhook(database, "other")
    (diverged, running), (lost, lost_run) = claimed_job(database), claimed_job(database)
    finished, cancelled = submit(database), submit(database)
    failure = describe_failure("diverged", "not finite", 3)
    finish(database, finished)
    with database.writing() as session:
        jobs.finish_if_running(session, running.key, 1, at(11), failure=failure)
        session.get_one(Job, lost.key).deaths_without_progress = 2
    with database.writing() as session:
        jobs.requeue_lost(session, lost_run.key, 1, 0, WORKER_LOST, at(12))
    cancel(database, cancelled)
    cancel(database, cancelled, 6)  # changes nothing
    submit(database)

    found = {each["data"]["id"]: each["data"]["status"] for each in payloads(database, first)}

    assert found == {
        finished.id: "succeeded",
        diverged.id: "failed",
        lost.id: "failed",
        cancelled.id: "cancelled",
    }
    assert sorted(sent(database, second)) == sorted((JOB_ENDED, each) for each in found)
    assert sent(database, neither) == []
    with database.reading() as session:
        assert not is_any_pending(session)


def test_a_payload_says_what_ended_and_how(database: Database) -> None:
    receiver = webhook(database)
    job = submit(database, label="mine", team="a")
    finish(database, job)

    [shown] = payloads(database, receiver)

    assert (shown["type"], shown["timestamp"]) == (JOB_ENDED, "2026-11-23T09:00:10Z")
    assert shown["data"] == {
        "id": job.id,
        "status": "succeeded",
        "status_reason": "finished",
        "label": "mine",
        "tags": {"team": "a"},
        "norm": "weight",
        "init": True,
        "seed": 0,
        "arm": None,
        "attempt": 1,
        "step": 10,
        "steps": 10,
        "failure": None,
        "created_at": "2026-11-23T09:00:00Z",
        "started_at": "2026-11-23T09:00:01Z",
        "finished_at": "2026-11-23T09:00:10Z",
        "test_accuracy": 0.9,
        "comparison_id": None,
    }


def test_a_job_without_an_evaluation_has_no_accuracy(database: Database) -> None:
    receiver = webhook(database)
    cancel(database, submit(database))

    assert payloads(database, receiver)[0]["data"]["test_accuracy"] is None


def test_a_comparison_ends_with_its_last_job_and_again_when_it_was_extended(database: Database) -> None:
    receiver, of = webhook(database, COMPARISON_ENDED), comparison(database)
    first, second = runs(database, of)
    finish(database, first)
    early = payloads(database, receiver)
    cancel(database, second, 20)
    once = payloads(database, receiver)
    with database.writing() as session:
        jobs.relabel(session, first.id, {"label": "changed"})
        stored = comparisons.get(session, of.id, to_change=True)
        comparisons.extend(session, stored, TWO_RUNS, at(21), comparisons.Again(seeds=[1]))
    again = payloads(database, receiver)
    finish(database, runs(database, of)[1])

    twice = payloads(database, receiver)

    assert (early, again) == ([], once)
    assert once == [
        {
            "type": COMPARISON_ENDED,
            "timestamp": "2026-11-23T09:00:20Z",
            "data": {
                "id": of.id,
                "label": "a question",
                "jobs": 2,
                "succeeded": 1,
                "failed": 0,
                "cancelled": 1,
                "created_at": "2026-11-23T09:00:00Z",
                "finished_at": "2026-11-23T09:00:20Z",
            },
        }
    ]
    assert [each["data"]["succeeded"] for each in twice] == [1, 2]


def test_last_jobs_that_end_at_once_end_their_comparison_once(database: Database) -> None:
    receiver, of = webhook(database, COMPARISON_ENDED), comparison(database)
    first, second = runs(database, of)
    if database.is_sqlite:  # it has one writer
        cancel(database, first)
        cancel(database, second)
    else:
        with database.writing() as one, database.writing() as other:
            jobs.cancel_if_not_ended(one, first.id, at(5))
            jobs.cancel_if_not_ended(other, second.id, at(5))

    assert sent(database, receiver) == [(COMPARISON_ENDED, of.id)]


def test_a_comparison_whose_ends_are_handled_one_by_one_ends_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.ends.MOST_ENDS", 1)
    receiver, of = webhook(database, COMPARISON_ENDED), comparison(database)
    with database.writing() as session:
        comparisons.cancel(session, of, at(5))

    assert sent(database, receiver) == [(COMPARISON_ENDED, of.id)]


def test_what_is_deleted_at_once_is_still_announced(database: Database) -> None:
    receiver, job, of = webhook(database), submit(database), comparison(database)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, at(5))
        comparisons.cancel(session, of, at(6))
    with database.writing() as session:
        deletion.delete_job(session, job.id, at(7))
        deletion.delete_comparison(session, comparisons.get(session, of.id, to_change=True), at(8))

    sweep_all(database, lambda _seconds: None)  # normserve prune does so, without a dispatcher

    found = sent(database, receiver)
    assert {kind for kind, _ in found} == {*BOTH}
    assert len(found) == 4
    assert [each for each in found if each[1] in {job.id, of.id}] == [
        (JOB_ENDED, job.id),
        (COMPARISON_ENDED, of.id),
    ]
    with database.reading() as session:
        counted = [session.scalars(select(table.key)).all() for table in (Job, Comparison)]
    assert counted == [[], []]


def test_many_ends_are_handled_in_transactions_of_bounded_size(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.ends.MOST_ENDS", 2)
    receiver = webhook(database)
    for _ in range(5):
        cancel(database, submit(database))

    with database.writing() as session:
        make_deliveries(session, at(9))
        first = len(session.scalars(select(WebhookDelivery)).all())

    assert (first, len(sent(database, receiver))) == (2, 5)


def test_ends_of_before_are_not_sent_to_a_new_webhook(database: Database) -> None:
    cancel(database, submit(database))
    make_all(database)

    assert sent(database, webhook(database)) == []


def test_a_running_job_has_not_ended(database: Database) -> None:
    receiver, job = webhook(database), submit(database)
    claim(database, job)

    assert sent(database, receiver) == []
