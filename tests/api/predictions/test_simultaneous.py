"""Many predictions with one net at the same moment."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from threading import Event
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from service.serving.lookups import FRESH_SECONDS, RENEW_SECONDS
from service.serving.pool import whole
from service.serving.predictor import Predictor
from tests.api import work

N_CLIENTS = 64
PATIENCE_SECONDS = 20
PIXELS = {"images": [[0.5] * 784]}
TENSOR: Any = {"name": "pixels", "shape": [1, 784], "datatype": "FP32", "data": [0.5] * 784}


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Lookups:
    """How often the api looks a net up in its database; it has to wait there for the gate.

    It reads the keys of the database too, whenever it has not for two seconds.
    """

    n: int = 0
    gate: Event = field(default_factory=Event)

    def begin(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "checkpoints.sha256" in statement:
            self.n += 1
            assert self.gate.wait(PATIENCE_SECONDS)


@dataclass
class Reads:
    """Checkpoints that are found, and nets that are read; the first read waits until two are found."""

    n_found: int = 0
    n_read: int = 0
    two_found: Event = field(default_factory=Event)

    def begin(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "checkpoints.weights" in statement:
            self.n_read += 1
            assert self.two_found.wait(PATIENCE_SECONDS)

    def end(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "checkpoints.sha256" in statement:
            self.n_found += 1
            if self.n_found >= 2:
                self.two_found.set()


@pytest.fixture
def clock(trained: TestClient) -> Iterator[Clock]:
    """The clock of the predictor."""
    clock = Clock()
    predictor = Predictor(work.database(trained), clock)
    app: Any = trained.app
    parts = app.state.parts
    app.state.parts = replace(parts, predictor=predictor)
    yield clock
    app.state.parts = parts
    predictor.close()


@contextmanager
def counted(client: TestClient) -> Iterator[Lookups]:
    lookups = Lookups()
    listening = (work.database(client).engine, "before_cursor_execute", lookups.begin)
    event.listen(*listening)
    try:
        yield lookups
    finally:
        event.remove(*listening)


def predict_at_once(client: TestClient, path: str, lookups: Lookups, opens_early: bool) -> list[int]:
    """Send all requests while every thread of the pool is taken; return their statuses."""
    app: Any = client.app

    async def send() -> list[int]:
        held, pool = Event(), app.state.parts.pool
        holding = [asyncio.create_task(pool.run(whole(held.wait), 1)) for _ in range(2)]
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://localhost"
            ) as sender:
                sending = [sender.post(path, json=PIXELS) for _ in range(N_CLIENTS)]
                if opens_early:
                    lookups.gate.set()
                responses = await asyncio.wait_for(asyncio.gather(*sending), PATIENCE_SECONDS)
        finally:
            lookups.gate.set()
            held.set()
            await asyncio.gather(*holding)
        return [response.status_code for response in responses]

    assert client.portal is not None
    return client.portal.call(send)


@pytest.mark.parametrize(
    ("age_seconds", "opens_early", "n_looked_up"),
    [(RENEW_SECONDS / 2, False, 0), (RENEW_SECONDS, False, 1), (FRESH_SECONDS, True, 1)],
    ids=["fresh: none reads the database", "due: none waits for the one that reads", "old: all wait for one"],
)
def test_one_of_many_requests_looks_up_the_net_and_none_needs_the_pool(
    trained: TestClient,
    job: dict[str, Any],
    clock: Clock,
    age_seconds: float,
    opens_early: bool,
    n_looked_up: int,
) -> None:
    path = job["links"]["predict"]
    trained.post(path, json=PIXELS).raise_for_status()
    clock.seconds = age_seconds

    with counted(trained) as lookups:
        statuses = predict_at_once(trained, path, lookups, opens_early)
        work.poll(lambda: lookups.n == n_looked_up)

    assert (statuses, lookups.n) == ([200] * N_CLIENTS, n_looked_up)


def test_first_requests_for_a_net_by_all_its_names_read_it_once(
    copied: TestClient, job: dict[str, Any]
) -> None:
    copied.put("/models/digits", json={"job": job["id"]}).raise_for_status()
    own = job["links"]["predict"]
    paths = (own, f"{own}?checkpoint={job['progress']['step']}", "/models/digits/predict")
    asked = [(path, PIXELS) for path in (*paths, "/models/digits/predict?version=1", "/predict?model=digits")]
    asked += [(f"/v2/models/{name}/infer", {"inputs": [TENSOR]}) for name in ("digits", job["id"])]

    async def send() -> set[int]:
        transport: Any = httpx.ASGITransport(app=copied.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as sender:
            sending = [sender.post(path, json=body) for path, body in islice(cycle(asked), N_CLIENTS)]
            responses = await asyncio.wait_for(asyncio.gather(*sending), PATIENCE_SECONDS)
        return {response.status_code for response in responses}

    reads, engine = Reads(), work.database(copied).engine
    event.listen(engine, "before_cursor_execute", reads.begin)
    event.listen(engine, "after_cursor_execute", reads.end)
    assert copied.portal is not None
    statuses = copied.portal.call(send)

    assert (statuses, reads.n_read, reads.n_found >= 2) == ({200}, 1, True)
