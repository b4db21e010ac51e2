"""From a request whose operation is known to its handler, without what FastAPI would do again each time."""

from contextlib import AsyncExitStack
from inspect import iscoroutinefunction, signature

from fastapi.routing import APIRoute, RouteContext
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.shared.query import check_query, query_parameters
from service.api.shared.writers import READING_METHODS
from service.edge.operations import operation_of


class Handling:
    """What happens to a request of one route: its query is checked, and it writes in its turn.

    A handler may write if its method changes something and it runs in a thread.
    """

    def __init__(self, context: RouteContext) -> None:
        route, endpoint = context.original_route, context.endpoint
        self.app: ASGIApp = context.app
        self.found = {"route": route, "endpoint": endpoint}
        self.known = query_parameters(route) if isinstance(route, APIRoute) else {}
        changes = not READING_METHODS.issuperset(context.methods or ())
        self.writes = changes and not iscoroutinefunction(endpoint)
        self.direct = endpoint if isinstance(route, APIRoute) and is_direct(route) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(self.found)
        if scope["query_string"]:
            check_query(scope["query_string"], self.known)
        elif self.direct is not None:
            response = await self.direct(Request(scope, receive, send), **scope["path_params"])
            await response(scope, receive, send)
            return
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


def is_direct(route: APIRoute) -> bool:
    """Return whether a handler can be called without FastAPI if there is no query.

    Its route adds nothing of its own; it returns a response, and takes only the request, plain segments of
    its path, and a query whose parameters have defaults.
    """
    taken, given = signature(route.endpoint), route.dependant
    others = (given.dependencies, given.header_params, given.cookie_params, given.body_params)
    names = {field.name for field in (*given.path_params, *given.query_params)}
    return (
        type(route) is APIRoute
        and iscoroutinefunction(route.endpoint)
        and taken.return_annotation is Response
        and not any(others)
        and next(iter(taken.parameters), None) == given.request_param_name
        and taken.parameters.keys() == {given.request_param_name, *names}
        and all(field.field_info.annotation is str for field in given.path_params)
        and not any(field.field_info.metadata for field in given.path_params)
        and not any(field.field_info.is_required() for field in given.query_params)
    )


class Handlings:
    """A router that knows the handling of each request before; it takes the place of FastAPI's."""

    def __init__(self, router: ASGIApp) -> None:
        self.router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = operation_of(scope).handle if scope["type"] == "http" else self.router
        await handle(scope, receive, send)
