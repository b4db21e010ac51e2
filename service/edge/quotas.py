"""How much of one api process a single key may use, so that others are served too."""

import math
from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from service.callers import PREDICT, caller_of
from service.edge.buckets import TokenBuckets
from service.edge.operations import Operations
from service.errors import TooManyPredictions, TooManyRequests

BURST_SECONDS = 2
"""A key that has paused may send the requests of so many seconds at once."""


class Quotas:
    """Limit the requests per second of a key, and its predictions at once, before a body is read.

    Requests without a key have no limits: where keys are demanded, they are those of open operations.
    """

    def __init__(
        self, app: ASGIApp, operations: Operations, requests_per_second: int, most_predictions: int
    ) -> None:
        self.app, self.operations, self.most_predictions = app, operations, most_predictions
        self.requests = TokenBuckets(BURST_SECONDS * requests_per_second, 1 / requests_per_second)
        self.predicting: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = caller_of(scope).number if scope["type"] == "http" else 0
        if not number:
            await self.app(scope, receive, send)
            return
        if wait := self.requests.take(number):
            raise TooManyRequests(math.ceil(wait))
        operation = self.operations.find(scope)
        if operation is not None and operation.scope == PREDICT:
            await self._predict(number, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _predict(self, number: int, scope: Scope, receive: Receive, send: Send) -> None:
        if self.predicting[number] >= self.most_predictions:
            raise TooManyPredictions(
                f"this key has {self.most_predictions} predictions under way, and may have no more at once"
            )
        self.predicting[number] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.predicting[number] -= 1
            if not self.predicting[number]:
                del self.predicting[number]
