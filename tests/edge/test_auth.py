"""Default deny: every route × method × {no key, bad key, wrong scope} × tricks with its path."""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from service.app import operations
from service.callers import ADMIN, SCOPES
from service.edge.wrong_keys import AT_ONCE
from service.store import clock, keys
from tests.api import work
from tests.api.conftest import serving
from tests.api.described import APP
from tests.api.events.test_histories import parts_of
from tests.api.streams import Listener
from tests.edge.scopes import TABLE

CLOSED = {row: scope for row, scope in TABLE.items() if scope != "open"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
BAD_KEYS = ["", "x", "normserve_", "é", "x" * 10_000, "Basic", "null"]
TRICKS: list[Callable[[str], str]] = [
    lambda path: path,
    lambda path: f"/{path}",
    lambda path: f"{path}/",
    lambda path: f"/livez/..{path}",
    lambda path: f"/livez/../{path}",
    lambda path: f"/livez;{path}",
    lambda path: f"/livez\x00{path}",
    lambda path: f"/.{path}",
    lambda path: f"{path}/../../livez",
    lambda path: f"{path};/livez",
    lambda path: path.upper(),
    lambda path: path.replace("/", "\\"),
    lambda path: f"{path}\x00",
    lambda path: f"{path}%00",
    lambda path: f"{path}%2f..%2flivez",
    lambda path: f"/ui/static/x{path}",
    lambda path: f"http://127.0.0.1{path}",
]


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Asked(NamedTuple):
    """A method and a path, a key as a bearer, other headers, and the client's address: else a new one."""

    row: str
    key: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    address: str = ""


class Edge:
    """An app with keys, asked as a server asks it: no client tidies the path up."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.addresses = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in count())

    def made(self, *scopes: str, lasts: timedelta | None = None) -> tuple[str, str]:
        """Return the id and the text of a new key."""
        with work.database(self.client).writing() as session:
            now = clock.now(session)
            row, text = keys.create(session, "test", scopes, now, None if lasts is None else now + lasts)
            return row.id, text

    def revoke(self, key_id: str) -> None:
        with work.database(self.client).writing() as session:
            keys.revoke(session, key_id, clock.now(session))

    def ask(self, row: str, key: str | None = None, **headers: str) -> Response:
        return self.ask_all([Asked(row, key, headers)])[0]

    def ask_all(self, asked: list[Asked]) -> list[Response]:
        """Ask for each in turn, in the loop of the app."""

        async def ask() -> list[Response]:
            return [await self._ask(each) for each in asked]

        assert self.client.portal is not None
        return self.client.portal.call(ask)

    def ask_at_once(self, asked: list[Asked]) -> list[Response]:
        """Ask for all at once, in the loop of the app."""

        async def ask() -> list[Response]:
            return await asyncio.gather(*map(self._ask, asked))

        assert self.client.portal is not None
        return self.client.portal.call(ask)

    async def _ask(self, asked: Asked) -> Response:
        method, _, path = asked.row.partition(" ")
        path, _, query = path.partition("?")
        sent = {
            "host": "testserver",
            **{name.replace("_", "-"): text for name, text in asked.headers.items()},
        }
        if asked.key is not None:
            sent["authorization"] = f"Bearer {asked.key}"
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in sent.items()],
            "client": (asked.address or next(self.addresses), 1),
            "server": ("testserver", 80),
            "app": self.client.app,
        }
        messages = [{"type": "http.request", "body": b""}]
        sent_back: list[Any] = []

        async def receive() -> Any:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent_back.append(message)

        app: Any = self.client.app
        await app(scope, receive, send)
        start, *rest = sent_back
        found = {name.decode(): text.decode("latin-1") for name, text in start["headers"]}
        return Response(start["status"], found, b"".join(each.get("body", b"") for each in rest))


@contextmanager
def edge_of(migrated: Path, folder: Path, **settings: Any) -> Iterator[Edge]:
    path = Path(shutil.copy(migrated, folder / "normserve.db"))
    with serving(f"sqlite:///{path}", folder, **settings) as client:
        yield Edge(client)


@pytest.fixture(scope="module")
def edge(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with edge_of(migrated_sqlite, tmp_path_factory.mktemp("auth"), auth="keys") as edge:
        yield edge


@pytest.fixture(scope="module")
def only(edge: Edge) -> dict[str, str]:
    """A key per scope."""
    return {scope: edge.made(scope)[1] for scope in SCOPES}


@pytest.fixture(scope="module")
def without(edge: Edge) -> dict[str, str]:
    """A key per scope that has all others, except admin."""
    return {scope: edge.made(*SCOPES.keys() - {scope, ADMIN})[1] for scope in SCOPES}


def filled(row: str) -> str:
    """Return a method and a path with values for its parameters."""
    return re.sub(r"\{(\w+)\}", "1", row)


def path_of(row: str) -> str:
    return filled(row).partition(" ")[2]


OPEN_ROWS = {filled(row) for row, scope in TABLE.items() if scope == "open"}
SEEN_ROWS = OPEN_ROWS | {row.replace("GET", "HEAD") for row in OPEN_ROWS}
OPEN_PATHS = {path_of(row) for row in OPEN_ROWS}


def is_below_open(row: str) -> bool:
    path = row.partition(" ")[2]
    return path in OPEN_PATHS or re.fullmatch("/ui/static/[^/]+/[^/]+", path) is not None


def test_the_routes_and_their_scopes_are_those_of_the_table() -> None:
    found = {f"{each.method} {each.path}": each.scope for each in operations(APP)}

    assert found == TABLE


@pytest.mark.slow
def test_without_a_right_key_only_the_open_routes_are_there(edge: Edge) -> None:
    paths = sorted({path_of(row) for row in CLOSED})
    asked = [Asked(f"{method} {path}", key) for path in paths for method in METHODS for key in BAD_KEYS]

    found = {
        (each.row, each.key): response.status
        for each, response in zip(asked, edge.ask_all(asked), strict=True)
    }

    assert {each: status for each, status in found.items() if status != 401} == {}


@pytest.mark.slow
def test_no_trick_with_a_path_opens_it(edge: Edge) -> None:
    paths = sorted({path_of(row) for row in TABLE})
    rows = {f"{method} {trick(path)}" for path in paths for trick in TRICKS for method in METHODS}
    asked = [Asked(row) for row in sorted(rows - SEEN_ROWS)]

    found = {each.row: response.status for each, response in zip(asked, edge.ask_all(asked), strict=True)}

    others = {row: status for row, status in found.items() if status != 401}
    # Of an open path it is no secret that it has no such method, or no such file.
    assert {row: status for row, status in others.items() if not is_below_open(row)} == {}
    assert set(others.values()) <= {404, 405}


@pytest.mark.parametrize("row", sorted(OPEN_ROWS))
def test_an_open_route_needs_no_key(edge: Edge, row: str) -> None:
    assert edge.ask(row).status not in {401, 403}
    assert edge.ask(row, "x").status not in {401, 403}


@pytest.mark.slow
@pytest.mark.parametrize("needed", SCOPES)
def test_a_key_opens_what_has_its_scope_and_nothing_else(
    edge: Edge, needed: str, only: dict[str, str], without: dict[str, str]
) -> None:
    rows = [filled(row) for row, scope in CLOSED.items() if scope == needed]
    endless = {"GET /events"}

    refused = edge.ask_all([Asked(row, without[needed]) for row in rows])
    let_in = edge.ask_all([Asked(row, only[needed]) for row in rows if row not in endless])

    assert {response.status for response in refused} == {403}
    assert {response.headers["www-authenticate"] for response in refused} == {
        f'Bearer realm="normserve", error="insufficient_scope", scope="{needed}"'
    }
    assert {response.status for response in let_in} & {401, 403} == set()


REFUSED = {
    "nothing": {},
    "no scheme": {"authorization": "x"},
    "another scheme": {"authorization": "Basic eDp4"},
    "no key": {"authorization": "Bearer"},
    "an empty header": {"x_api_key": ""},
    "a key of 10 KB": {"x_api_key": "a" * 10_000},
    "a key that is no ASCII": {"authorization": "Bearer ключ"},
    "a foreign cookie": {"cookie": "session=1; normserve_session="},
    "a wrong session": {"cookie": f"normserve_session={'0' * 64}"},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_all_who_have_no_key_get_the_same_response(edge: Edge, headers: dict[str, str]) -> None:
    response = edge.ask("GET /jobs", **headers)

    assert (response.status, response.headers["www-authenticate"]) == (401, 'Bearer realm="normserve"')
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "key-required"
    assert {**response.json(), "instance": ""} == {**edge.ask("GET /jobs", "wrong").json(), "instance": ""}


def test_a_key_may_be_in_either_header_and_nowhere_else(edge: Edge, only: dict[str, str]) -> None:
    key = only["read"]

    statuses = {
        "bearer": edge.ask("GET /queue", authorization=f"bEARER  {key} ").status,
        "x-api-key": edge.ask("GET /queue", x_api_key=key, authorization="Basic eDp4").status,
        "query": edge.ask(f"GET /queue?key={key}&api_key={key}&access_token={key}").status,
        "cookie": edge.ask("GET /queue", cookie=f"normserve_session={key}").status,
        "basic": edge.ask("GET /queue", authorization=f"Basic {key}").status,
    }

    assert statuses == {"bearer": 200, "x-api-key": 200, "query": 401, "cookie": 401, "basic": 401}


def test_admin_has_all_scopes_and_unknown_paths_are_missing_for_who_has_a_key(edge: Edge) -> None:
    _, admin = edge.made(ADMIN)

    rows = ["GET /jobs", "DELETE /models/x", "POST /jobs/1/cancel", "GET /nowhere", "PUT /jobs"]

    assert [edge.ask(row, admin).status for row in rows] == [200, 404, 404, 404, 405]


def test_errors_below_v2_have_the_shape_of_the_protocol(edge: Edge, only: dict[str, str]) -> None:
    missing, wrong = edge.ask("GET /v2"), edge.ask("POST /v2/models/x/infer", only["read"])

    assert (missing.status, list(missing.json())) == (401, ["error"])
    assert (wrong.status, wrong.json()) == (403, {"error": "this needs a key with the scope predict"})


def test_a_key_is_known_at_once_and_ends_with_its_revocation_and_its_time(edge: Edge) -> None:
    key_id, key = edge.made("read")
    _, expired = edge.made("read", lasts=timedelta(0))
    _, other = edge.made("read")
    mistyped = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert edge.ask("GET /queue", key).status == 200

    edge.revoke(key_id)
    edge.ask("GET /queue", unknown_key())  # has the keys read again, which time would do

    found = [edge.ask("GET /queue", each).status for each in (key, expired, mistyped, other)]
    assert found == [401, 401, 401, 200]


def unknown_key() -> str:
    """Return a key that is not mistyped, and that no database has."""
    return keys.written(uuid4().hex)


def test_a_stream_ends_with_its_key_and_others_go_on(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_of(edge.client).streams, "ping_seconds", 0.05)
    (key_id, key), (_, other) = edge.made("read"), edge.made("read")
    stream, of_other = (
        Listener(edge.client, "/events", {"Authorization": f"Bearer {each}"}) for each in (key, other)
    )

    edge.revoke(key_id)
    reread(edge)

    stream.end()
    of_other.has("ping", len(of_other.events("ping")) + 5)
    of_other.leave()


@pytest.mark.slow
def test_many_wrong_keys_share_a_few_reads_of_the_database(edge: Edge) -> None:
    reads: list[str] = []
    engine = work.database(edge.client).engine
    asked = [Asked("GET /queue", unknown_key()) for _ in range(500)]
    malformed = [Asked("GET /queue", unknown_key()[:-1] + "x") for _ in range(500)]

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM api_keys" in statement:
            reads.append(statement)

    found = edge.ask_at_once([*asked, *malformed])
    event.remove(engine, "before_cursor_execute", note)

    assert {response.status for response in found} == {401}
    assert len(reads) <= 10


def test_who_sends_many_wrong_keys_must_wait_and_nobody_else(edge: Edge, only: dict[str, str]) -> None:
    asked = [Asked("GET /queue", "wrong", address="192.0.2.1") for _ in range(1000)]
    edge.ask("GET /queue", only["read"])

    found = edge.ask_all(asked)
    right = [
        edge.ask_all([Asked("GET /queue", only["read"], address=each)]) for each in ("192.0.2.1", "192.0.2.2")
    ]

    assert [response.status for response in found] == [401] * AT_ONCE + [429] * (1000 - AT_ONCE)
    assert {response.headers.get("retry-after") for response in found[AT_ONCE:]} == {"5"}
    assert {response.json()["code"] for response in found[AT_ONCE:]} == {"too-many-wrong-keys"}
    assert [response.status for [response] in right] == [200, 200]


def test_a_body_is_refused_before_it_is_read(edge: Edge) -> None:
    headers = {"content_type": "application/json", "content_length": str(10**12)}

    assert edge.ask("POST /jobs", **headers).status == 401


def test_the_first_key_closes_a_service_and_its_end_does_not_open_it(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    with edge_of(migrated_sqlite, tmp_path) as edge:
        parts_of(edge.client).streams.ping_seconds = 0.05
        stream = Listener(edge.client, "/events")
        before = edge.ask("GET /queue").status
        key_id, key = edge.made("read")
        edge.ask("GET /ui/sign-in")
        reread(edge)
        stream.end()
        closed = edge.ask("GET /queue").status, edge.ask("GET /queue", key).status
        edge.revoke(key_id)
        reread(edge)

        assert (before, closed, edge.ask("GET /queue").status) == (200, (401, 200), 401)


def reread(edge: Edge) -> None:
    """Have the app read the keys, which time would do."""
    assert edge.client.portal is not None
    edge.client.portal.call(parts_of(edge.client).keys.by_text, unknown_key(), "192.0.2.9")
