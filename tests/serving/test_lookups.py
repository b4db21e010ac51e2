"""Look-ups that requests share: how many there are, how old a value may be, and who waits."""

from collections.abc import Iterator
from threading import Event

import pytest

from service.errors import JobNotFound, Overloaded
from service.serving.lookups import FRESH_SECONDS, MOST_RUNNING, RENEW_SECONDS, Lookups

PATIENCE_SECONDS = 20


class Source:
    """What is looked up, behind a gate: the value is the number of look-ups that have begun."""

    def __init__(self) -> None:
        self.seconds, self.n_begun = 0.0, 0
        self.gate, self.begun = Event(), Event()
        self.gate.set()
        self.error: Exception | None = None
        self.shared = Lookups(self.look_up, lambda: self.seconds)

    def look_up(self, key: str) -> str:
        self.n_begun += 1
        value = f"{key} {self.n_begun}"
        self.begun.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        return value

    def hold(self) -> None:
        """Let the next look-up begin, but not end."""
        self.begun.clear()
        self.gate.clear()


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.gate.set()
    source.shared.close()


def test_a_value_is_kept_until_it_is_due(source: Source) -> None:
    first = source.shared.get("a")
    source.seconds = RENEW_SECONDS - 0.01

    assert [first, source.shared.get("a"), source.shared.find("a")] == ["a 1"] * 3
    assert source.shared.get("b") == "b 2"


def test_a_look_up_that_ends_between_find_and_join_is_not_repeated(source: Source) -> None:
    assert source.shared.find("a") is None
    source.shared.get("a")

    assert (source.shared.join("a", since_find=True).result(), source.n_begun) == ("a 1", 1)


def test_a_value_that_is_due_is_renewed_once_while_it_is_still_returned(source: Source) -> None:
    source.shared.get("a")
    source.seconds = RENEW_SECONDS
    source.hold()

    meanwhile = {source.shared.find("a") for _ in range(64)}
    renewing = source.shared.join("a")
    source.gate.set()

    assert (meanwhile, renewing.result(PATIENCE_SECONDS)) == ({"a 1"}, "a 2")
    assert (source.shared.find("a"), source.n_begun) == ("a 2", 2)


def test_no_value_is_older_than_a_second_however_long_its_renewal_takes(source: Source) -> None:
    source.shared.get("a")
    source.seconds = RENEW_SECONDS
    source.hold()
    source.shared.find("a")

    source.seconds = FRESH_SECONDS
    stale, waiting = source.shared.find("a"), source.shared.join("a")
    source.seconds = RENEW_SECONDS + FRESH_SECONDS
    later = source.shared.join("a")
    source.gate.set()

    assert stale is None
    assert [each.result(PATIENCE_SECONDS) for each in (waiting, later)] == ["a 2", "a 3"]
    assert source.shared.find("a") == "a 3"


def test_all_that_wait_share_one_look_up_and_what_it_raises(source: Source) -> None:
    source.hold()
    source.error = JobNotFound("no job has this id")

    waiting = [source.shared.join("a") for _ in range(64)]
    cancelled = waiting[0].cancel()
    source.gate.set()

    assert {each.exception(PATIENCE_SECONDS) for each in waiting} == {source.error}
    assert (cancelled, source.n_begun) == (False, 1)


def test_a_renewal_that_fails_drops_the_value(source: Source) -> None:
    source.shared.get("a")
    source.seconds, source.error = RENEW_SECONDS, JobNotFound("no job has this id")
    source.hold()
    source.shared.find("a")
    renewing = source.shared.join("a")
    source.gate.set()

    assert renewing.exception(PATIENCE_SECONDS) is source.error
    assert source.shared.find("a") is None


def test_what_is_forgotten_is_looked_up_again_even_if_a_look_up_runs(source: Source) -> None:
    source.shared.get("b")
    source.hold()
    before = source.shared.join("a")
    assert source.begun.wait(PATIENCE_SECONDS)

    source.shared.forget(lambda key: key == "a")
    after = source.shared.join("a")
    source.gate.set()

    assert [each.result(PATIENCE_SECONDS) for each in (before, after)] == ["a 2", "a 3"]
    assert (source.shared.find("a"), source.shared.find("b")) == ("a 3", "b 1")


def test_too_many_look_ups_are_refused_and_a_value_that_is_due_is_still_returned(source: Source) -> None:
    source.shared.get("a")
    source.seconds = RENEW_SECONDS
    source.hold()
    waiting = [source.shared.join(str(number)) for number in range(MOST_RUNNING)]

    found = source.shared.find("a")
    with pytest.raises(Overloaded, match="too many models"):
        source.shared.join("b")
    joined = source.shared.join("0")
    source.gate.set()

    assert (found, joined) == ("a 1", waiting[0])
    assert len({each.result(PATIENCE_SECONDS) for each in waiting}) == MOST_RUNNING


def test_no_look_up_starts_after_the_end(source: Source) -> None:
    source.shared.get("a")
    source.seconds = RENEW_SECONDS

    source.shared.close()

    assert (source.shared.find("a"), source.n_begun) == ("a 1", 1)
    with pytest.raises(Overloaded):
        source.shared.join("b")
