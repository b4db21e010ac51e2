"""The filters of lists of jobs, and their order."""

import re
from typing import Annotated

from fastapi import Depends, Query
from pydantic import WithJsonSchema

from models.specs.facts import Norm
from models.specs.spec import MAX_SEED
from service.api.shared.query import WHOLE
from service.api.shared.schemas import Label, Status
from service.errors import FieldError, ValidationFailed
from service.store.queries import JobFilter, JobSort

TAG = re.compile(r"([A-Za-z0-9_.-]{1,40}):([^\x00-\x1f\x7f]{0,80})")
Tag = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{TAG.pattern}$"})]
SortedBy = Annotated[JobSort, Query(description="Order of the list; - means descending.")]


async def wanted_jobs(
    status: Annotated[list[Status] | None, Query(max_length=5, description="Any of these states.")] = None,
    norm: Annotated[Norm | None, Query(description="This norm.")] = None,
    init: Annotated[bool | None, Query(description="With or without `init`.")] = None,
    seed: Annotated[int | None, Query(ge=0, le=MAX_SEED, description="This seed."), WHOLE] = None,
    label: Annotated[Label | None, Query(description="Exactly this label.")] = None,
    comparison_id: Annotated[str | None, Query(max_length=40, description="Jobs of this comparison.")] = None,
    tag: Annotated[list[Tag] | None, Query(max_length=20, description="All of these, as name:value.")] = None,
) -> JobFilter:
    """Return the filter of a query; raise ValidationFailed for a tag that is not name:value."""
    return JobFilter(tuple(status or ()), norm, init, seed, label, comparison_id, _tags(tag or []))


WantedJobs = Annotated[JobFilter, Depends(wanted_jobs)]


def _tags(pairs: list[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for pair in pairs:
        parts = TAG.fullmatch(pair)
        if parts is None:
            place = FieldError("/tag", "tag", "must be name:value")
            raise ValidationFailed("a tag is not name:value", [place])
        found.append((parts[1], parts[2]))
    return tuple(found)
