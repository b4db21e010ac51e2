"""Strict query strings: no unknown parameter, none twice that is not a list, whole numbers as in JSON."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, NoReturn, Union, get_args, get_origin

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.datastructures import QueryParams

from service.errors import FieldError, ValidationFailed

MOST_PARAMETERS = 1000
WITH_EXPONENT = re.compile(r"[0-9]{1,17}(\.[0-9]{1,17})?[eE]\+?[0-9]{1,2}")


def _read_exponent(text: Any) -> Any:
    if not (isinstance(text, str) and WITH_EXPONENT.fullmatch(text)):
        return text
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else text


WHOLE = BeforeValidator(_read_exponent)
"""Accept an integer of a query in any spelling without a fraction: 100000, 1e5 or 100000.0.

It must come after Query(…), or else OpenAPI would not show the bounds.
"""


def check_query(query: bytes, known: Mapping[str, bool]) -> None:
    """Raise ValidationFailed for a parameter that is not known, or is repeated and may not be."""
    given = Counter(name for name, _ in QueryParams(query).multi_items())
    if given.total() > MOST_PARAMETERS:
        _refuse("", "too_long", f"a query may have at most {MOST_PARAMETERS} parameters")
    for name, times in given.items():
        if name not in known:
            place = f"/{name}" if name.isidentifier() and len(name) <= 64 else ""
            rule = f"is not a known parameter; {_known(known)}"
            _refuse(place, "extra_forbidden", rule)
        if times > 1 and not known[name]:
            _refuse(f"/{name}", "repeated", "must be given once")


def query_parameters(route: APIRoute) -> dict[str, bool]:
    """Return the query parameters in a route's signature and OpenAPI, and whether each may be repeated."""
    in_signature = {
        field.alias: _is_list(field.field_info.annotation)
        for field in get_flat_params(route.dependant)
        if getattr(field.field_info, "in_", None) == ParamTypes.query
    }
    described = (route.openapi_extra or {}).get("parameters", [])
    return in_signature | {each["name"]: _takes_list(each["schema"]) for each in described}


def _known(names: Iterable[str]) -> str:
    """Return which query parameters an operation has."""
    return f"the known ones are: {', '.join(names)}" if names else "this operation has no parameters"


def _is_list(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, UnionType, Annotated):
        return any(map(_is_list, get_args(annotation)))
    return list in (annotation, origin)


def _takes_list(schema: dict[str, Any]) -> bool:
    return any(kind.get("type") == "array" for kind in [schema, *schema.get("anyOf", [])])


def _refuse(pointer: str, code: str, message: str) -> NoReturn:
    raise ValidationFailed("a query parameter breaks a rule", [FieldError(pointer, code, message)])
