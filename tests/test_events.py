"""Streams of a real service are the exact history, and leave nothing behind."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.event_clients import cut_at_random, n_connections, reading, streams
from tests.pages import Page
from tests.process import PATIENCE_SECONDS, Service, free_port, kill, start, until
from tests.runs import LONGER

FOLLOW, _ = Page("docs/api.md").blocks("python")
CLIENTS, CUTS = 8, 3


@pytest.fixture
def another_port(service: Service) -> Iterator[int]:
    """Of a second api process on the same database; it may be up after the test has begun."""
    port = free_port()
    environment = {**service.environment, "NORMSERVE_PORT": str(port)}
    with service.log.open("ab") as log:
        api = start(["api"], environment, log)
    yield port
    api.terminate()
    api.wait(PATIENCE_SECONDS)


def test_clients_that_are_cut_have_every_row_once_from_two_apis_though_a_worker_and_an_api_die(
    service: Service, another_port: int
) -> None:
    [job_id] = service.held(LONGER)
    ports = (service.port, another_port)
    readers = cut_at_random(ports, job_id, CLIENTS, CUTS, LONGER["steps"], seed=1)

    end = reading(readers)
    [worker] = service.holding()
    kill(worker)
    service.release()
    service.moving(job_id, beyond=service.job(job_id)["progress"]["step"])
    until(lambda: service.child("api"), "the api").kill()
    end()

    assert [reader.steps for reader in readers] == [list(range(1, LONGER["steps"] + 1))] * CLIENTS
    assert len({tuple(reader.losses) for reader in readers}) == 1
    assert {reader.last_id for reader in readers} == {f"{LONGER['steps']}.done"}
    assert {reader.after_done for reader in readers} == {204}
    assert min(reader.n_connections for reader in readers) > CUTS
    assert service.job(job_id)["attempt"] == 2


def test_the_client_of_the_docs_reads_a_whole_job(service: Service) -> None:
    names: dict[str, Any] = {}
    exec(FOLLOW.text, names)  # noqa: S102 # a block of the docs
    follow: Callable[[str, str], Any] = names["follow"]
    job_id = service.submit(steps=50)

    rows = list(follow(str(service.client.base_url).rstrip("/"), job_id))

    assert rows == service.rows(job_id)
    assert len(rows) == 50


def test_streams_that_are_left_leave_nothing_behind(service: Service) -> None:
    [job_id] = service.held(LONGER)
    api = until(lambda: service.child("api"), "the api")
    paths = ["/events", f"/jobs/{job_id}/events"] * 15
    before = n_connections(api)

    for _ in range(3):
        for stream in streams(service, paths):
            stream.leave()

    until(lambda: n_connections(api) <= before, "the api to close its connections")
    service.release()
