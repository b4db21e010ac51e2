"""Which nets stay in memory, and for how long without a look-up."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from service.serving.lookups import FRESH_SECONDS
from service.serving.predictor import Predictor
from tests.api import work
from tests.api.conftest import serving

PIXELS = {"images": [[0.5] * 784]}


class Nets:
    """A predictor with room for a few nets of a job, and which of its nets are in memory."""

    def __init__(self, client: TestClient, job: dict[str, Any], room: float) -> None:
        self.job_id, self.seconds = job["id"], 0.0
        database = work.database(client)
        with closing(Predictor(database)) as sizing:
            net_bytes = sizing.get(self.job_id, "latest").net_bytes
        self.predictor = Predictor(database, lambda: self.seconds, int(room * net_bytes))
        self.read: dict[int, weakref.ref[Any]] = {}

    def get(self, step: int) -> None:
        self.read[step] = weakref.ref(self.predictor.get(self.job_id, str(step)).net)

    def kept(self) -> list[int]:
        return sorted(step for step, net in self.read.items() if net() is not None)


@contextmanager
def closing(predictor: Predictor) -> Iterator[Predictor]:
    try:
        yield predictor
    finally:
        predictor.close()


@pytest.fixture
def stepwise(sqlite_client: TestClient, digits: Digits) -> dict[str, Any]:
    """A job with a checkpoint for each of five steps."""
    return work.trained(sqlite_client, digits, steps=5, checkpoint_every=1, keep_checkpoints=5)


def test_nets_in_memory_have_a_bound_in_bytes_and_the_least_recently_used_goes(
    sqlite_client: TestClient, stepwise: dict[str, Any]
) -> None:
    nets = Nets(sqlite_client, stepwise, room=3.5)
    with closing(nets.predictor):
        for step in (1, 2, 3, 4):
            nets.get(step)
        work.poll(lambda: nets.kept() == [2, 3, 4])

        nets.seconds += FRESH_SECONDS
        nets.get(2)
        nets.get(5)

        work.poll(lambda: nets.kept() == [2, 4, 5])


def test_a_net_that_has_more_bytes_predicts_and_is_not_kept(
    sqlite_client: TestClient, stepwise: dict[str, Any]
) -> None:
    nets = Nets(sqlite_client, stepwise, room=0.5)
    with closing(nets.predictor):
        nets.get(4)
        nets.get(5)

        work.poll(lambda: nets.kept() == [])


def test_a_job_that_another_process_deletes_is_served_for_a_second_at_most(
    copied: TestClient, job: dict[str, Any], tmp_path: Path
) -> None:
    path, now = job["links"]["predict"], [0.0]
    with serving(str(work.database(copied).url), tmp_path) as other:
        app: Any = other.app
        with closing(Predictor(work.database(other), lambda: now[0])) as predictor:
            app.state.parts = replace(app.state.parts, predictor=predictor)
            before = [client.post(path, json=PIXELS).status_code for client in (copied, other)]
            copied.delete(job["links"]["self"]).raise_for_status()

            now[0] = FRESH_SECONDS
            after = [client.post(path, json=PIXELS).status_code for client in (copied, other)]

    assert (before, after) == ([200, 200], [404, 404])
