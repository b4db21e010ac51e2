"""Tasks whose jobs make no progress: their worker hangs, or was paused.

Progress is what `store.queries.latest_moves` returns: a span or a heartbeat. The dispatcher kills the worker
of a task that stalls, and its jobs go back to the queue.
"""

from collections.abc import Hashable, Mapping


class Stalls:
    """Remembers when the state of each task last changed, on a monotonic clock."""

    def __init__(self, stall_seconds: float) -> None:
        self.stall_seconds = stall_seconds
        self._seen: dict[str, tuple[Hashable, float]] = {}

    def reset(self) -> None:
        """Start timing again: something else kept the tasks from making progress."""
        self._seen.clear()

    def update(self, states: Mapping[str, Hashable], now: float) -> list[str]:
        """Note the state of each task; return those that stalled, each once per stall."""
        self._seen = {
            name: seen if (seen := self._seen.get(name)) and seen[0] == state else (state, now)
            for name, state in states.items()
        }
        stalled = [name for name, (_, since) in self._seen.items() if now - since >= self.stall_seconds]
        for name in stalled:
            del self._seen[name]
        return stalled
