"""Values as a JSON document can hold them: without numbers that are not finite."""

import math
from typing import Any

from models.specs.metrics import MetricRow


def replace_non_finite(value: Any) -> Any:
    """Return the same value with null in place of every number that is not finite."""
    if isinstance(value, dict):
        return {name: replace_non_finite(member) for name, member in value.items()}
    if isinstance(value, list):
        return [replace_non_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row_document(row: MetricRow) -> dict[str, Any]:
    """Return a row as a document: a figure that is not finite is null and named in `non_finite`."""
    return {**replace_non_finite(row._asdict()), "non_finite": row.non_finite()}
