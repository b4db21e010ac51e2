"""How often a name may do something: so many at once, then one for each interval."""

import time
from inspect import signature

import pytest

from service.edge import buckets
from service.edge.buckets import TokenBuckets
from service.edge.wrong_keys import WrongKeys


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_is_emptied_at_once_and_refilled_by_time() -> None:
    clock = Clock()
    found = TokenBuckets(3, 2.0, clock)

    assert [found.take("a") for _ in range(5)] == [0, 0, 0, 2.0, 2.0]
    clock.seconds += 1.5
    assert found.take("a") == 0.5
    clock.seconds += 0.5
    assert [found.take("a") for _ in range(2)] == [0, 2.0]
    clock.seconds += 1000
    assert [found.take("a") for _ in range(4)] == [0, 0, 0, 2.0]


def test_each_name_has_its_own_and_one_that_is_given_back_can_be_taken_again() -> None:
    found = TokenBuckets(1, 2.0, Clock())
    found.give_back("a")

    assert (found.take("a"), found.take("b"), found.take("a")) == (0, 0, 2.0)
    found.give_back("a")
    assert (found.take("a"), found.take("b")) == (0, 2.0)


def test_the_longest_unused_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MOST_NAMES", 2)
    found = TokenBuckets(2, 1.0, Clock())
    for name in ("old", "a", "old", "b"):  # forgets a
        found.take(name)

    assert (found.take("old") > 0, found.take("a")) == (True, 0)


@pytest.mark.parametrize("limit", [TokenBuckets, WrongKeys])
def test_no_limit_heeds_a_clock_that_can_be_set_back(limit: type) -> None:
    assert signature(limit).parameters["clock"].default is time.monotonic
