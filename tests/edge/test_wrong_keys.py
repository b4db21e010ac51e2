"""An address that sends wrong keys must wait; its bucket empties by a clock that nobody sets back."""

import pytest

from service.edge.wrong_keys import AT_ONCE, SECONDS_PER_KEY, WrongKeys
from service.errors import TooManyWrongKeys


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def sent(wrong: WrongKeys, address: str, times: int) -> int:
    """Send wrong keys; return how many were counted before one had to wait."""
    for n in range(times):
        try:
            wrong.count(address)
        except TooManyWrongKeys:
            return n
    return times


def test_a_bucket_fills_at_once_and_empties_key_by_key() -> None:
    clock = Clock()
    wrong = WrongKeys(clock)

    found = [sent(wrong, "192.0.2.1", 100)]
    clock.now += 3 * SECONDS_PER_KEY
    found.append(sent(wrong, "192.0.2.1", 100))
    clock.now += 1000
    found.append(sent(wrong, "192.0.2.1", 100))

    assert found == [AT_ONCE, 3, AT_ONCE]


def test_a_key_that_was_right_after_all_is_taken_back() -> None:
    wrong = WrongKeys(Clock())
    for _ in range(AT_ONCE * 2):
        wrong.count("192.0.2.1")
        wrong.forgive("192.0.2.1")

    assert sent(wrong, "192.0.2.1", 100) == AT_ONCE


@pytest.mark.parametrize(
    ("other", "left"),
    [
        ("2001:db8:0:1::1", AT_ONCE),
        ("2001:db8::ffff:2", 0),
        ("192.0.2.1", AT_ONCE),
        ("testclient", AT_ONCE),
        ("", AT_ONCE),
    ],
)
def test_addresses_of_one_network_share_a_bucket(other: str, left: int) -> None:
    wrong = WrongKeys(Clock())
    sent(wrong, "2001:db8::1", 100)

    assert sent(wrong, other, 100) == left


def test_the_address_that_was_quiet_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.edge.buckets.MOST_NAMES", 2)
    wrong = WrongKeys(Clock())
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        sent(wrong, address, 100)

    assert [sent(wrong, address, 100) for address in ("192.0.2.1", "192.0.2.3", "192.0.2.2")] == [
        0,
        0,
        AT_ONCE,
    ]
