"""The strict check of a JSON body, before any schema reads it: a few passes at the speed of C."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import orjson

from service.edge.problems import pointer_to
from service.errors import FieldError, MalformedJson, ValidationFailed

Location = tuple[str | int, ...]

MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 20
MAX_LOCATED_BYTES = 256 * 1024
"""An error in a larger body has no pointer, because finding the place takes too long."""

_ONCE = ("duplicate_key", "must appear only once in its object")
_NO_CONTROLS = ("control_character", "must not contain escaped control characters")

_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
_ALL_DIGITS_0 = bytes.maketrans(b"123456789", b"000000000")
_LONG_RUN = b"0" * (MAX_INTEGER_DIGITS + 1)
_LONG_INTEGER = re.compile(rb"(?<![0-9.])[0-9]{%d}" % len(_LONG_RUN))
_CONTROL_ESCAPE = re.compile(rb"\\(?:u00[01]|[bf])")
_NOT_OF_JSON = re.compile(rb"'|,\s*[}\]]|\b(?:True|False|None|NaN|Infinity)\b")
_HINT = " JSON has double quotes, true, false and null, only finite numbers, and no comma before } or ]."
_REPEATED = object()  # replaces, in a parsed body, a member that its object has twice
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def check(body: bytes) -> None:
    """Accept only JSON with finite numbers that every parser reads alike.

    Raises MalformedJson for what is not JSON, nests deeper than 32 or has an
    integer part of more than 20 digits; ValidationFailed for a member that its
    object has twice and for escaped control characters in strings (the short
    escapes for newline, return and tab are fine).
    """
    # Without escaped backslashes and quotes, each quote left begins or ends a string.
    unpaired = body.replace(rb"\\", b"")
    outside = b"".join(unpaired.replace(rb"\"", b"").split(b'"')[::2])
    if _depth(outside) > MAX_DEPTH:
        raise MalformedJson(f"Arrays and objects may be nested at most {MAX_DEPTH} deep.")
    if _LONG_RUN in outside.translate(_ALL_DIGITS_0) and _LONG_INTEGER.search(outside):
        raise MalformedJson(f"An integer may have at most {MAX_INTEGER_DIGITS} digits.")
    _check_syntax(body, outside)
    if _CONTROL_ESCAPE.search(unpaired):
        raise _control_character(body)
    # Most large bodies are numbers in one member; they need no second parse.
    if outside.count(b":") > 1:
        _check_names(body)


def _depth(outside: bytes) -> int:
    steps = memoryview(outside.translate(_STEPS, _NOT_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0)


def _check_syntax(body: bytes, outside: bytes) -> None:
    if not body.strip():
        raise MalformedJson("The body is empty; send {}.")
    try:
        body.decode()
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        hint = _HINT if _NOT_OF_JSON.search(outside) else ""
        raise MalformedJson(f"The body must be one JSON value; there is an error at {place}.{hint}") from None
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body must be UTF-8; byte {error.start} is not.") from None


def _control_character(body: bytes) -> ValidationFailed:
    place = ""
    if len(body) <= MAX_LOCATED_BYTES:
        place = _find(json.loads(body), lambda value: isinstance(value, str) and _CONTROL.search(value))
    return _broken(place, *_NO_CONTROLS)


def _check_names(body: bytes) -> None:
    repeated = False

    def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        if len(body) > MAX_LOCATED_BYTES:
            raise _broken("", *_ONCE)
        repeated = True
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        return {name: _REPEATED}

    parsed = json.loads(body, object_pairs_hook=read_object)
    if repeated:
        raise _broken(_find(parsed, lambda value: value is _REPEATED), *_ONCE)


def _broken(place: str, code: str, rule: str) -> ValidationFailed:
    return ValidationFailed(f"A part of the body {rule}.", [FieldError(place, code, rule)])


def _find(parsed: Any, wanted: Callable[[Any], Any]) -> str:
    return next((pointer_to(location) for location, value in _walk(parsed, ()) if wanted(value)), "")


def _walk(value: Any, location: Location) -> Iterator[tuple[Location, Any]]:
    yield location, value
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, member in members:
            yield from _walk(member, (*location, name))
