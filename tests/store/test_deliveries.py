"""Deliveries: claimed by lease, ended by the result of their own attempt, retried, failed, sent again."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from service.errors import DeliveryNotFound, TooManyWebhooks, WebhookDisabled, WebhookNotFound
from service.store import deliveries, webhooks
from service.store.database import Database
from service.store.deliveries import ClaimedDelivery, DeliveryOutcome
from service.store.webhook_tables import Webhook, WebhookDelivery
from tests.store.rows import at
from tests.store.test_ends import webhook

WAITS = [5.0, 300.0]
Facts = tuple[str, int, datetime | None, int | None, str | None]


def pinged(database: Database, receiver: Webhook, seconds: float = 0) -> WebhookDelivery:
    with database.writing() as session:
        return deliveries.ping(session, webhooks.get(session, receiver.id), at(seconds))


def claim(database: Database, seconds: float, **busy: int) -> list[ClaimedDelivery]:
    with database.writing() as session:
        keys = {int(name.removeprefix("of_")): n for name, n in busy.items()}
        return deliveries.claim_due(session, keys, len(WAITS) + 1, at(seconds))


def record(
    database: Database, claimed: ClaimedDelivery, status: int | None, error: str | None, at_: float
) -> None:
    with database.writing() as session:
        deliveries.record(session, [DeliveryOutcome(claimed, status, error)], WAITS, at(at_))


def record_all(database: Database, status: int, error: str | None, seconds: float) -> None:
    """Attempt all that is due, with this result."""
    for claimed in claim(database, seconds):
        record(database, claimed, status, error, seconds)


def facts(database: Database, delivery: WebhookDelivery) -> Facts:
    with database.reading() as session:
        found = session.get_one(WebhookDelivery, delivery.key)
        return found.state, found.attempts, found.next_attempt_at, found.last_status, found.last_error


def test_an_attempt_that_succeeds_ends_a_delivery(database: Database) -> None:
    receiver = webhook(database)
    delivery = pinged(database, receiver)

    [claimed] = claim(database, 1)
    record(database, claimed, 204, None, 2)

    assert claimed == ClaimedDelivery(
        delivery.key, 1, receiver.key, delivery.id, receiver.url, receiver.secret, delivery.payload
    )
    assert facts(database, delivery) == ("delivered", 1, None, 204, None)
    assert claim(database, 1000) == []


def test_failed_attempts_are_repeated_on_schedule_until_the_delivery_fails(database: Database) -> None:
    delivery = pinged(database, webhook(database))
    found: list[Facts] = []

    for seconds in (0, 5, 305):
        assert claim(database, seconds - 0.1) == []
        [claimed] = claim(database, seconds)
        record(database, claimed, 500, "it responded 500", seconds)
        found.append(facts(database, delivery))

    assert found == [
        ("waiting", 1, at(5), 500, "it responded 500"),
        ("waiting", 2, at(305), 500, "it responded 500"),
        ("failed", 3, None, 500, "it responded 500"),
    ]


def test_an_attempt_whose_process_died_is_repeated_after_its_lease(database: Database) -> None:
    delivery = pinged(database, webhook(database))
    [dead] = claim(database, 0)

    early, [again] = claim(database, 59), claim(database, 60)
    record(database, dead, 500, "of the dead", 61)  # a process that only was paused
    ignored = facts(database, delivery)
    record(database, again, 200, None, 62)

    assert (early, again.attempt, again.id) == ([], 2, dead.id)
    assert ignored == ("waiting", 2, at(120), None, None)
    assert facts(database, delivery)[:2] == ("delivered", 2)


def test_a_delivery_whose_attempts_are_all_lost_fails(database: Database) -> None:
    delivery = pinged(database, webhook(database))

    claims = [len(claim(database, seconds)) for seconds in (0, 60, 120, 180, 240)]

    assert claims == [1, 1, 1, 0, 0]
    assert facts(database, delivery) == ("failed", 3, None, None, deliveries.LOST)


def test_a_webhook_has_four_attempts_at_once_whatever_others_have(database: Database) -> None:
    slow, other = webhook(database), webhook(database)
    waiting = [pinged(database, slow, seconds).key for seconds in (2, 1, 3, 4, 5)]
    kept = pinged(database, other).key

    first = claim(database, 10)
    second = claim(database, 10, **{f"of_{slow.key}": 4})

    assert [each.key for each in first] == [waiting[1], waiting[0], *waiting[2:4], kept]
    assert second == []
    assert [each.key for each in claim(database, 10, **{f"of_{slow.key}": 3})] == waiting[4:]


def test_what_others_have_locked_is_left_to_them(postgresql_database: Database) -> None:
    first = pinged(postgresql_database, webhook(postgresql_database))
    pinged(postgresql_database, webhook(postgresql_database))

    with postgresql_database.writing() as session:
        session.scalar(select(WebhookDelivery).where(WebhookDelivery.key == first.key).with_for_update())
        found = claim(postgresql_database, 1)

    assert [each.key for each in found] == [first.key + 1]


def test_it_is_known_whether_anything_is_due(database: Database) -> None:
    pinged(database, webhook(database), 5)

    with database.reading() as session:
        assert [deliveries.is_any_due(session, at(seconds)) for seconds in (4, 5)] == [False, True]


def test_a_receiver_that_is_gone_gets_nothing_more(database: Database) -> None:
    gone, other = webhook(database), webhook(database)
    first, second, kept = pinged(database, gone), pinged(database, gone, 100), pinged(database, other, 100)
    [claimed] = claim(database, 0)

    record(database, claimed, 410, "it responded 410", 1)

    assert facts(database, first)[:1] == facts(database, second)[:1] == ("failed",)
    assert [each.key for each in claim(database, 200)] == [kept.key]
    with database.writing() as session, pytest.raises(WebhookDisabled):
        webhooks.get_enabled(session, gone.id)


@pytest.mark.parametrize(("status", "error"), [(200, None), (500, "it responded 500")])
def test_an_ended_delivery_is_sent_again_with_its_id_and_all_its_retries(
    database: Database, status: int, error: str | None
) -> None:
    receiver = webhook(database)
    delivery = pinged(database, receiver)
    for seconds in (0, 5, 305):
        record_all(database, status, error, seconds)
    attempts = facts(database, delivery)[1]

    with database.writing() as session:
        deliveries.send_again(session, webhooks.get(session, receiver.id), delivery.id, at(400))

    [claimed] = claim(database, 400)
    record(database, claimed, 503, "again", 401)
    assert (claimed.id, claimed.attempt) == (delivery.id, attempts + 1)
    assert facts(database, delivery) == ("waiting", attempts + 1, at(406), 503, "again")


def test_the_attempt_before_does_not_end_what_is_sent_again(database: Database) -> None:
    receiver = webhook(database)
    delivery = pinged(database, receiver)
    [under_way] = claim(database, 0)
    with database.writing() as session:
        deliveries.send_again(session, webhooks.get(session, receiver.id), delivery.id, at(1))
    claim(database, 1)

    record(database, under_way, 500, "late", 2)

    assert facts(database, delivery) == ("waiting", 2, at(61), None, None)


def test_deliveries_are_deleted_with_their_webhook(database: Database) -> None:
    receiver = webhook(database)
    pinged(database, receiver)
    [claimed] = claim(database, 0)

    with database.writing() as session:
        webhooks.remove(session, receiver.id)
    record(database, claimed, 200, None, 1)

    with database.reading() as session:
        assert session.scalar(select(func.count(WebhookDelivery.key))) == 0


def test_old_deliveries_that_have_ended_are_pruned(database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr(deliveries, "MOST_PRUNED", 2)
    receiver = webhook(database)
    [pinged(database, receiver) for _ in range(3)]
    for _ in range(3):
        record_all(database, 200, None, 1)
    waiting, young = pinged(database, receiver), pinged(database, receiver, 100)
    days = deliveries.KEPT.total_seconds()

    pruned = []
    for _ in range(3):
        with database.writing() as session:
            pruned.append(deliveries.prune(session, at(days + 50)))

    with database.reading() as session:
        left = session.scalars(select(WebhookDelivery.key).order_by(WebhookDelivery.key)).all()
    assert (pruned, left) == ([2, 1, 0], [waiting.key, young.key])


def test_there_are_at_most_sixteen_webhooks(database: Database) -> None:
    [webhook(database) for _ in range(16)]

    with pytest.raises(TooManyWebhooks):
        webhook(database)


def test_secrets_are_long_and_each_another(database: Database) -> None:
    secrets = {webhook(database).secret for _ in range(3)}

    assert {(secret[:6], len(secret)) for secret in secrets} == {("whsec_", 50)}
    assert len(secrets) == 3


@pytest.mark.parametrize("public_id", ["x", f"whk_{'0' * 32}", f"dlv_{'0' * 32}"])
@pytest.mark.parametrize(
    ("find", "error"), [(webhooks.get, WebhookNotFound), (deliveries.get, DeliveryNotFound)]
)
def test_what_there_is_not_is_not_found(
    sqlite: Database, public_id: str, find: Callable[..., object], error: type[Exception]
) -> None:
    of = () if find is webhooks.get else (webhook(sqlite),)

    with sqlite.reading() as session, pytest.raises(error):
        find(session, *of, public_id)
