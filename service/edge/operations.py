"""A table of the operations of the api, which finds that of a request once, whoever asks for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from re import Match, Pattern

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

_FOUND = "normserve.operation"


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None: ...


@dataclass(frozen=True)
class Operation:
    """A method of a path; `path` is a template such as /jobs/{id}/predict."""

    method: str
    path: str
    limits: Mapping[str, int] = field(default_factory=dict)
    """The largest body in bytes for each media type, by `takes_bodies`; without any it takes none."""
    handle: ASGIApp = field(default=_nothing)
    scope: str | None = None
    """The scope that a key needs, as `needs` declares it, or `OPEN`; None if no key opens the operation."""


def own_path(scope: Scope) -> str:
    """Return the path of a request without the prefix."""
    path: str = scope["path"]
    prefix = scope.get("root_path")
    return path.removeprefix(prefix) if prefix else path


def operation_of(scope: Scope) -> Operation:
    """Return the operation that a request was found to ask for."""
    operation: Operation = scope[_FOUND]
    return operation


_Shape = tuple[int, str, str]
"""How many segments a path has, the first one, and the last one, or nothing where a parameter is last."""
_Paths = list[tuple[Pattern[str], dict[str, Operation]]]


class Operations:
    """A table of operations; it compiles their paths with the first request."""

    def __init__(self, operations: Callable[[], Iterable[Operation]]) -> None:
        self._all = operations

    def find(self, scope: Scope) -> Operation | None:
        """Return the operation of a request, and leave in its scope what was found."""
        if _FOUND not in scope:
            self._find(scope)
        found: Operation | None = scope[_FOUND]
        return found

    def of_path(self, path: str) -> list[Operation]:
        """Return the operations of a path."""
        return [operation for _, methods in self._matching(path) for operation in methods.values()]

    def _find(self, scope: Scope) -> None:
        scope[_FOUND] = None
        for match, methods in self._matching(own_path(scope)):
            if scope["method"] in methods:
                scope[_FOUND], scope["path_params"] = methods[scope["method"]], match.groupdict()
                return

    def _matching(self, path: str) -> Iterator[tuple[Match[str], dict[str, Operation]]]:
        n, first, last = _shape(path)
        for shape in ((n, first, last), (n, first, "")):
            for pattern, methods in self._table.get(shape, ()):
                if match := pattern.fullmatch(path):
                    yield match, methods

    @cached_property
    def _table(self) -> dict[_Shape, _Paths]:
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in self._all():
            by_path.setdefault(operation.path, {})[operation.method] = operation
        table: dict[_Shape, _Paths] = {}
        for path, methods in by_path.items():
            n, first, last = _shape(path)
            shape = (n, first, "" if last.endswith("}") else last)
            table.setdefault(shape, []).append((compile_path(path)[0], methods))
        return table


def _shape(path: str) -> _Shape:
    segments = path.split("/")
    return len(segments), segments[1] if len(segments) > 1 else "", segments[-1]
