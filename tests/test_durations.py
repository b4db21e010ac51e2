"""Durations as operators write them."""

from datetime import timedelta

import pytest

from service.durations import parse_duration


@pytest.mark.parametrize(
    ("text_", "duration"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("36h", timedelta(hours=36)),
        ("30d", timedelta(days=30)),
        ("99999w", timedelta(weeks=99_999)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text_: str, duration: timedelta) -> None:
    assert parse_duration(text_) == duration


@pytest.mark.parametrize("text_", ["", "30", "d", "30 d", "-1d", "1.5d", "30y", "100000s", "٣d", "30d\n"])
def test_anything_else_is_no_duration(text_: str) -> None:
    with pytest.raises(ValueError, match="such as 30d"):
        parse_duration(text_)
