"""Nothing is lost and nothing is done twice, whatever is killed."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from models.data.digits import Digits
from tests.process import Service, kill, until
from tests.runs import (
    ENDLESS,
    SMALL,
    Outcome,
    assert_invariants,
    is_asked_back,
    moving_again,
    outcome,
    reasons_of,
    stacks_of,
    undisturbed,
)

WEIGHT = {"norm": "weight", "init": True, "optimizer": "adam", "learning_rate": 0.001, "steps": 1000}


@pytest.fixture
def service(service: Service) -> Iterator[Service]:
    """The invariants hold after each test."""
    yield service
    assert_invariants(service.database_url)


def test_workers_killed_in_mid_training_change_nothing(service: Service, digits: Digits) -> None:
    specs = [SMALL, WEIGHT]
    jobs = service.held(*specs)

    for worker in service.holding():
        kill(worker)
    service.release()

    assert [outcome(service, job) for job in jobs] == [undisturbed(digits, spec) for spec in specs]
    assert [service.job(job)["attempt"] for job in jobs] == [2, 2]


def test_a_job_whose_worker_was_killed_does_not_wait_for_the_end_of_another(service: Service) -> None:
    jobs = service.held(ENDLESS, ENDLESS)
    service.release()

    kill(service.workers()[0])

    assert moving_again(service, jobs) in jobs


def test_a_killed_service_leaves_no_process_behind_and_goes_on(service: Service, digits: Digits) -> None:
    [job_id] = service.held(SMALL)

    service.kill()
    until(service.gone, "all processes to be gone")
    service.release()
    service.start()

    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    assert service.job(job_id)["attempt"] == 2


def test_a_service_asked_to_end_hands_its_jobs_back_and_goes_on(service: Service, digits: Digits) -> None:
    [job_id] = service.held(SMALL)

    service.ask_to_end()
    until(lambda: is_asked_back(service, job_id), "the job to be asked back")
    service.release()
    code = service.exit_code()
    until(service.gone, "all processes to be gone")
    service.start()

    assert code == 0
    assert reasons_of(service, job_id)[:3] == ["submitted", "claimed", "handed back to stop"]
    assert outcome(service, job_id) == undisturbed(digits, SMALL)


@pytest.mark.parametrize("command", ["api", "dispatch"])
def test_a_child_that_dies_is_started_again(service: Service, digits: Digits, command: str) -> None:
    [job_id] = service.held(SMALL)
    victim = until(lambda: service.child(command), command)

    kill(victim)
    service.release()
    until(lambda: service.child(command) not in {None, victim}, "another child")
    until(service.ready, "the service to be ready")

    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    assert b"signal SIGKILL" in service.said()


RESTACKED: dict[str, dict[str, Any]] = {
    "dense": {"norm": "weight", "init": True, "steps": 400, "eval_every": 200, "seed": 5},
    **{
        net: {
            "net": net,
            "norm": "batch",
            "init": True,
            "n_units": 4,
            "batch_size": 16,
            "steps": 150,
            "eval_every": 75,
            "seed": 5,
        }
        for net in ("conv", "lstm")
    },
}
"""By net; the running statistics of batch norm go on too."""


def stack_of(net: str) -> list[dict[str, Any]]:
    """Eight specs of one shape; the fourth is RESTACKED, and the others are strangers to it."""
    strangers = [
        {
            **RESTACKED[net],
            "seed": seed,
            "learning_rate": 0.02 * seed,
            "weight_std": 0.05 * seed,
            "init": seed % 2 == 0,
        }
        for seed in range(1, 8)
    ]
    return [*strangers[:3], RESTACKED[net], *strangers[3:]]


def held_together(service: Service, specs: list[dict[str, Any]]) -> list[str]:
    """Have jobs of one shape trained in one stack, and hold them in mid training.

    Long jobs keep both slots until all are queued; others wait behind, so that one slot's share is all.
    """
    busy, *others = service.held(ENDLESS, ENDLESS)
    job_ids = [service.submit(**spec) for spec in specs]
    others += [service.submit(**ENDLESS) for _ in range(3 * len(specs))]
    service.cancel(busy)
    service.hold()
    service.moving(job_ids[0])
    until(lambda: len(service.holding()) == 2, "both workers to be in mid training")
    for job_id in others:
        service.cancel(job_id)
    return job_ids


def assert_restacked(service: Service, job_ids: list[str], expected: Outcome) -> None:
    """The fourth job of a stack of eight has gone on in one of two, with the bits that it has alone."""
    ended = [outcome(service, job_id) for job_id in job_ids]
    first, *later = stacks_of(service, job_ids[3])
    assert ended[3] == expected
    assert sorted(first) == sorted(job_ids)
    assert [len(stack) for stack in later] == [2]
    assert {service.job(job_id)["attempt"] for job_id in job_ids} == {2}


@pytest.mark.parametrize(
    "net", [net if net == "dense" else pytest.param(net, marks=pytest.mark.long) for net in RESTACKED]
)
def test_a_job_killed_in_one_stack_and_resumed_in_another_has_the_bits_that_it_has_alone(
    service: Service, digits: Digits, net: str
) -> None:
    job_ids = held_together(service, stack_of(net))

    for worker in service.workers():
        kill(worker)
    service.release()

    assert_restacked(service, job_ids, undisturbed(digits, RESTACKED[net]))


@pytest.mark.long
def test_a_stack_of_long_jobs_that_is_killed_at_any_moment_is_restacked_with_the_same_bits(
    service: Service, digits: Digits
) -> None:
    specs = [{**spec, "steps": 4000, "eval_every": 2000} for spec in stack_of("dense")]
    job_ids = held_together(service, specs)
    service.release()
    service.moving(job_ids[3], beyond=random.randrange(300))

    for worker in service.workers():
        kill(worker)

    assert_restacked(service, job_ids, undisturbed(digits, specs[3]))
