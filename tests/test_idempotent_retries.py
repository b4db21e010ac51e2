"""An api that is killed while it accepts jobs: who asks again with the same key has one job."""

import queue
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.tables import Job
from tests.fixtures import Figure
from tests.parts import Parts
from tests.process import PATIENCE_SECONDS, answered

CLIENTS = 4


@pytest.fixture
def service(database: Database, service_data: Path, tmp_path: Path) -> Iterator[Parts]:
    """The api alone: jobs are accepted also while nobody trains."""
    url = database.url.render_as_string(hide_password=False)
    service = Parts(tmp_path, service_data, NORMSERVE_DATABASE_URL=url)
    service.run("api", "api")
    yield service
    service.close()


def submit(service: Parts, number: int) -> httpx.Response:
    """Submit a job under a key of its own, until there is an answer."""
    headers = {"Idempotency-Key": f"key-{number}"}
    return answered(lambda: service.client.post("/jobs", json={"seed": number}, headers=headers))


def submit_all(service: Parts, requests: int, kills: int) -> list[httpx.Response]:
    """Submit jobs from several clients, and kill the api now and then; answer what each was told."""
    told: queue.Queue[None] = queue.Queue()

    def submit_and_tell(number: int) -> httpx.Response:
        answer = submit(service, number)
        told.put(None)
        return answer

    with ThreadPoolExecutor(CLIENTS) as clients:
        sent = clients.map(submit_and_tell, range(requests))
        for _ in range(kills):
            [told.get(timeout=PATIENCE_SECONDS) for _ in range(random.randint(1, 5))]
            time.sleep(random.uniform(0, 0.01))  # somewhere in the next requests
            service.kill_part("api")
            while not told.empty():
                told.get()  # only what the next api answers counts
            service.run("api", "api")
        return list(sent)


def stored_ids(database: Database) -> list[str]:
    with database.reading() as session:
        return sorted(session.scalars(select(Job.id)))


def assert_one_job_a_key(
    service: Parts, database: Database, figure: Figure, requests: int, kills: int
) -> None:
    answers = submit_all(service, requests, kills)

    replays = [submit(service, number) for number in range(requests)]
    ids = [answer.json()["id"] for answer in answers]
    unheard = sum("Idempotency-Replayed" in answer.headers for answer in answers)
    what = f"of {requests} jobs, with {kills} kills of the api, on {database.version()}"
    figure(f"acknowledged and stored once {what}", len({*ids} & {*stored_ids(database)}), str(requests))
    figure(f"stored before their answer was lost {what}", unheard, "none")
    assert {answer.status_code for answer in (*answers, *replays)} == {201}
    assert stored_ids(database) == sorted(ids)
    assert [replay.json()["id"] for replay in replays] == ids
    assert {replay.headers.get("Idempotency-Replayed") for replay in replays} == {"true"}
    assert check_invariants(database) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_jobs_that_are_submitted_again_while_the_api_is_killed_exist_once(
    service: Parts, database: Database, figure: Figure
) -> None:
    assert_one_job_a_key(service, database, figure, requests=60, kills=3)


@pytest.mark.long
def test_three_hundred_jobs_that_are_submitted_while_the_api_is_killed_twenty_times_exist_once(
    service: Parts, database: Database, figure: Figure
) -> None:
    assert_one_job_a_key(service, database, figure, requests=300, kills=20)
