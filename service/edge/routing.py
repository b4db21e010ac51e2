"""What is decided before a body is read: the prefix, HEAD, and whether path and method exist."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.operations import Operations, own_path
from service.errors import MethodNotAllowed, PathNotFound
from service.links import linking_below


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


class KnownPaths:
    """Refuse unknown paths and methods before anything is said about a body.

    It raises; Problems responds.
    """

    def __init__(self, app: ASGIApp, operations: Operations) -> None:
        self.app, self.operations = app, operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.operations.find(scope) is None:
            path = own_path(scope)
            methods = self._methods(path)
            if methods:
                raise MethodNotAllowed(methods)
            raise PathNotFound(f"There is nothing at this path.{self._hint(path)}")
        await self.app(scope, receive, send)

    def _hint(self, path: str) -> str:
        """Return what to do if only the slash at the end is wrong."""
        return " No path ends with a slash." if self._methods(path.rstrip("/")) else ""

    def _methods(self, path: str) -> set[str]:
        """Return the methods of a path, and HEAD where GET is."""
        methods = {operation.method for operation in self.operations.of_path(path)}
        return methods | ({"HEAD"} if "GET" in methods else set())
