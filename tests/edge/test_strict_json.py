import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.edge.strict_json import check
from service.errors import FieldError, MalformedJson, ValidationFailed

PIECES = r"""{ } [ ] , : " \ \" \\ \n \u0000 \u000a \ud800 \udc00 0 1 -1 1.5 1e5 1e999 1e-999
a "a" {"a":1} null true NaN Infinity 12345678901234567890 123456789012345678901 é"""
JSON_LIKE = st.lists(st.sampled_from([*PIECES.split(), "\0", "\n"])).map(
    lambda parts: "".join(parts).encode()
)
AT_2 = "The body must be one JSON value; there is an error at line 1, column 2."
AT_7 = "The body must be one JSON value; there is an error at line 1, column 7."
JSON_HAS = " JSON has double quotes, true, false and null, only finite numbers, and no comma before } or ]."
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\r\t"))
# No subnormal numbers: a test that trained in this process has set the processor to flush them.
FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
NUMBERS = st.integers(1 - 10**20, 10**20 - 1) | FLOATS
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


def verdict(body: bytes) -> type[Exception] | None:
    try:
        check(body)
    except (MalformedJson, ValidationFailed) as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"null", id="C28-null"),
        pytest.param(b"[]", id="C28-empty-array"),
        pytest.param(b'"x"', id="C28-text"),
        pytest.param(b"1", id="C28-number"),
        pytest.param(b"12345678901234567890", id="C32-20-digits"),
        pytest.param(b"-12345678901234567890.5", id="C32-20-digits-and-a-fraction"),
        pytest.param(b"0.1000000000000000055511151231257827", id="C32-long-fraction"),
        pytest.param(b'"123456789012345678901"', id="C32-digits-in-a-text"),
        pytest.param(b"1e-999", id="C30-rounds-to-zero"),
        pytest.param(b'"\\n\\t\\r\\\\\\"\\/"', id="C37-short-escapes"),
        pytest.param(rb'"\\u0000"', id="C37-escaped-backslash-before-u0000"),
        pytest.param(rb'"\ud83d\ude00"', id="C35-surrogate-pair"),
        pytest.param(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}', id="same-name-in-other-objects"),
        pytest.param(b'{"__proto__": 1, "constructor": 2, "__class__": 3}', id="C44-names-are-for-the-model"),
        pytest.param(b"[" * 32 + b"]" * 32, id="32-deep"),
        pytest.param(b'"' + b"[" * 100 + b'"', id="brackets-in-a-text"),
        pytest.param(b'{"x\\"": "\\\\", "[": "{:,"}', id="quotes-and-backslashes-in-texts"),
        pytest.param(b" \r\n\t{} \n", id="white-space-around"),
    ],
)
def test_json_passes(body: bytes) -> None:
    assert verdict(body) is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="C27-empty"),
        pytest.param(b" \n", id="C27-white-space"),
        pytest.param(b"NaN", id="C29-nan"),
        pytest.param(b'{"a": Infinity}', id="C29-infinity"),
        pytest.param(b"[-Infinity]", id="C29-minus-infinity"),
        pytest.param(b"1e999", id="C30-1e999"),
        pytest.param(b"[-1E400]", id="C30-minus-1e400"),
        pytest.param(b"123456789012345678901", id="C32-21-digits"),
        pytest.param(b'{"seed": -123456789012345678901.5}', id="C32-21-digits-and-a-fraction"),
        pytest.param(b"1" * 4000, id="C32-4000-digits"),
        pytest.param(b"1" * 5000, id="C32-5000-digits"),
        pytest.param(b"\xef\xbb\xbf{}", id="C34-bom"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="C34-utf16-with-bom"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), id="C34-utf16"),
        pytest.param('{"a": 1}'.encode("utf-32"), id="C34-utf32"),
        pytest.param(b'"\xff"', id="C35-invalid-utf8"),
        pytest.param(b'"\xc0\x80"', id="C35-overlong"),
        pytest.param(b'"\xed\xa0\x80"', id="C35-encoded-surrogate"),
        pytest.param(rb'"\ud800"', id="C35-lone-high-surrogate"),
        pytest.param(rb'"\udc00"', id="C35-lone-low-surrogate"),
        pytest.param(b'"\x00"', id="C37-raw-nul"),
        pytest.param(b'"a\nb"', id="C37-raw-newline"),
        pytest.param(b"{} x", id="C41-trailing-garbage"),
        pytest.param(b"{}{}", id="C41-two-values"),
        pytest.param(b"{} // x", id="C41-comment"),
        pytest.param(b"{'a': 1}", id="C41-single-quotes"),
        pytest.param(b"[1,]", id="C41-trailing-comma"),
        pytest.param(b"[" * 33 + b"]" * 33, id="33-deep"),
        pytest.param(b'{"a":' * 33 + b"1" + b"}" * 33, id="33-objects-deep"),
        pytest.param(b"[" * 100_000, id="100000-brackets"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="100000-deep"),
        pytest.param(b'"' + b'\\"' * 100_000, id="text-without-end"),
        pytest.param(b"]" * 40, id="closing-brackets"),
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    assert verdict(body) is MalformedJson


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        pytest.param(rb'{"a": {"b": 1, "b": 2}}', "/a/b", "duplicate_key", id="duplicate"),
        pytest.param(rb'[{"a": 1}, {"b": 1, "b": 1}]', "/1/b", "duplicate_key", id="duplicate-in-array"),
        pytest.param(rb'{"a": 1, "\u0061": 2}', "/a", "duplicate_key", id="duplicate-escaped"),
        pytest.param(rb'{"no thing": 1, "no thing": 2}', "", "duplicate_key", id="duplicate-of-odd-name"),
        pytest.param(
            rb'{"a": {"a": 1, "a": 2}, "a": 3}', "/a", "duplicate_key", id="duplicate-around-duplicate"
        ),
        pytest.param(rb'{"label": "x\u0000y"}', "/label", "control_character", id="C37-nul"),
        pytest.param(rb'{"tags": ["", "\u001F"]}', "/tags/1", "control_character", id="C37-unit-separator"),
        pytest.param(rb'"\\\u0001"', "", "control_character", id="C37-after-escaped-backslash"),
        pytest.param(rb'{"label": "\b"}', "/label", "control_character", id="C37-backspace"),
        pytest.param(rb'{"a": {"\u0000": 1}}', "", "control_character", id="C37-in-a-name"),
        pytest.param(rb'{"label": "\u000a"}', "", "control_character", id="C37-newline-by-number"),
        pytest.param(
            b'{"a": "%s", "b": 1, "b": 2}' % (b"x" * 262_144), "", "duplicate_key", id="too-large-to-locate"
        ),
    ],
)
def test_wrong_json_is_refused_with_its_place(body: bytes, pointer: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check(body)

    rules = {
        "duplicate_key": "must appear only once in its object",
        "control_character": "must not contain escaped control characters",
    }
    assert caught.value.errors == (FieldError(pointer, code, rules[code]),)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(
            b'{"a":\n canary}', "The body must be one JSON value; there is an error at line 2, column 2."
        ),
        pytest.param(b" \n", "The body is empty; send {}."),
        pytest.param(b"{'canary': 1}", f"{AT_2}{JSON_HAS}"),
        pytest.param(b'{"a": True}', f"{AT_7}{JSON_HAS}"),
        pytest.param(b'{"a": NaN}', f"{AT_7}{JSON_HAS}"),
        pytest.param(b'{"a":1,}', f"{AT_7}{JSON_HAS}"),
        pytest.param(b'{canary: "\'True"}', AT_2),
        pytest.param(b'"canary\xff"', "The body must be UTF-8; byte 7 is not."),
    ],
    ids=["syntax", "empty", "single quotes", "True", "NaN", "trailing comma", "quotes in a text", "encoding"],
)
def test_a_malformed_body_is_told_where_and_not_repeated(body: bytes, detail: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        check(body)

    assert caught.value.detail == detail


@pytest.mark.slow
@given(st.binary() | JSON_LIKE)
def test_any_bytes_are_refused_or_are_json_with_finite_values(body: bytes) -> None:
    assert verdict(body) or json.dumps(json.loads(body), allow_nan=False)


@pytest.mark.slow
@given(VALUES, st.booleans())
def test_json_of_finite_values_passes(value: object, ascii_only: bool) -> None:
    assert verdict(json.dumps(value, ensure_ascii=ascii_only).encode()) is None
