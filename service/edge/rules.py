"""A sentence for each of pydantic's error types: the rule that the value breaks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

RULES = {
    # Presence
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "none_required": "must be null",
    "frozen_field": "must not change",
    "invalid_key": "must have strings as names",
    # Numbers
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer with fewer digits",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a decimal number",
    "decimal_parsing": "must be a decimal number",
    "decimal_max_digits": "must have at most {max_digits:digit}",
    "decimal_max_places": "must have at most {decimal_places:decimal place}",
    "decimal_whole_digits": "must have at most {whole_digits:digit} before the decimal point",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be less than or equal to {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    # Truth values, choices
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "must name one of {expected_tags}",
    "union_tag_not_found": "must have {discriminator}",
    # Strings
    "string_type": "must be a string",
    "string_unicode": "must be a string of Unicode characters",
    "string_too_short": "must have at least {min_length:character}",
    "string_too_long": "must have at most {max_length:character}",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "string_not_ascii": "must have ASCII characters only",
    "bytes_type": "must be bytes",
    "bytes_too_short": "must have at least {min_length:byte}",
    "bytes_too_long": "must have at most {max_length:byte}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID of version {expected_version}",
    "url_type": "must be a URL",
    "url_parsing": "must be a URL",
    "url_syntax_violation": "must be a URL",
    "url_too_long": "must have at most {max_length:character}",
    "url_scheme": "must be a URL that begins with {expected_schemes}",
    # Times
    "date_type": "must be a date",
    "date_parsing": "must be a date such as 2026-11-28",
    "date_from_datetime_parsing": "must be a date such as 2026-11-28",
    "date_from_datetime_inexact": "must be a date without a time",
    "date_past": "must be in the past",
    "date_future": "must be in the future",
    "time_type": "must be a time of day",
    "time_parsing": "must be a time of day such as 09:30:00",
    "datetime_type": "must be a time",
    "datetime_parsing": "must be a time such as 2026-11-28T09:30:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-11-28T09:30:00Z",
    "datetime_past": "must be in the past",
    "datetime_future": "must be in the future",
    "timezone_naive": "must have no time zone",
    "timezone_aware": "must have a time zone",
    "time_delta_type": "must be a duration",
    "time_delta_parsing": "must be a duration",
    # Lists and objects
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "iterable_type": "must be a list",
    "set_item_not_hashable": "must have strings, numbers, true, false or null only",
    "too_short": "must have at least {min_length:item}",
    "too_long": "must have at most {max_length:item}",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "json_type": "must be JSON text",
    "json_invalid": "must be JSON text",
    # Rules of our validators
    "value_error": "{error}",
    "assertion_error": "{error}",
}
PATTERNS = {
    r"^[A-Za-z0-9_.-]{1,40}$": "must have 1 to 40 letters, digits, dots, hyphens and underscores",
    r"^[A-Za-z0-9_.-]{1,40}:[^\x00-\x1f\x7f]{0,80}$": "must be name:value",
    r"^[^\x00-\x1f\x7f]*$": "must be one line without control characters",
    r"^(latest|best|\d{1,9})$": "must be latest, best or a step",
    r"^[0-9]{1,9}(\.done)?$": "must be the id of an event: a step, perhaps with .done",
    r"^[0-9a-f]{32}(\.done)?$": "must be the id of an event: 32 hexadecimal digits, perhaps with .done",
    r"^(tls://\S+)?$": "must be an address such as tls://scheduler.internal:8786",
}
"""What a pattern asks for, in words."""
NOT_FROM_JSON = {
    "arguments_type",
    "bytes_invalid_encoding",
    "callable_type",
    "complex_str_parsing",
    "complex_type",
    "counter_type",
    "dataclass_exact_type",
    "datetime_object_invalid",
    "default_factory_not_called",
    "deque_type",
    "ellipsis_error",
    "fraction_parsing",
    "fraction_type",
    "frozen_dict_type",
    "frozen_instance",
    "get_attribute_error",
    "is_instance_of",
    "is_subclass_of",
    "iteration_error",
    "missing_argument",
    "missing_keyword_only_argument",
    "missing_positional_only_argument",
    "missing_sentinel_error",
    "multiple_argument_values",
    "named_tuple_type",
    "needs_python_object",
    "no_such_attribute",
    "ordered_dict_type",
    "recursion_depth_exceeded",
    "recursion_loop",
    "timezone_offset",
    "unexpected_keyword_argument",
    "unexpected_positional_argument",
}
"""The other types, which no request should cause."""


def rule_of(error: Mapping[str, Any]) -> str:
    """Return the rule that a value broke, without the value.

    If the type of the error is not one of pydantic's, the message is already ours.
    """
    kind, message = error["type"], str(error["msg"])
    # StrictModel appends to a rule what to do about it, such as the field that was probably meant.
    if kind not in NOT_FROM_JSON and message.startswith(RULES.get(kind, "")):
        return message
    context = {name: _Shown(value) for name, value in error.get("ctx", {}).items()}
    if kind == "string_pattern_mismatch" and error["ctx"]["pattern"] in PATTERNS:
        return PATTERNS[error["ctx"]["pattern"]]
    try:
        return RULES[kind].format_map(context)
    except KeyError:  # there is no sentence, or a validator's error has lost its context
        return "is not valid"


class _Shown:
    """A value of an error's context; its format is the noun that it counts."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __format__(self, noun: str) -> str:
        text = _plain(self.value)
        if not noun:
            return text
        return f"{text} {noun}" if self.value == 1 else f"{text} {noun}s"


def _plain(value: Any) -> str:
    """Write 1000000.0 as 1000000, and 1e-06 as 0.000001."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0") if isinstance(value, float) else str(value)
