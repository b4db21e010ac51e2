"""What the dispatcher adds to the counters as the counts of workers grow."""

from service.work import growth
from service.work.growth import Growth


def stored(counts: dict[str, dict[str, int]]) -> Growth:
    known = Growth()
    known.note_stored(counts)
    return known


def test_what_an_earlier_dispatcher_may_have_stored_is_not_counted_again() -> None:
    known = stored({"a": {"steps": 5}})
    known.reset()

    assert known.since_stored({"a": {"steps": 7}}) == {}


def test_only_what_is_new_is_counted_of_all_workers_together() -> None:
    known = stored({"a": {"steps": 5, "spans": 1}, "b": {"steps": 2}})

    assert known.since_stored({"a": {"steps": 7, "spans": 1}, "b": {"steps": 3}, "c": {"steps": 10}}) == {
        "steps": 13
    }


def test_a_worker_that_began_again_is_counted_whole() -> None:
    assert stored({"a": {"steps": 5}}).since_stored({"a": {"steps": 2}}) == {"steps": 2}


def test_counts_that_were_not_stored_are_counted_the_next_time() -> None:
    known = stored({"a": {"steps": 5}})

    assert [known.since_stored({"a": {"steps": 6}}) for _ in range(2)] == [{"steps": 1}] * 2


def test_a_worker_that_was_cut_off_is_not_counted_twice_and_of_those_gone_few_are_kept() -> None:
    known = stored({"a": {"steps": 5}})
    known.note_stored({"b": {"steps": 1}})
    cut_off = known.since_stored({"a": {"steps": 6}})
    for number in range(growth.MOST_KNOWN):
        known.note_stored({str(number): {}})

    assert cut_off == {"steps": 1}
    assert known.since_stored({"a": {"steps": 6}}) == {"steps": 6}
