"""Buckets of tokens: how often each of many names may do something."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST_NAMES = 10_000


class TokenBuckets:
    """A bucket per name that holds so many tokens, and gets a new one after each interval.

    Of too many names, the one whose bucket was longest unused is forgotten: it has a full bucket again.
    """

    def __init__(
        self, tokens: int, seconds_per_token: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tokens, self.seconds_per_token, self._clock = tokens, seconds_per_token, clock
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, name: Hashable) -> float:
        """Take a token and return 0; or, if there is none, return the seconds until there is one."""
        now = self._clock()
        full_at = self._full_at[name] = max(self._full_at.get(name, now), now)
        self._full_at.move_to_end(name)
        if len(self._full_at) > MOST_NAMES:
            self._full_at.popitem(last=False)
        wait = full_at - now - (self.tokens - 1) * self.seconds_per_token
        if wait > 0:
            return wait
        self._full_at[name] = full_at + self.seconds_per_token
        return 0.0

    def give_back(self, name: Hashable) -> None:
        """Put a token back that was taken."""
        if name in self._full_at:
            self._full_at[name] -= self.seconds_per_token
