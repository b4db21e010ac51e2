"""Stalls: a task is named once it has looked the same for too long."""

from service.work.stalls import Stalls


def test_a_task_that_moves_is_never_stalled() -> None:
    stalls = Stalls(10)

    assert [stalls.update({"a": step}, now=9.0 * step) for step in range(5)] == [[]] * 5


def test_a_task_that_stands_still_is_named_when_its_time_is_over() -> None:
    stalls = Stalls(10)

    found = [stalls.update({"a": 1, "b": now}, now) for now in (0.0, 5.0, 9.9, 10.0)]

    assert found == [[], [], [], ["a"]]


def test_a_stall_is_named_again_only_after_its_time() -> None:
    stalls = Stalls(10)

    found = [stalls.update({"a": 1}, now) for now in (0.0, 10.0, 11.0, 20.0, 21.0)]

    assert found == [[], ["a"], [], [], ["a"]]


def test_what_stood_still_for_a_reason_has_its_time_again() -> None:
    stalls = Stalls(10)
    stalls.update({"a": 1}, now=0)

    stalls.reset()

    assert stalls.update({"a": 1}, now=10) == []
    assert stalls.update({"a": 1}, now=20) == ["a"]


def test_a_task_that_has_gone_is_forgotten() -> None:
    stalls = Stalls(10)
    stalls.update({"a": 1}, 0.0)
    stalls.update({}, 5.0)

    assert stalls.update({"a": 1}, 10.0) == []
