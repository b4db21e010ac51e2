"""Durations as operators write them."""

import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Parse a whole number and its unit, such as `30d`; raise ValueError for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})([smhdw])", text)
    if found is None:
        raise ValueError("must be a whole number up to 99999 and a unit, s, m, h, d or w, such as 30d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
