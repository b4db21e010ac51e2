"""A thousand ends reach a receiver that is down a third of the time, though dispatchers are killed."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from service.store.database import Database
from service.store.invariants import check_invariants
from tests.fixtures import Figure, fresh_database
from tests.process import Service, free_port, until
from tests.receivers import Message, receiving

pytestmark = pytest.mark.long

UP_SECONDS, DOWN_SECONDS = 2.0, 1.0
ARMS = [{"name": f"arm {number}", "learning_rate": 0.01 * number} for number in range(1, 6)]
TRAINED = {"arms": ARMS, "seeds": 100, "base": {"steps": 20, "n_units": 16, "eval_every": 20}}
CANCELLED = {**TRAINED, "seeds": 99, "base": {"steps": 100_000}, "priority": -5}
N_JOBS = 1000  # of two comparisons, and five single ones


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    settings = {
        "NORMSERVE_WEBHOOK_NETWORKS": "127.0.0.1",
        "NORMSERVE_WEBHOOK_RETRY_SECONDS": "0.5,0.5,0.5,0.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5",
    }
    if request.param == "postgresql":
        settings["NORMSERVE_DATABASE_URL"] = fresh_database(request.getfixturevalue("postgresql_url"))
    service = Service(tmp_path, service_data, **settings)
    service.release()
    service.start()
    yield service
    service.close()


@contextmanager
def down_a_third_of_the_time(port: int) -> Iterator[list[Message]]:
    """Receive on this port; nobody listens there for a third of the time."""
    got: list[Message] = []
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with receiving(port=port) as receiver:
                receiver.got = got
                over.wait(UP_SECONDS)
            over.wait(DOWN_SECONDS)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        yield got
    finally:
        over.set()
        thread.join()


def ids(got: list[Message]) -> set[str]:
    return {each.id for each in got.copy()}


def has_more(got: list[Message], number: int) -> bool:
    """Whether more events than this have arrived, each counted once."""
    return len(ids(got)) > number


def made(service: Service, url: str) -> dict[str, Any]:
    answer = service.client.post("/webhooks", json={"url": url})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    return webhook


def n_of(service: Service, webhook: dict[str, Any], state: str) -> int:
    """How many deliveries are in this state."""
    path, number = f"{webhook['links']['deliveries']}?limit=200&state={state}", 0
    while path:
        page = service.client.get(path)
        number += len(page.json()["items"])
        path = page.links.get("next", {}).get("url", "")
    return number


def submit_all(service: Service) -> tuple[set[tuple[str, str]], list[str]]:
    """Submit a thousand jobs; return the events of their ends, and the paths to cancel half of them."""
    trained, cancelled = (
        service.client.post("/comparisons", json=body).json()["id"] for body in (TRAINED, CANCELLED)
    )
    single = [service.submit(steps=1_000_000, priority=-10) for _ in range(5)]
    jobs = [*single, *(each for owner in (trained, cancelled) for each in jobs_of(service, owner))]
    assert len(jobs) == N_JOBS
    events = {("job.ended", job_id) for job_id in jobs}
    events |= {("comparison.ended", owner) for owner in (trained, cancelled)}
    return events, [f"/comparisons/{cancelled}/cancel", *(f"/jobs/{job_id}/cancel" for job_id in single)]


def jobs_of(service: Service, comparison_id: str) -> list[str]:
    answer = service.client.get(f"/comparisons/{comparison_id}/runs").json()
    return [run["job_id"] for run in answer["runs"]]


def test_a_thousand_ends_arrive(service: Service, figure: Figure) -> None:
    port = free_port()
    began = time.monotonic()
    with down_a_third_of_the_time(port) as got, receiving() as private:
        good = made(service, f"http://127.0.0.1:{port}/")
        elsewhere = made(service, f"http://127.0.0.2:{private.port}/")
        expected, to_cancel = submit_all(service)
        for n_before_kill in (50, 200, 400):
            for path in to_cancel[:2]:
                service.client.post(path).raise_for_status()
            del to_cancel[:2]
            until(partial(has_more, got, n_before_kill), "some events")
            service.kill_dispatcher()
        while len(ids(got)) < len(expected):
            until(partial(has_more, got, len(ids(got))), "another event")
        until(lambda: n_of(service, good, "delivered") == len(expected), "all results")
        seconds = time.monotonic() - began
        delivered_elsewhere = n_of(service, elsewhere, "delivered")

    verifier = Verifier(good["secret"])
    assert all(verifier.verify(each.body, each.headers) for each in got)
    assert {each.event for each in got} == expected
    assert len(ids(got)) == len(expected)
    assert (private.connections, delivered_elsewhere) == (0, 0)
    with closing(Database(service.database_url)) as database:
        assert check_invariants(database) == []
    figure("events of 1,000 ends that arrived", len(ids(got)), str(len(expected)))
    figure("events that arrived again", len(got) - len(expected), "none")
    figure("seconds until all had arrived", round(seconds), "none")
