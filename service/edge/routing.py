"""What is decided before a body is read: the prefix, HEAD, and whether path and method exist."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import MethodNotAllowed, PathNotFound
from service.links import linking_below


def own_path(scope: Scope) -> str:
    """Return the path of a request without the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class Prefix:
    """Serve all paths below a prefix, whether the proxy in front removes it or not.

    As ASGI wants it, the path is then the whole one, and root_path is the prefix.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.prefix:
            is_whole = f"{scope['path']}/".startswith(f"{self.prefix}/")
            path = scope["path"] if is_whole else self.prefix + scope["path"]
            path = f"{path}/" if path == self.prefix else path
            scope = {**scope, "path": path, "root_path": self.prefix}
        with linking_below(self.prefix):
            await self.app(scope, receive, send)


class Head:
    """Respond to HEAD as to GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                # The response is complete, so the server reports a disconnect to one that streams.
                await send({"type": "http.response.body"})

        await self.app({**scope, "method": "GET"}, receive, send_headers)


@dataclass(frozen=True)
class Operations:
    """The methods of a path; `path` is a template such as /jobs/{id}/predict."""

    path: str
    methods: Collection[str]


class KnownPaths:
    """Refuse unknown paths and methods before anything is said about a body.

    It raises; Problems responds.
    """

    def __init__(self, app: ASGIApp, known: Callable[[], Iterable[Operations]]) -> None:
        self.app = app
        # This runs once the application has all its routes.
        self.known = [(compile_path(each.path)[0], each.methods) for each in known()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            methods = self._methods(own_path(scope))
            if not methods:
                raise PathNotFound(f"There is nothing at this path.{self._hint(own_path(scope))}")
            if scope["method"] not in methods:
                raise MethodNotAllowed(methods)
        await self.app(scope, receive, send)

    def _hint(self, path: str) -> str:
        """Return what to do if only the slash at the end is wrong."""
        return " No path ends with a slash." if self._methods(path.rstrip("/")) else ""

    def _methods(self, path: str) -> set[str]:
        """Return the methods of a path, which several routes may serve."""
        found = (methods for pattern, methods in self.known if pattern.fullmatch(path))
        return {method for methods in found for method in methods}
