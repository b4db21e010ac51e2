"""Values as a JSON document can hold them."""

import math
from typing import Any


def finite(value: Any) -> Any:
    """Answer the same value with null in place of every number that is not finite."""
    if isinstance(value, dict):
        return {name: finite(member) for name, member in value.items()}
    if isinstance(value, list):
        return [finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
