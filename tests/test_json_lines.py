"""Standard error where every line must be JSON."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service import json_lines
from service.json_lines import JsonLines

LOGGED = '{"event": "request", "level": "info"}'


@pytest.fixture
def below() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def _hooks() -> Iterator[None]:
    before = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = before


def events(below: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in below.getvalue().splitlines()]


def test_a_line_of_json_passes_as_it_is(below: io.StringIO) -> None:
    print(LOGGED, file=JsonLines(below))

    assert below.getvalue() == f"{LOGGED}\n"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["one line\n"], ["one line"]),
        (["a line ", "in parts", "\n"], ["a line in parts"]),
        (["two\nlines\n"], ["two", "lines"]),
        (["no end"], []),
        (["\n  \n"], []),
        (["{not json}\n", '{"half":\n'], ["{not json}", '{"half":']),
        (["╭─ Error ─╮\n│ No such option │\n╰────╯\n"], ["Error", "No such option"]),
    ],
    ids=["a line", "parts", "lines", "not ended", "empty", "looks like JSON", "a box"],
)
def test_any_other_line_is_the_event_of_one(below: io.StringIO, texts: list[str], found: list[str]) -> None:
    stream = JsonLines(below)

    for text in texts:
        stream.write(text)

    assert events(below) == found


@pytest.mark.usefixtures("_hooks")
def test_an_error_that_nobody_caught_is_one_line(below: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", below)
    monkeypatch.setenv("NORMSERVE_LOG_FORMAT", "json")
    json_lines.use_if_asked_for()

    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    line: dict[str, Any] = json.loads(below.getvalue())
    assert (line["event"], line["level"]) == ("an error that nobody caught", "error")
    assert line["exception"].splitlines()[::2] == [
        "Traceback (most recent call last):",
        "    raise ZeroDivisionError",
    ]


@pytest.mark.usefixtures("_hooks")
@pytest.mark.parametrize("value", ["auto", "text", ""])
def test_without_being_asked_for_the_stream_stays(
    below: io.StringIO, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr(sys, "stderr", below)
    monkeypatch.setenv("NORMSERVE_LOG_FORMAT", value)

    json_lines.use_if_asked_for()

    assert sys.stderr is below
