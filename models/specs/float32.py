"""Numbers of a spec that training uses in float32."""

import struct
from functools import partial
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from models.specs.strict import rule_error

SMALLEST = 2.0**-126
"""The smallest positive number: training takes anything below it for 0."""


class Float32:
    """Marks a float that must mean the same in float32: not 0, not infinite, and below the bound `lt`.

    It must come after the Field with the bounds: `Annotated[float, Field(gt=0), Float32()]`.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        check = partial(_check, below=schema.get("lt"))
        return core_schema.no_info_after_validator_function(check, schema)


def _check(value: float, below: float | None) -> float:
    if 0 < abs(value) < SMALLEST:
        rule = (
            f"must not be closer to 0 than {SMALLEST:.7e}: training computes in float32, where it would be 0"
        )
        raise rule_error("vanishes_in_float32", rule)
    try:
        [rounded] = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        rule = "must not exceed 3.4028235e38: training computes in float32, where it would be infinite"
        raise rule_error("overflows_in_float32", rule) from None
    if below is not None and rounded >= below:
        rule = f"must be less than {below} in float32 too, in which training computes"
        raise rule_error("rounds_up_in_float32", rule)
    return value
