"""Nothing is lost and nothing is done twice, whatever is killed."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.data import Digits
from tests.process import Service, until
from tests.runs import ENDLESS, assert_invariants, moving_again, outcome, reasons_of, stacks_of, undisturbed

ARTICLE = {"norm": "weight", "init": True}
LONGER = {"norm": "batch", "init": True, "steps": 10_000, "eval_every": 2500, "checkpoint_every": 5000}


@pytest.fixture
def own_service(own_service: Service) -> Iterator[Service]:
    """The invariants hold after each test."""
    yield own_service
    assert_invariants(f"sqlite:///{own_service.folder}/normserve.db")


@pytest.mark.parametrize("spec", [ARTICLE, LONGER], ids=["article", "longer"])
def test_a_worker_killed_in_mid_training_changes_nothing(
    own_service: Service, digits: Digits, spec: dict[str, Any]
) -> None:
    job_id = own_service.submit(**spec)
    own_service.moving(job_id)

    [worker.kill() for worker in own_service.workers()]

    assert outcome(own_service, job_id) == undisturbed(digits, spec)
    assert own_service.job(job_id)["attempt"] == 2


def test_a_job_whose_worker_was_killed_does_not_wait_for_the_end_of_another(own_service: Service) -> None:
    jobs = [own_service.submit(**ENDLESS) for _ in range(2)]
    [own_service.moving(job_id) for job_id in jobs]

    own_service.workers()[0].kill()

    assert moving_again(own_service, jobs) in jobs


def test_a_killed_service_leaves_no_process_behind_and_goes_on(own_service: Service, digits: Digits) -> None:
    job_id = own_service.submit(**LONGER)
    own_service.moving(job_id)

    own_service.kill()
    until(own_service.gone, "all processes to be gone")
    own_service.start()

    assert outcome(own_service, job_id) == undisturbed(digits, LONGER)
    assert own_service.job(job_id)["attempt"] == 2


def test_a_service_asked_to_end_hands_its_jobs_back_and_goes_on(own_service: Service, digits: Digits) -> None:
    job_id = own_service.submit(**LONGER)
    own_service.moving(job_id)

    code = own_service.terminate()
    until(own_service.gone, "all processes to be gone")
    own_service.start()

    assert code == 0
    assert reasons_of(own_service, job_id)[:3] == ["submitted", "claimed", "handed back to stop"]
    assert outcome(own_service, job_id) == undisturbed(digits, LONGER)


@pytest.mark.parametrize("command", ["api", "dispatch"])
def test_a_child_that_dies_is_started_again(own_service: Service, digits: Digits, command: str) -> None:
    job_id = own_service.submit(**LONGER)
    own_service.moving(job_id)
    victim = own_service.child(command)

    victim.kill()
    until(lambda: own_service.child(command) not in {None, victim}, "another child")
    until(own_service._ready, "the service to answer")

    assert outcome(own_service, job_id) == undisturbed(digits, LONGER)
    assert b"signal SIGKILL" in own_service.log.read_bytes()


def test_a_worker_that_is_paused_is_ended_and_its_job_goes_on(
    digits: Digits, mnist_cache: Path, tmp_path: Path
) -> None:
    service = Service(tmp_path, mnist_cache, NORMSERVE_STALL_SECONDS="10")
    service.start()
    job_id = service.submit(**LONGER)
    service.moving(job_id)
    workers = service.workers()

    [worker.suspend() for worker in workers]

    ended = outcome(service, job_id)
    reasons = reasons_of(service, job_id)
    service.close()
    assert ended == undisturbed(digits, LONGER)
    assert (reasons[2], reasons[-1]) == ("its worker was lost", "finished")
    assert b"a worker hangs" in service.log.read_bytes()
    assert_invariants(f"sqlite:///{tmp_path}/normserve.db")


RESTACKED = {"norm": "weight", "init": True, "steps": 4000, "eval_every": 2000, "seed": 5}
STRANGERS = [
    {
        **RESTACKED,
        "seed": seed,
        "learning_rate": 0.02 * seed,
        "weight_std": 0.05 * seed,
        "init": seed % 2 == 0,
    }
    for seed in range(1, 8)
]


def test_a_job_killed_in_one_stack_and_resumed_in_another_has_the_bits_that_it_has_alone(
    own_service: Service,
) -> None:
    """Long jobs hold both slots until all is queued, others wait behind: then eight share one slot."""
    alone = outcome(own_service, own_service.submit(**RESTACKED))
    held, *others = [own_service.submit(**ENDLESS) for _ in range(2)]
    own_service.moving(held)
    cohort = [own_service.submit(**spec) for spec in (*STRANGERS[:3], RESTACKED, *STRANGERS[3:])]
    others += [own_service.submit(**ENDLESS) for _ in range(24)]
    own_service.cancel(held)
    own_service.moving(cohort[3])
    [own_service.cancel(job_id) for job_id in others]
    own_service.moving(cohort[3], beyond=random.randrange(300))

    [worker.kill() for worker in own_service.workers()]

    ended = [outcome(own_service, job_id) for job_id in cohort]
    first, *later = stacks_of(own_service, cohort[3])
    assert ended[3] == alone
    assert sorted(first) == sorted(cohort)
    assert [len(stack) for stack in later] == [2]
    assert {own_service.job(job_id)["attempt"] for job_id in cohort} == {2}
