"""A PostgreSQL server that is silent, loses its answers or restarts: nothing hangs, is lost or done twice."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.data.digits import Digits
from tests import postgresql
from tests.fixtures import Figure, fresh_database
from tests.load import Load
from tests.process import Service, until
from tests.proxy import Proxy
from tests.runs import LONGER, SMALL, assert_invariants, outcome, undisturbed

LOST_ANSWERS = 8


@pytest.fixture(scope="module")
def proxy(postgresql_url: str) -> Iterator[Proxy]:
    proxy = Proxy(postgresql_url)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def only_service(
    postgresql_url: str,
    proxy: Proxy,
    service_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service whose database is behind the proxy."""
    url = proxy.url(fresh_database(postgresql_url))
    service = Service(tmp_path_factory.mktemp("behind"), service_data, NORMSERVE_DATABASE_URL=url)
    service.start()
    yield service
    service.close()


@pytest.fixture
def service(only_service: Service, proxy: Proxy) -> Iterator[Service]:
    """The service of all tests behind the proxy; the invariants hold after each."""
    only_service.recover()
    yield only_service
    proxy.flow()
    assert_invariants(only_service.database_url)


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


def assert_nothing_hangs(service: Service, proxy: Proxy, digits: Digits, figure: Figure, rounds: int) -> None:
    """Clients ask so many times, one after the other, while the network stands still: 10 seconds each."""
    [job_id] = service.held(SMALL)
    processes = service.pids()
    client = service.client

    proxy.stand_still()
    service.release()
    requests = [
        lambda: client.get(f"/jobs/{job_id}"),
        lambda: client.get(f"/jobs/{job_id}/metrics"),
        lambda: client.post("/jobs", json={}),
        lambda: client.post(f"/jobs/{job_id}/cancel"),
    ]
    with ThreadPoolExecutor(40) as threads:
        answers = [answer for _ in range(rounds) for answer in threads.map(timed, 10 * requests)]
    live = client.get("/livez").status_code
    proxy.flow()

    figure("longest answer while the server was silent", f"{max(each[1] for each in answers):.1f} s", "15 s")
    assert {(answer.status_code, "retry-after" in answer.headers) for answer, _ in answers} == {(503, True)}
    assert live == 200
    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    assert service.pids() == processes


def test_nothing_hangs_while_the_server_is_silent(
    service: Service, proxy: Proxy, digits: Digits, figure: Figure
) -> None:
    assert_nothing_hangs(service, proxy, digits, figure, rounds=1)


@pytest.mark.long
def test_nothing_hangs_while_the_server_is_silent_for_20_seconds(
    service: Service, proxy: Proxy, digits: Digits, figure: Figure
) -> None:
    assert_nothing_hangs(service, proxy, digits, figure, rounds=2)


def test_commits_whose_answers_are_lost_are_done_once(service: Service, proxy: Proxy, digits: Digits) -> None:
    before = proxy.answers_lost
    [job_id] = service.held(SMALL)

    proxy.lose_answers(LOST_ANSWERS)
    service.release()

    until(lambda: proxy.answers_lost == before + LOST_ANSWERS, "the answers to be lost")
    assert outcome(service, job_id) == undisturbed(digits, SMALL)


def test_a_submission_whose_answer_is_lost_is_repeated_by_its_key(service: Service, proxy: Proxy) -> None:
    before = ids_of(service)

    def submitted() -> httpx.Response:
        return service.client.post("/jobs", json={"steps": 10}, headers={"idempotency-key": "once"})

    lost: list[int] = []
    while not lost:
        proxy.lose_answers(1)  # another's commit may be the next
        answer = submitted()
        lost = [answer.status_code] if answer.status_code != 201 else []
    again = until(lambda: answer if (answer := submitted()).status_code == 201 else None, "an answer")

    assert lost == [503]
    assert ids_of(service) - before == {again.json()["id"]}


def ids_of(service: Service) -> set[str]:
    return {job["id"] for job in service.client.get("/jobs").json()["items"]}


@pytest.fixture
def own_server() -> Iterator[str]:
    """A server of the test's own, to be restarted."""
    with postgresql.server() as url:
        yield url


@pytest.fixture
def restarted_service(own_server: str, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    """A service on that server."""
    service = Service(tmp_path, service_data, NORMSERVE_DATABASE_URL=own_server)
    service.start()
    yield service
    service.close()
    assert_invariants(own_server)


def submitted(service: Service) -> str | None:
    """Submit a job; the connections of a pool may not know yet that their server has restarted."""
    answer = service.client.post("/jobs", json=LONGER)
    return answer.json()["id"] if answer.status_code == 201 else None


def restart_under_load(
    service: Service, server: str, clients: int, modes: list[str]
) -> tuple[Load, list[float], list[Any]]:
    """Restart a server while workers train and clients ask; answer how long each took to be heard of.

    Answers too what became of the job in training at each restart.
    """
    waits, job_ids = [], []
    with Load(service.client, clients) as load:
        for mode in modes:
            job_ids.append(until(lambda: submitted(service), "an answer"))
            service.moving(job_ids[-1])
            postgresql.restart(server, mode)
            waits.append(load.until_answered())
    load.wait_for_jobs()
    return load, waits, [outcome(service, job_id) for job_id in job_ids]


EXPECTED = {(200, False), (201, False), (503, True)}
FIVE = ["immediate", "fast", "immediate", "fast", "immediate"]


def test_a_server_that_restarts_under_load_loses_nothing(
    restarted_service: Service, own_server: str, digits: Digits
) -> None:
    processes = restarted_service.pids()

    load, _, ended = restart_under_load(restarted_service, own_server, 16, ["immediate", "fast"])

    assert load.answers.keys() <= EXPECTED
    assert load.answers[200, False] > 100
    assert ended == [undisturbed(digits, LONGER)] * 2
    assert restarted_service.pids() == processes


@pytest.mark.long
def test_a_server_that_restarts_five_times_under_load_loses_nothing(
    restarted_service: Service, own_server: str, digits: Digits, figure: Figure
) -> None:
    processes = restarted_service.pids()

    load, waits, ended = restart_under_load(restarted_service, own_server, 64, FIVE)

    others = {status: count for status, count in load.answers.items() if status not in EXPECTED}
    figure("answers of other kinds while PostgreSQL restarted five times", others or 0, "0")
    figure("longest wait for a success after it accepts again", f"{max(waits):.2f} s", "5 s")
    figure("processes that ended meanwhile", len(processes - restarted_service.pids()), "0")
    assert others == {}
    assert ended == [undisturbed(digits, LONGER)] * len(FIVE)
    assert restarted_service.pids() == processes
