"""What a client that submits jobs may use: bytes of the database, and places in the queue."""

from collections.abc import Mapping

from service import callers
from service.errors import FieldError, ValidationFailed
from service.store.waiting import Submitter


def submitter_within(limits: Mapping[str, int]) -> Submitter:
    """Return who submits in this request, and how many jobs may then be queued."""
    return Submitter(callers.current().number, limits["max_queued"], limits["max_key_queued"])


def check_written_bytes(needed: int, limits: Mapping[str, int], *pointers: str) -> None:
    """Raise ValidationFailed, which points at these fields, if more bytes would be written than allowed."""
    allowed = limits["max_written_bytes"]
    if needed > allowed:
        rule = f"would write about {needed} bytes to the database; at most {allowed} are allowed"
        places = [FieldError(pointer, "budget_exceeded", rule) for pointer in pointers]
        raise ValidationFailed(f"the training {rule}", places)
