"""How much the counts of workers have grown since the database has them."""

from collections import Counter
from collections.abc import Mapping

MOST_KNOWN = 1024
"""Workers that are remembered, those that are gone included: one may only have been cut off."""

Counts = Mapping[str, Mapping[str, int]]
"""What each worker has counted since it started."""


class Growth:
    """What is new in the counts of workers; nothing in the first ones, which an earlier dispatcher stored."""

    def __init__(self) -> None:
        self._stored: Counts | None = None

    def reset(self) -> None:
        """Begin again, because another dispatcher may have stored counts."""
        self._stored = None

    def since_stored(self, counts: Counts) -> dict[str, int]:
        """Return how much each count has grown, all workers together."""
        grown: Counter[str] = Counter()
        stored = counts if self._stored is None else self._stored
        for worker, found in counts.items():
            before = stored.get(worker, {})
            has_restarted = any(found.get(name, 0) < value for name, value in before.items())
            grown.update(found)
            if not has_restarted:
                grown.subtract(before)
        return {name: value for name, value in grown.items() if value}

    def note_stored(self, counts: Counts) -> None:
        """Remember that the database has these counts."""
        others = {worker: found for worker, found in (self._stored or {}).items() if worker not in counts}
        known = list({**others, **counts}.items())
        self._stored = dict(known[-max(MOST_KNOWN, len(counts)) :])
