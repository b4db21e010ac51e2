"""Tasks whose rows do not move any more: a worker that hangs, or one that was paused."""

from collections.abc import Hashable, Mapping


class Stalls:
    """Remembers since when each task looks the way it does; times are those of a monotonic clock."""

    def __init__(self, stall_seconds: float) -> None:
        self.stall_seconds = stall_seconds
        self._seen: dict[str, tuple[Hashable, float]] = {}

    def forget(self) -> None:
        """Begin anew: what stood still had a reason."""
        self._seen.clear()

    def found(self, looks: Mapping[str, Hashable], now: float) -> list[str]:
        """Take how each task looks; name those that have not changed for too long, each once a stall."""
        self._seen = {
            name: seen if (seen := self._seen.get(name)) and seen[0] == look else (look, now)
            for name, look in looks.items()
        }
        stalled = [name for name, (_, since) in self._seen.items() if now - since >= self.stall_seconds]
        for name in stalled:
            del self._seen[name]
        return stalled
