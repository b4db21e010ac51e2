"""Public ids, such as job_0192…: the kind of thing, and 32 hexadecimal digits that grow with time."""

import re

from uuid_utils import uuid7

JOB, COMPARISON, KEY = "job", "cmp", "key"
WEBHOOK, DELIVERY = "whk", "dlv"


def new(kind: str) -> str:
    """Make an id that no other thing has."""
    return f"{kind}_{uuid7().hex}"


def is_valid(kind: str, public_id: str) -> bool:
    """Return whether a text has the form of an id; others need not be looked up."""
    return re.fullmatch(rf"{kind}_[0-9a-f]{{32}}", public_id) is not None
