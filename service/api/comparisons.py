"""Comparisons: the question which arm is better, asked with one request."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from pydantic import Field, ValidationError
from sqlalchemy.orm import Session

from models.specs.comparison import Arm, ComparisonSpec, Seeds
from models.specs.strict import StrictModel
from service.api import comparison_examples as worked
from service.api import examples
from service.api.comparison_view import ComparisonId, ComparisonList, ComparisonWithProof, views, with_proof
from service.api.deps import InvalidBody, TheDatabase, TheParts, etag_of, link_next, now, tagged
from service.api.job_view import Label, Out
from service.api.problems import problems
from service.api.repeats import Creation, answer_once
from service.store import comparisons
from service.store.tables import Comparison

router = APIRouter(tags=["comparisons"])


class ComparisonIn(ComparisonSpec):
    """A comparison to run: arms × seeds, and a word to find it by."""

    label: Label | None = None
    """A line of at most 80 characters, shown with the comparison."""


class ExtensionIn(StrictModel):
    """What is added to a comparison."""

    arms: Annotated[list[Arm], Field(max_length=200)] = Field(default_factory=list)
    """Further arms; each is trained with all seeds."""
    seeds: Seeds | None = None
    """Seeds, or how many: 10 means 0 to 9. Those that are there already are not run again."""


class ComparisonDeleted(Out):
    """What a deletion gave back."""

    id: str
    jobs: int
    freed_bytes: int


@router.post(
    "/comparisons",
    status_code=201,
    response_model=ComparisonWithProof,
    responses={
        **examples.answer(201, worked.COMPARISON_CREATED),
        **problems(400, 408, 415, 503),
    },
)
def create_comparison(
    database: TheDatabase,
    comparison: Annotated[ComparisonIn, Body(openapi_examples=examples.requests(worked.COMPARISON_ASKED))],
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Submit every run of a comparison at once: each arm with each seed, and each learning rate if given.

    With an Idempotency-Key, the same body again is answered the same again for 24 hours, and creates nothing.
    """

    def create(session: Session) -> Creation:
        row = comparisons.create(session, comparison, comparison.label, now())
        return Creation(with_proof(session, row).model_dump_json(), f"/comparisons/{row.id}")

    return answer_once(database, idempotency_key, "create_comparison", comparison, create)


@router.get(
    "/comparisons",
    response_model=ComparisonList,
    responses={**examples.answer(200, worked.COMPARISON_LIST), **problems(503)},
)
def list_comparisons(
    request: Request,
    database: TheDatabase,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """List comparisons, the newest first."""
    with database.reading() as session:
        page = comparisons.list_page(session, limit, cursor)
        shown = ComparisonList(items=views(session, page.comparisons), next_cursor=page.next_cursor)
    body = shown.model_dump_json().encode()
    return link_next(request, tagged(request, etag_of(body), body), page.next_cursor)


@router.get(
    "/comparisons/{comparison_id}",
    response_model=ComparisonWithProof,
    responses={**examples.answer(200, worked.COMPARISON), **problems(404, 503)},
)
def get_comparison(request: Request, database: TheDatabase, comparison_id: ComparisonId) -> Response:
    """Answer how far a comparison has come, with the proof that its arms had equal starts and equal data."""
    with database.reading() as session:
        shown = with_proof(session, comparisons.get(session, comparison_id))
    body = shown.model_dump_json().encode()
    return tagged(request, etag_of(body), body)


@router.post(
    "/comparisons/{comparison_id}/extend",
    responses={**examples.answer(200, worked.COMPARISON), **problems(400, 404, 408, 415, 503)},
)
def extend_comparison(
    database: TheDatabase,
    comparison_id: ComparisonId,
    extension: Annotated[ExtensionIn, Body(openapi_examples=examples.requests({"seeds": 2}))],
) -> ComparisonWithProof:
    """Add seeds or arms to a comparison; every arm is then trained with every seed."""
    with database.writing() as session:
        comparison = comparisons.get(session, comparison_id, to_change=True)
        comparisons.extend(session, comparison, _extended(comparison, extension), now())
        return with_proof(session, comparison)


@router.post(
    "/comparisons/{comparison_id}/cancel",
    responses={**examples.answer(200, worked.COMPARISON), **problems(404, 503)},
)
def cancel_comparison(database: TheDatabase, comparison_id: ComparisonId) -> ComparisonWithProof:
    """Cancel all jobs of a comparison that have not ended; what they have stored stays."""
    with database.writing() as session:
        comparison = comparisons.get(session, comparison_id, to_change=True)
        comparisons.cancel(session, comparison, now())
        return with_proof(session, comparison)


@router.delete(
    "/comparisons/{comparison_id}",
    responses={**examples.answer(200, worked.COMPARISON_DELETED), **problems(404, 409, 503)},
)
def delete_comparison(parts: TheParts, comparison_id: ComparisonId) -> ComparisonDeleted:
    """Delete a comparison that has ended, with all its jobs, their histories and their checkpoints."""
    with parts.database.writing() as session:
        comparison = comparisons.get(session, comparison_id, to_change=True)
        ids = [job.id for job in comparisons.runs_with_digests(session, comparison)]
        freed = comparisons.delete_if_ended(session, comparison)
    for job_id in ids:
        parts.predictor.forget(job_id)
    return ComparisonDeleted(id=comparison_id, jobs=len(ids), freed_bytes=freed)


def _extended(comparison: Comparison, extension: ExtensionIn) -> ComparisonSpec:
    """Join what there is and what is added; an error stands where it was given."""
    # Its arms are written out: what the preset is today is not asked.
    known = {**comparison.spec, "preset": None}
    there = known["arms"]
    arms = [arm.model_dump(exclude_unset=True) for arm in extension.arms]
    seeds = [seed for seed in extension.seeds or [] if seed not in known["seeds"]]
    try:
        return ComparisonSpec(**{**known, "arms": [*there, *arms], "seeds": [*known["seeds"], *seeds]})
    except ValidationError as error:
        raise InvalidBody(_without_earlier(error.errors(include_url=False), len(there))) from None


def _without_earlier(lines: Sequence[Any], n_earlier: int) -> list[Any]:
    """Count places of arms from the first that was added; leave out what only concerns those before."""
    found = []
    for line in lines:
        place = line["loc"]
        if place[:1] == ("arms",) and len(place) > 1:
            if place[1] < n_earlier:
                continue
            place = ("arms", place[1] - n_earlier, *place[2:])
        found.append({**line, "loc": place})
    return found
