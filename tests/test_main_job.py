"""The main job, end to end on real MNIST: submit, watch, read the history, predict."""

import asyncio
import time
from contextlib import AsyncExitStack
from http.client import HTTPConnection
from typing import Any

import httpx
import psutil
import pytest

from models.data.digits import Digits
from tests.event_clients import n_connections
from tests.process import Service, until
from tests.runs import ENDLESS
from tests.scrapes import samples, value

ARMS = [(norm, init) for norm in ("none", "weight", "batch", "layer") for init in (False, True)]
WAITING = 500
POOLS = 10


@pytest.mark.parametrize(("norm", "init"), ARMS, ids=[norm + "+init" * init for norm, init in ARMS])
def test_a_job_of_the_article_has_a_thousand_rows_and_the_accuracy_it_should(
    service: Service, bands: dict[str, Any], norm: str, init: bool
) -> None:
    job = service.finished(service.submit(norm=norm, init=init))

    rows = service.rows(job["id"])
    low, high = bands[norm + "+init" * init]["test_acc"]["single_run"]
    assert job["status"] == "succeeded"
    assert [row["step"] for row in rows] == list(range(1, 1001))
    assert low <= rows[-1]["test_accuracy"] <= high
    assert job["latest"] == rows[-1]


def test_what_the_workers_store_is_exported_for_prometheus(service: Service) -> None:
    def exported() -> tuple[float, float]:
        found = samples(service.client.get("/metrics").text)
        spans = value(found, "normserve_span_commit_duration_seconds_count")
        return value(found, "normserve_training_steps_total"), spans

    steps_before, spans_before = exported()

    service.finished(service.submit(steps=300))

    until(lambda: exported()[0] >= steps_before + 300, "the steps")
    until(lambda: exported()[1] > spans_before, "the spans")


def test_the_workers_have_measured_what_a_job_will_take(service: Service) -> None:
    until(lambda: service.client.post("/jobs?dry_run=true", json={}).json()["measured"], "a measurement")

    short, long = (
        service.client.post("/jobs?dry_run=true", json={"steps": steps}).json()["estimated_seconds"]
        for steps in (1_000, 100_000)
    )

    assert 0 < short < long


def test_two_posts_of_one_spec_are_equal_but_for_their_time(service: Service) -> None:
    first, second = (service.submit(norm="layer", init=True, seed=7, steps=300) for _ in range(2))

    digests = [service.finished(job_id)["weights_sha256"] for job_id in (first, second)]

    histories = [
        [{**row, "elapsed_seconds": None} for row in service.rows(job_id)] for job_id in (first, second)
    ]
    assert digests[0] == digests[1]
    assert histories[0] == histories[1]


def test_a_running_job_shows_rows_and_predicts_before_its_end(service: Service, digits: Digits) -> None:
    job_id = service.submit(norm="batch", steps=200_000, checkpoint_every=100, eval_every=200_000)
    until(lambda: service.job(job_id)["best"], "a checkpoint")

    pixels = digits.test.images[0].tolist()
    answer = service.client.post(f"/jobs/{job_id}/predict", json={"images": [pixels]}).json()

    assert answer["model"]["from_running_job"]
    assert answer["predictions"][0]["digit"] == 7
    cancelled = service.client.post(f"/jobs/{job_id}/cancel").json()
    assert (cancelled["status"], cancelled["latest"]["step"] > 0) == ("cancelled", True)


async def wait_and_probe(base_url: str, api: psutil.Process, job_id: str) -> tuple[list[int], list[int]]:
    """Let 500 clients wait for a job, ask the service meanwhile whether it lives, then cancel the job."""
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=WAITING)
        # A pool looks at all of its connections for each request, so there are several.
        pools = [httpx.AsyncClient(base_url=base_url, limits=limits, timeout=100) for _ in range(POOLS)]
        client, *_ = [await stack.enter_async_context(pool) for pool in pools]
        waiters = [
            asyncio.create_task(pools[number % POOLS].get(f"/jobs/{job_id}?wait=60"))
            for number in range(WAITING)
        ]
        while sum(not waiter.done() for waiter in waiters) == WAITING and n_connections(api) < WAITING:
            await asyncio.sleep(0.05)
        probes = [(await client.get("/livez")).status_code for _ in range(20)]
        still_waiting = sum(not waiter.done() for waiter in waiters)
        await client.post(f"/jobs/{job_id}/cancel")
        answers = [answer.json()["status"] for answer in await asyncio.gather(*waiters)]
    return [still_waiting, len(probes), probes.count(200)], [answers.count("cancelled"), len(answers)]


def test_500_waiting_clients_hold_no_thread_and_are_all_told(service: Service) -> None:
    """A job that waits behind two that are held changes only when it is cancelled."""
    busy = service.held(ENDLESS, ENDLESS)
    waiting_id = service.submit()
    api = until(lambda: service.child("api"), "an api")

    during, after = asyncio.run(wait_and_probe(str(service.client.base_url), api, waiting_id))

    service.release()
    for job_id in busy:
        service.cancel(job_id)
    assert during == [WAITING, 20, 20]
    assert after == [WAITING, WAITING]


def test_a_connection_is_kept_for_longer_than_clients_keep_theirs(service: Service) -> None:
    """After 5 idle seconds Python's clients open another; the server must not close just before."""
    connection = HTTPConnection("127.0.0.1", service.port)
    connection.request("GET", "/livez")
    connection.getresponse().read()
    first = connection.sock

    time.sleep(6)
    connection.request("GET", "/livez")

    assert connection.getresponse().status == 200
    assert connection.sock is first
    connection.close()


def test_the_workers_of_a_running_service_are_counted(service: Service) -> None:
    until(lambda: service.client.get("/queue").json()["workers"] == 2, "the dispatcher to tell of them")

    assert service.client.get("/readyz").json()["workers"] == 2
