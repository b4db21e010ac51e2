"""Which jobs are trained next."""

from dataclasses import dataclass

from service.work.plan import plan


@dataclass(frozen=True)
class Waiting:
    key: int


def test_the_longest_waiting_jobs_go_first_each_alone() -> None:
    assert plan([Waiting(3), Waiting(1), Waiting(2)], 2) == [[Waiting(1)], [Waiting(2)]]


def test_nothing_waits_nothing_is_planned() -> None:
    assert plan([], 4) == []
