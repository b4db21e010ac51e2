"""Which queued jobs are trained next, and which of them together."""

from typing import Any

import pytest

from models.specs.spec import TrainSpec
from service.store import jobs
from service.store.tables import Job
from service.work.plan import plan
from tests.store.rows import T0


def waiting(key: int, step: int = 0, deaths: int = 0, **spec: Any) -> Job:
    job = jobs.new(TrainSpec(**spec), None, {}, T0)
    job.key, job.step, job.deaths_without_progress = key, step, deaths
    return job


def keys(cohorts: list[list[Job]]) -> list[list[int]]:
    return [[job.key for job in cohort] for cohort in cohorts]


def many(count: int, **spec: Any) -> list[Job]:
    return [waiting(key, seed=key, **spec) for key in range(1, count + 1)]


def test_nothing_waits_nothing_is_planned() -> None:
    assert plan([], slots=2, room=4) == []


def test_the_longest_waiting_jobs_go_first_and_idle_slots_are_filled_before_runs_are_stacked() -> None:
    queued = [waiting(3), waiting(1), waiting(2)]

    assert keys(plan(queued, slots=2, room=4)) == [[1], [2], [3]]


def test_there_are_no_more_cohorts_than_room() -> None:
    assert len(plan(many(9), slots=2, room=3)) == 3


def test_many_jobs_of_one_shape_are_stacked_and_the_last_cohorts_are_small() -> None:
    sizes = [len(cohort) for cohort in plan(many(40), slots=2, room=100)]

    assert sizes == [8, 8, 6, 5, 4, 3, 2, 1, 1, 1, 1]


def test_what_each_run_has_of_its_own_does_not_keep_it_from_a_stack() -> None:
    queued = [
        waiting(1, norm="weight", seed=1),
        waiting(2, norm="weight", init=True),
        waiting(3, norm="weight", learning_rate=0.5, weight_std=0.05),
        waiting(4, norm="weight", g_init="one", keep_checkpoints=9, max_seconds=5.0),
    ]

    assert keys(plan(queued, slots=1, room=1)) == [[1, 2]]
    assert keys(plan(queued, slots=1, room=4)) == [[1, 2], [3], [4]]


@pytest.mark.parametrize(
    "other",
    [
        waiting(2, norm="batch"),
        waiting(2, steps=999),
        waiting(2, step=500),
        waiting(2, deaths=1),
        waiting(2, optimizer="adam"),
    ],
    ids=["norm", "steps", "resume step", "deaths", "optimizer"],
)
def test_jobs_of_another_shape_are_not_stacked(other: Job) -> None:
    queued = [waiting(1), other, *(waiting(key, seed=key) for key in range(3, 9))]

    assert all(cohort == [2] or 2 not in cohort for cohort in keys(plan(queued, slots=1, room=8)))


@pytest.mark.parametrize("spec", [{"n_units": 1}, {"batch_size": 1}], ids=str)
def test_nets_whose_bits_depend_on_their_neighbours_are_alone(spec: dict[str, Any]) -> None:
    assert {len(cohort) for cohort in plan(many(20, **spec), slots=1, room=8)} == {1}


def test_large_nets_are_stacked_only_as_far_as_memory_allows() -> None:
    queued = many(20, n_units=2048, n_hidden=2, optimizer="adam")

    assert {len(cohort) for cohort in plan(queued, slots=1, room=8)} == {1}


def test_a_job_of_an_earlier_release_without_a_shape_is_alone_and_holds_nobody_up() -> None:
    old = waiting(1)
    old.shape = old.run_bytes = None

    assert keys(plan([old, *(waiting(key) for key in range(2, 9))], slots=1, room=2)) == [[1], [2, 3, 4, 5]]
