"""The budget of bytes that what a client submits may write."""

from collections.abc import Mapping

from service.errors import FieldError, ValidationFailed


def check_written_bytes(needed: int, limits: Mapping[str, int], *pointers: str) -> None:
    """Raise ValidationFailed, which points at these fields, if more bytes would be written than allowed."""
    allowed = limits["max_written_bytes"]
    if needed > allowed:
        rule = f"would write about {needed} bytes to the database; at most {allowed} are allowed"
        places = [FieldError(pointer, "budget_exceeded", rule) for pointer in pointers]
        raise ValidationFailed(f"the training {rule}", places)
