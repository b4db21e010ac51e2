"""The loop that delivers: nothing is lost when it dies, and no receiver holds up another."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import func, select
from standardwebhooks.webhooks import Webhook as Verifier

from service.errors import DatabaseUnavailable
from service.store import deliveries, jobs, webhooks
from service.store.database import Database
from service.store.ends import JOB_ENDED
from service.store.webhook_tables import Webhook, WebhookDelivery
from service.webhooks import delivering
from service.webhooks.delivering import Deliverer
from service.webhooks.sending import NOT_ALLOWED, Sender
from tests.process import until
from tests.receivers import Message, receiving
from tests.store.rows import at, submit

LOOPBACK = [ip_network("127.0.0.1")]
WAITS = [0.01] * 9


class Loop:
    """A loop that delivers, once it is started, until it is stopped."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self, database: Database, waits: Sequence[float] = WAITS) -> None:
        self.threads.append(delivering.start(database, self.stop, LOOPBACK, waits))

    def join(self) -> None:
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def loop(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:  # noqa: ARG001 # closed later
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 0.01)
    loop = Loop()
    yield loop
    loop.stop.set()
    loop.join()


def webhook(database: Database, url: str) -> Webhook:
    with database.writing() as session:
        return webhooks.create(session, url, [JOB_ENDED], None, at(0))


def end_jobs(database: Database, number: int) -> set[str]:
    ended = [submit(database).id for _ in range(number)]
    with database.writing() as session:
        [jobs.cancel_if_not_ended(session, job_id, at(5)) for job_id in ended]
    return {*ended}


def states(database: Database, of: Webhook) -> Counter[str]:
    query = select(WebhookDelivery.state, func.count()).where(WebhookDelivery.webhook_key == of.key)
    with database.reading() as session:
        return Counter(dict(session.execute(query.group_by(WebhookDelivery.state)).all()))


def die_in_an_attempt(database: Database) -> None:
    """Send some events, and forget how that went, as a process does that is killed."""

    async def begin() -> None:
        deliverer = Deliverer(database, Sender(LOOPBACK), WAITS)
        while not deliverer.woken.is_set():
            await deliverer.step()
            await asyncio.sleep(0.01)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(begin())


@pytest.mark.slow
def test_every_end_arrives_though_receiver_and_dispatchers_fail(
    database: Database, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/test_webhooks_long.py kills real dispatchers amid a thousand ends."""
    monkeypatch.setattr(deliveries, "LEASE", timedelta(seconds=0.5))
    requests = iter(range(10_000))
    with (
        receiving(lambda _: 503 if next(requests) % 3 == 0 else 204) as receiver,
        receiving() as private,
    ):
        good = webhook(database, f"http://127.0.0.1:{receiver.port}/")
        private_one = webhook(database, f"http://127.0.0.2:{private.port}/")
        ended = end_jobs(database, 20)
        for _ in range(3):
            die_in_an_attempt(database)
        loop.start(database)
        until(lambda: states(database, good) == {"delivered": 20}, "all events")
        until(lambda: states(database, private_one) == {"failed": 20}, "the end of the attempts")

    verifier = Verifier(good.secret)
    assert all(verifier.verify(each.body, each.headers) for each in receiver.got)
    assert {each.event for each in receiver.got} == {(JOB_ENDED, job_id) for job_id in ended}
    assert len(receiver.got) > 20  # some events came again
    assert len({each.id for each in receiver.got}) == 20  # with the same id
    assert private.connections == 0
    with database.reading() as session:
        errors = session.scalars(
            select(WebhookDelivery.last_error).where(WebhookDelivery.webhook_key == private_one.key)
        ).all()
    assert {*errors} == {NOT_ALLOWED}


def test_a_slow_receiver_holds_up_no_other(database: Database, loop: Loop) -> None:
    release = threading.Event()

    def wait(_: Message) -> int:
        release.wait(60)
        return 204

    with receiving(wait) as slow, receiving() as quick:
        slow_one = webhook(database, f"http://127.0.0.1:{slow.port}/")
        quick_one = webhook(database, f"http://127.0.0.1:{quick.port}/")
        end_jobs(database, 6)

        loop.start(database)
        until(lambda: states(database, quick_one) == {"delivered": 6}, "the quick receiver's events")
        until(lambda: len(slow.got) == 4, "the slow receiver's first events")
        meanwhile = states(database, slow_one)
        release.set()

        until(lambda: states(database, slow_one) == {"delivered": 6}, "the slow receiver's events")
    assert meanwhile == {"waiting": 6}


def test_attempts_that_are_under_way_end_before_the_loop_does(database: Database, loop: Loop) -> None:
    def stop_first(_: Message) -> int:
        loop.stop.set()
        return 204

    with receiving(stop_first) as receiver:
        good = webhook(database, f"http://127.0.0.1:{receiver.port}/")
        end_jobs(database, 1)
        loop.start(database)
        loop.join()

    assert states(database, good) == {"delivered": 1}


@pytest.mark.slow
@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), ZeroDivisionError()], ids=["away", "other"])
def test_an_error_of_any_kind_does_not_end_the_loop(
    database: Database, loop: Loop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failures = iter([error, error])
    claim_due = deliveries.claim_due

    def fail_first(*arguments: object) -> object:
        if (failure := next(failures, None)) is not None:
            raise failure
        return claim_due(*arguments)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(deliveries, "claim_due", fail_first)
    with receiving() as receiver:
        good = webhook(database, f"http://127.0.0.1:{receiver.port}/")
        end_jobs(database, 2)

        loop.start(database)

        until(lambda: states(database, good) == {"delivered": 2}, "the events")
    assert len(receiver.got) == 2


def test_an_attempt_that_fails_in_an_unforeseen_way_is_tried_again(database: Database, loop: Loop) -> None:
    odd = webhook(database, "http://[nonsense/")  # no request makes such a webhook
    end_jobs(database, 1)

    loop.start(database, [0.01])

    until(lambda: states(database, odd) == {"failed": 1}, "the end of the attempts")
