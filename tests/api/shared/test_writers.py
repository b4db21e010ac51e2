"""Requests that write take turns: those that wait hold up nobody who reads, and are not too many."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from inspect import iscoroutinefunction
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient

from service.api.shared import writers
from service.api.shared.bodies import DEFAULT, declared_limits
from service.api.shared.writers import READING_METHODS, Writers
from service.errors import Overloaded
from service.store.database import CONNECTIONS, Database
from tests.api import work
from tests.api.described import APP
from tests.api.work import problem
from tests.process import PATIENCE_SECONDS, until
from tests.store.rows import ids_of

POSTS = 80
"""Twice the threads that the handlers share."""
HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(); input()"
ROUTES = [
    (method, str(context.path), context.original_route)
    for context in iter_route_contexts(APP.routes)
    if isinstance(context.original_route, APIRoute)
    for method in sorted(set(context.methods or ()) - READING_METHODS)
]
EXTEND = "/ui/compare/{comparison_id}/extend"
IN_THREADS = [each for each in ROUTES if not iscoroutinefunction(each[2].endpoint)]


@contextmanager
def held(database: Database) -> Iterator[Callable[[], None]]:
    """Hold the gate of the writers from another process, until the function that this yields is called."""
    command = [sys.executable, "-c", HOLD, f"{database.url.database}.gate"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            yield holder.kill
        finally:
            holder.kill()


@pytest.mark.slow
def test_reads_go_on_while_writers_wait(sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("service.store.sqlite_engine.BUSY_SECONDS", "service.api.shared.writers.WAIT_SECONDS"):
        monkeypatch.setattr(name, PATIENCE_SECONDS)
    database = work.database(sqlite_client)
    in_line = sqlite_client.app.state.parts.writers  # type: ignore[attr-defined] # starlette's app

    with ThreadPoolExecutor(POSTS + 1) as threads, held(database) as let_go:
        posts = [threads.submit(sqlite_client.post, "/jobs", json={}) for _ in range(POSTS)]
        until(lambda: in_line._waiting == POSTS - database.writers, "all to wait")
        read = threads.submit(sqlite_client.get, "/jobs").result(PATIENCE_SECONDS / 4)
        let_go()
        created = [post.result().json()["id"] for post in posts]

    assert (read.status_code, read.json()["items"]) == (200, [])
    assert ids_of(database) == set(created)
    assert len(created) == POSTS


@pytest.mark.slow
def test_writers_that_wait_too_long_are_refused_and_store_nothing(
    sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sqlite_engine.BUSY_SECONDS", 1.0)
    monkeypatch.setattr("service.api.shared.writers.WAIT_SECONDS", 0.5)
    database = work.database(sqlite_client)

    with ThreadPoolExecutor(POSTS) as threads, held(database):
        answers = list(threads.map(lambda _: sqlite_client.post("/jobs", json={}), range(POSTS)))

    codes = Counter(
        (each.json()["code"], each.status_code, "Retry-After" in each.headers) for each in answers
    )
    assert codes.keys() == {("overloaded", 503, True), ("database-unavailable", 503, True)}
    assert ids_of(database) == set()


@pytest.mark.parametrize(("method", "path", "route"), IN_THREADS, ids=str)
def test_every_route_that_writes_takes_its_turn(
    sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch, method: str, path: str, route: APIRoute
) -> None:
    monkeypatch.setattr(writers, "MOST_WAITING", 0)

    takes = [*(declared_limits(route.endpoint) or ()), *(DEFAULT if route.body_field is not None else ())]
    sent: dict[str, Any] = {"content": b"{}", "headers": {"Content-Type": takes[0]}} if takes else {}

    answer = sqlite_client.request(method, path, **sent)

    assert problem(answer) == (503, "overloaded", [])


def test_only_what_writes_nothing_leaves_the_line() -> None:
    """Predictions and metric queries, which run in pools, a list, and a form that waits itself."""
    outside = [each[1] for each in ROUTES if each not in IN_THREADS]

    ends = ("predict", "infer", "/metric-queries", "/repository/index", "/ui/draw", EXTEND)
    assert all(path.endswith(ends) for path in outside)
    assert len(outside) == 10


def test_readers_wait_for_no_turn(sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MOST_WAITING", 0)

    assert sqlite_client.get("/jobs").status_code == 200


def test_writers_leave_connections_to_readers(database: Database) -> None:
    assert 0 < database.writers <= CONNECTIONS // 2


def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MOST_WAITING", 1)

    async def three() -> list[str]:
        line = Writers(1)
        found: list[str] = []
        async with AsyncExitStack() as first:
            await first.enter_async_context(line.turn())
            second = asyncio.create_task(one(line, found))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="too many"):
                await first.enter_async_context(line.turn())
        await second
        return found

    assert asyncio.run(three()) == ["in turn"]


async def one(line: Writers, found: list[str]) -> None:
    async with line.turn():
        found.append("in turn")


def test_the_turn_of_one_that_fails_is_free() -> None:
    async def two() -> list[str]:
        line = Writers(1)
        found: list[str] = []
        with pytest.raises(KeyError):
            async with line.turn():
                raise KeyError
        await one(line, found)
        return found

    assert asyncio.run(two()) == ["in turn"]
