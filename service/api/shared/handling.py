"""From a request whose operation is known to its handler, without FastAPI's search among all routes."""

from contextlib import AsyncExitStack
from inspect import iscoroutinefunction

from fastapi.routing import APIRoute, RouteContext
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.shared.query import check_query, query_parameters
from service.api.shared.writers import READING_METHODS
from service.edge.operations import operation_of


class Handling:
    """What happens to a request of one route: its query is checked, and it writes in its turn.

    A handler may write if its method changes something and it runs in a thread.
    """

    def __init__(self, context: RouteContext) -> None:
        route = context.original_route
        self.app: ASGIApp = context.app
        self.found = {"route": route, "endpoint": context.endpoint}
        self.known = query_parameters(route) if isinstance(route, APIRoute) else {}
        changes = not READING_METHODS.issuperset(context.methods or ())
        self.writes = changes and not iscoroutinefunction(context.endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(self.found)
        if scope["query_string"]:
            check_query(scope["query_string"], self.known)
        if self.writes:
            await self._write(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a turn until the handler has a response: a client that reads slowly holds up no writer."""
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(scope["app"].state.parts.writers.turn())

            async def send_after_turn(message: Message) -> None:
                await turn.aclose()
                await send(message)

            await self.app(scope, receive, send_after_turn)


class Handlings:
    """A router that knows the handling of each request before; it takes the place of FastAPI's."""

    def __init__(self, router: ASGIApp) -> None:
        self.router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = operation_of(scope).handle if scope["type"] == "http" else self.router
        await handle(scope, receive, send)
