"""The loop that delivers events, in a thread beside the dispatcher's loop.

All that it must not forget is in the database: after a crash, the next dispatcher's loop goes on.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from service.errors import NormserveError
from service.store import clock, deliveries
from service.store.database import Database
from service.store.deliveries import ClaimedDelivery, DeliveryOutcome
from service.store.ends import is_any_pending, make_deliveries
from service.store.webhooks import MOST_WEBHOOKS
from service.webhooks.addresses import Network
from service.webhooks.sending import Sender

log = structlog.get_logger()

LOOK_SECONDS = 0.5
PRUNE_SECONDS = 600.0
GRACE_SECONDS = 1.5
"""How long attempts that are under way may go on after this process is asked to stop."""
FAILED = "the attempt failed in the service, whose log has the reason"
MOST_JITTER = 0.1
"""The share by which waits are longer, at random, so that receivers do not get all retries at once."""


class Deliverer:
    """Stores the deliveries of ends, and attempts those that are due.

    At most four of each webhook are attempted at once, so that no slow receiver keeps others waiting.
    service/store/deliveries.py decides whether and when a delivery is attempted again.
    """

    def __init__(self, database: Database, sender: Sender, waits: Sequence[float]) -> None:
        self.database = database
        self.sender = sender
        self.waits = waits
        self.woken = asyncio.Event()
        """Set when there is more to do at once."""
        self._outcomes: list[DeliveryOutcome] = []
        self._busy: Counter[int] = Counter()
        self._attempts: set[asyncio.Task[None]] = set()
        self._next_prune = 0.0
        # A thread of its own: names that nobody resolves can take all those of the loop.
        self._thread = ThreadPoolExecutor(1, "deliveries")

    async def step(self) -> None:
        """Store how attempts have ended, make deliveries of new ends, and begin the attempts that are due."""
        outcomes, loop = self._outcomes.copy(), asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._exchange, outcomes, self._busy.copy())
        del self._outcomes[: len(outcomes)]
        claimed, has_more = found
        if has_more:
            self.woken.set()
        for each in claimed:
            self._busy[each.webhook_key] += 1
            attempt = loop.create_task(self._attempt(each))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._attempts.discard)

    async def finish(self) -> None:
        """Let the attempts that are under way end soon, and store how they did; begin no more."""
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=GRACE_SECONDS)
        with suppress(NormserveError):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._record_last)
        self._thread.shutdown(wait=False)

    async def _attempt(self, claimed: ClaimedDelivery) -> None:
        try:
            outcome = await self.sender.send(claimed, int(time.time()))
        except Exception:  # whatever it was, the next attempt may succeed, and others must go on
            log.exception("an attempt failed", delivery=claimed.id)
            outcome = DeliveryOutcome(claimed, None, FAILED)
        self._busy[claimed.webhook_key] -= 1
        self._outcomes.append(outcome)
        self.woken.set()

    def _exchange(
        self, outcomes: Sequence[DeliveryOutcome], busy: Counter[int]
    ) -> tuple[list[ClaimedDelivery], bool]:
        """Do what a step does in the database; return what to attempt, and whether ends may be left."""
        self._prune()
        if not outcomes and not self._has_work():
            return [], False
        with self.database.writing() as session:
            now = clock.now(session)
            # Webhooks are locked before deliveries, as in the transactions of the api.
            has_more = make_deliveries(session, now)
            self._record(session, outcomes, now)
            return deliveries.claim_due(session, busy, len(self.waits) + 1, now), has_more

    def _has_work(self) -> bool:
        with self.database.reading() as session:
            return is_any_pending(session) or deliveries.is_any_due(session, clock.now(session))

    def _record_last(self) -> None:
        if self._outcomes:
            with self.database.writing() as session:
                self._record(session, self._outcomes, clock.now(session))

    def _record(self, session: Session, outcomes: Sequence[DeliveryOutcome], now: datetime) -> None:
        jitter = random.uniform(1, 1 + MOST_JITTER)  # noqa: S311 # no secret
        for failed in deliveries.record(session, outcomes, [wait * jitter for wait in self.waits], now):
            log.warning("event not delivered", delivery=failed.id, reason=failed.last_error)

    def _prune(self) -> None:
        if time.monotonic() >= self._next_prune:
            with self.database.writing() as session:
                n_pruned = deliveries.prune(session, clock.now(session))
            if n_pruned < deliveries.MOST_PRUNED:
                self._next_prune = time.monotonic() + PRUNE_SECONDS


def start(
    database: Database, stop: threading.Event, networks: Sequence[Network], waits: Sequence[float]
) -> threading.Thread:
    """Deliver from now on, until asked to stop."""

    def run() -> None:
        asyncio.run(_keep_delivering(Deliverer(database, Sender(networks), waits), stop))

    thread = threading.Thread(target=run, name="webhooks", daemon=True)
    thread.start()
    return thread


async def _keep_delivering(deliverer: Deliverer, stop: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(MOST_WEBHOOKS * deliveries.MOST_AT_ONCE, "names"))
    while not stop.is_set():
        try:
            await deliverer.step()
        except NormserveError as error:
            log.warning("deliveries wait for the database", reason=error.detail)
            await asyncio.sleep(LOOK_SECONDS)
        except Exception:  # whatever it was, the dispatcher runs on, and later events must be delivered
            log.exception("delivering failed")
            await asyncio.sleep(LOOK_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(deliverer.woken.wait(), LOOK_SECONDS)
        deliverer.woken.clear()
    await deliverer.finish()
