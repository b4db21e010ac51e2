"""A job that kills or hangs its workers fails alone; those stacked with it lose one attempt and finish."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.data.digits import Digits
from service.store.failures import OUT_OF_MEMORY, WORKER_LOST, Loss
from tests.fixtures import Figure
from tests.poison import sitecustomize
from tests.process import Service, stalling_after
from tests.runs import ENDLESS, SMALL, assert_invariants, outcome, reasons_of, stacks_of, undisturbed

SPEC = {"norm": "weight", "init": True, "n_units": 32, "batch_size": 32, "steps": 300, "eval_every": 300}
HEALTHY = [{**SPEC, "seed": seed} for seed in range(10)]
POISON = Path(sitecustomize.__file__).parent
POISONS = {deed: {**SPEC, "seed": seed} for deed, seed in sitecustomize.SEEDS.items()}
LOSSES = {"segfault": WORKER_LOST, "memory": OUT_OF_MEMORY, "loop": WORKER_LOST}
ENDED = {"segfault": (0, 0), "memory": (3, 0), "loop": (0, 3)}
"""How often Dask has ended a worker for its memory, and the dispatcher one that did not move."""

Start = Callable[..., Service]


def poisoned(folder: Path, cache: Path, **settings: str) -> Service:
    """A service whose workers certain seeds poison."""
    path = f"{POISON}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return Service(folder, cache, PYTHONPATH=path, **settings)


@pytest.fixture
def start(service_data: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a service whose workers are poisoned by certain seeds; the invariants hold after the test."""
    started = []

    def start_on(url: str, stall_seconds: int) -> Service:
        settings = {"NORMSERVE_DATABASE_URL": url, **stalling_after(stall_seconds)}
        started.append(service := poisoned(tmp_path, service_data, **settings))
        service.start()
        return service

    yield start_on
    for service in started:
        service.close()
    assert_invariants(started[0].environment["NORMSERVE_DATABASE_URL"])


def submitted_together(service: Service, specs: list[dict[str, Any]]) -> list[str]:
    """Submit behind two long jobs, which leave when all are queued: then stacks are made of all of them."""
    holding = [service.submit(**ENDLESS) for _ in range(2)]
    [service.moving(job_id) for job_id in holding]
    found = [service.submit(**spec) for spec in specs]
    for job_id in holding:
        service.cancel(job_id)
    return found


def stacks(service: Service, job_id: str) -> list[int]:
    """How many jobs were trained together in each attempt of this one."""
    return [len(stack) for stack in stacks_of(service, job_id)]


def assert_failed_alone(service: Service, job_id: str, loss: Loss) -> None:
    """After one death with others and two without any, for want of progress."""
    failed = service.finished(job_id)
    first, *later = stacks(service, job_id)
    assert (failed["status"], failed["failure"]["code"], failed["attempt"]) == ("failed", loss.code, 3)
    assert reasons_of(service, job_id) == ["submitted", *["claimed", loss.reason] * 2, "claimed", loss.code]
    assert first > 1
    assert later == [1, 1]


def blamed(service: Service, job_ids: list[str], loss: Loss = WORKER_LOST) -> list[int]:
    """How often each has lost a worker in this way."""
    return [reasons_of(service, job_id).count(loss.reason) for job_id in job_ids]


@pytest.fixture(scope="module")
def only_service(service_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes a worker to hang after some seconds, and whose workers are poisoned."""
    service = poisoned(tmp_path_factory.mktemp("poisoned"), service_data, **stalling_after(3))
    service.start()
    yield service
    service.close()


@pytest.fixture
def service(only_service: Service) -> Iterator[Service]:
    """That service; the invariants hold after each test."""
    only_service.recover()
    yield only_service
    assert_invariants(only_service.database_url)


def test_a_worker_that_is_paused_is_ended_and_its_job_goes_on(service: Service, digits: Digits) -> None:
    [job_id] = service.held(SMALL)

    for worker in service.workers():
        worker.suspend()
    service.release()

    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    assert (reasons_of(service, job_id)[2], reasons_of(service, job_id)[-1]) == (
        "its worker was lost",
        "finished",
    )
    assert b"a worker hangs" in service.said()


def test_jobs_that_kill_or_hang_their_workers_fail_alone(service: Service, digits: Digits) -> None:
    healthy = HEALTHY[:6]
    specs = [healthy[0], POISONS["segfault"], healthy[1], POISONS["loop"], *healthy[2:]]

    first, segfault, second, loop, *rest = submitted_together(service, specs)

    assert_failed_alone(service, segfault, WORKER_LOST)
    assert_failed_alone(service, loop, WORKER_LOST)
    job_ids = [first, second, *rest]
    assert [outcome(service, job_id) for job_id in job_ids] == [undisturbed(digits, spec) for spec in healthy]
    assert blamed(service, job_ids) == [1, 1, 0, 0, 0, 0]


@pytest.mark.long
@pytest.mark.parametrize("deed", POISONS)
def test_a_poisonous_job_leaves_ten_healthy_ones_whole(
    start: Start, database_url: str, digits: Digits, figure: Figure, deed: str
) -> None:
    service = start(database_url, stall_seconds=20)
    specs = [*HEALTHY[:2], POISONS[deed], *HEALTHY[2:]]

    job_ids = submitted_together(service, specs)
    poisonous = job_ids.pop(2)

    assert_failed_alone(service, poisonous, LOSSES[deed])
    assert [outcome(service, job_id) for job_id in job_ids] == list(
        map(partial(undisturbed, digits), HEALTHY)
    )
    kind = "PostgreSQL" if database_url.startswith("postgresql") else "SQLite"
    counts, log = blamed(service, job_ids, LOSSES[deed]), service.log.read_bytes()
    figure(f"workers lost by each of 10 healthy jobs, {deed} on {kind}", counts, "1")
    assert (log.count(b"memory budget"), log.count(b"a worker hangs")) == ENDED[deed]
    assert max(counts) == 1
    assert sum(counts) == stacks(service, poisonous)[0] - 1
