"""Values that requests share: one look-up at a time for each key, kept for a second and renewed before."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import RLock
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from cachetools import TTLCache

from service.errors import Overloaded

FRESH_SECONDS = 1.0
RENEW_SECONDS = 0.5
THREADS = 2
MOST_RUNNING = 64
MOST_KEPT = 1024

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Kept(NamedTuple, Generic[Value]):
    value: Value
    asked_at: float
    """When its look-up was asked for, so the value is never older."""


class _Running(Generic[Value]):
    """A look-up that waits for a thread or has one."""

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.result: Future[Value] = Future()
        # Many requests wait for it: none that is cancelled may cancel it.
        self.result.set_running_or_notify_cancel()


class Lookups(Generic[Key, Value]):
    """Look up values in threads; return each for at most a second after its look-up was asked for.

    The first request after half of that second starts the next look-up, and no request waits for it. Only
    where no value is fresh do requests wait, all of them for the same look-up. At most
    MOST_KEPT values are kept, of at most `most_bytes` together.
    """

    def __init__(
        self,
        look_up: Callable[[Key], Value],
        now: Callable[[], float] = monotonic,
        most_bytes: int = MOST_KEPT,
        bytes_of: Callable[[Value], int] = lambda _: 1,
    ) -> None:
        self._look_up, self._now = look_up, now
        self._threads = ThreadPoolExecutor(THREADS, "look-ups")
        self._most_running = MOST_RUNNING
        least = most_bytes / MOST_KEPT
        self._kept: TTLCache[Key, _Kept[Value]] = TTLCache(
            most_bytes, FRESH_SECONDS, now, lambda kept: max(least, bytes_of(kept.value))
        )
        self._running: dict[Key, _Running[Value]] = {}
        # A look-up that ends before it has a callback ends in the thread that started it.
        self._lock = RLock()

    def find(self, key: Key) -> Value | None:
        """Return a fresh value without waiting, and start to renew it if that is due."""
        with self._lock:
            kept = self._fresh(key)
            if kept is None:
                return None
            is_due = self._now() - kept.asked_at >= RENEW_SECONDS
            if is_due and key not in self._running and self._has_room():
                self._start(key)
            return kept.value

    def join(self, key: Key, since_find: bool = False) -> "Future[Value]":
        """Return the look-up that runs for a key, or start one; raise Overloaded if too many run.

        The future has the value, or what the look-up raised. Cancelling it has no effect. With
        `since_find`, a look-up that has ended since `find` returned None is not repeated.
        """
        with self._lock:
            kept = self._fresh(key) if since_find else None
            if kept is not None:
                ended: Future[Value] = Future()
                ended.set_result(kept.value)
                return ended
            running = self._running.get(key)
            if running is not None and self._now() - running.asked_at < FRESH_SECONDS:
                return running.result
            if not self._has_room():
                raise Overloaded("too many models are being looked up; try again in a moment")
            return self._start(key).result

    def get(self, key: Key) -> Value:
        """Return a fresh value, waiting for it if need be; raise what the look-up raises, and Overloaded."""
        found = self.find(key)
        return self.join(key, since_find=True).result() if found is None else found

    def forget(self, is_changed: Callable[[Key], bool]) -> None:
        """Drop the values of some keys; look-ups of them that still run are not kept."""
        with self._lock:
            for key in filter(is_changed, {*self._kept, *self._running}):
                self._kept.pop(key, None)
                self._running.pop(key, None)

    def close(self) -> None:
        """Refuse further look-ups, and wait for those that run."""
        with self._lock:
            self._most_running = 0
        self._threads.shutdown()

    def _fresh(self, key: Key) -> _Kept[Value] | None:
        kept = self._kept.get(key)
        return None if kept is None or self._now() - kept.asked_at >= FRESH_SECONDS else kept

    def _has_room(self) -> bool:
        return len(self._running) < self._most_running

    def _start(self, key: Key) -> _Running[Value]:
        running: _Running[Value] = _Running(self._now())
        self._running[key] = running
        self._threads.submit(self._look_up, key).add_done_callback(partial(self._end, key, running))
        return running

    def _end(self, key: Key, running: _Running[Value], ended: "Future[Value]") -> None:
        error = ended.exception()
        with self._lock:
            if self._running.get(key) is running:
                del self._running[key]
                self._kept.pop(key, None)
                if error is None:
                    self._keep(key, _Kept(ended.result(), running.asked_at))
        if error is None:
            running.result.set_result(ended.result())
        else:
            running.result.set_exception(error)

    def _keep(self, key: Key, kept: _Kept[Value]) -> None:
        with suppress(ValueError):  # it alone has too many bytes
            self._kept[key] = kept
