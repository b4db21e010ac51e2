"""Comparisons: create, list, watch, extend, cancel, delete."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.specs.written import comparison_bytes
from service.api.comparisons import examples
from service.api.comparisons.extensions import extend_spec
from service.api.comparisons.schemas import (
    ComparisonExtension,
    ComparisonList,
    ComparisonSubmission,
    ComparisonWithProof,
    DeletedComparison,
)
from service.api.comparisons.views import view_comparisons, view_with_proof
from service.api.shared.bodies import takes_bodies
from service.api.shared.budgets import check_written_bytes, submitter_within
from service.api.shared.conditional import etag_of, with_etag
from service.api.shared.dependencies import TheDatabase, TheLimits, TheParts
from service.api.shared.idempotency import Creation, create_once
from service.api.shared.openapi import conditional_response, json_response, request_example
from service.api.shared.pagination import link_next
from service.api.shared.parameters import ComparisonId, Cursor, IdempotencyKey, PageLimit, Wait
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.api.shared.waiting import OPEN
from service.callers import READ, TRAIN
from service.links import link
from service.store import clock, comparisons, deletion
from service.store.database import Database

router = APIRouter(tags=["comparisons"])

BODIES = {"application/json": "max_comparison_json_bytes"}


@router.post(
    "/comparisons",
    status_code=201,
    response_model=ComparisonWithProof,
    responses={
        **json_response(201, examples.COMPARISON_CREATED),
        **problems(415, 429, 503),
    },
)
@takes_bodies(BODIES)
@needs(TRAIN)
def create_comparison(
    database: TheDatabase,
    limits: TheLimits,
    comparison: Annotated[
        ComparisonSubmission, Body(openapi_examples=request_example(examples.COMPARISON_ASKED))
    ],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit all runs of a comparison: each arm with each seed, and with each learning rate if given.

    With an Idempotency-Key, the same body gets the same response for 24 hours and creates nothing twice.
    """
    check_written_bytes(comparison_bytes(comparison), limits, "/arms", "/seeds")

    def create(session: Session) -> Creation:
        row = comparisons.create(
            session,
            comparison,
            comparison.label,
            clock.now(session),
            comparison.priority,
            submitter_within(limits),
        )
        return Creation(view_with_proof(session, row).model_dump_json(), link(f"/comparisons/{row.id}"))

    return create_once(database, idempotency_key, "create_comparison", comparison, create)


@router.get(
    "/comparisons",
    response_model=ComparisonList,
    responses={**conditional_response(examples.COMPARISON_LIST), **problems(503)},
)
@needs(READ)
def list_comparisons(
    request: Request,
    database: TheDatabase,
    limit: PageLimit = 20,
    cursor: Cursor = None,
) -> Response:
    """List comparisons, the newest first."""
    with database.reading() as session:
        page = comparisons.list_page(session, limit, cursor)
        shown = ComparisonList(items=view_comparisons(session, page.items), next_cursor=page.next_cursor)
    body = shown.model_dump_json().encode()
    return link_next(request, with_etag(request, etag_of(body), body), page.next_cursor)


@router.get(
    "/comparisons/{comparison_id}",
    response_model=ComparisonWithProof,
    responses={**conditional_response(examples.COMPARISON), **problems(404, 503)},
)
@needs(READ)
async def get_comparison(
    request: Request, parts: TheParts, comparison_id: ComparisonId, wait: Wait = 0
) -> Response:
    """Return a comparison's progress, and the proof that its arms had equal starts and equal data.

    With `wait`, only once all its jobs have ended, or after at most that many seconds.
    """
    if wait and await run_in_threadpool(_is_open, parts.database, comparison_id):
        await parts.changes.wait(comparison_id, OPEN, wait)
    body = await run_in_threadpool(_read, parts.database, comparison_id)
    return with_etag(request, etag_of(body), body)


@router.post(
    "/comparisons/{comparison_id}/extend",
    response_model=ComparisonWithProof,
    responses={**json_response(200, examples.COMPARISON), **problems(404, 415, 429, 503)},
)
@takes_bodies(BODIES)
@needs(TRAIN)
def extend_comparison(
    database: TheDatabase,
    limits: TheLimits,
    comparison_id: ComparisonId,
    extension: Annotated[ComparisonExtension, Body(openapi_examples=request_example({"seeds": 10}))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add seeds or arms to a comparison; every arm is then trained with every seed.

    If you name a seed or an arm that the comparison already has, its runs that were cancelled, or failed for
    another reason than diverging, are run again: a new job replaces the old one, which becomes a single job.
    With an Idempotency-Key, the same body gets the same response for 24 hours and adds nothing twice.
    """

    def extend(session: Session) -> Creation:
        row = comparisons.get(session, comparison_id, to_change=True)
        spec, again = extend_spec(row, extension)
        check_written_bytes(comparison_bytes(spec), limits, "/arms", "/seeds")
        comparisons.extend(session, row, spec, clock.now(session), again, submitter_within(limits))
        body = view_with_proof(session, row).model_dump_json()
        return Creation(body, link(f"/comparisons/{row.id}"), status=200)

    return create_once(database, idempotency_key, "extend_comparison", extension, extend, comparison_id)


@router.post(
    "/comparisons/{comparison_id}/cancel",
    responses={**json_response(200, examples.COMPARISON), **problems(404, 503)},
)
@needs(TRAIN)
def cancel_comparison(database: TheDatabase, comparison_id: ComparisonId) -> ComparisonWithProof:
    """Cancel all jobs of a comparison that have not ended; what they have stored is kept."""
    with database.writing() as session:
        comparison = comparisons.get(session, comparison_id, to_change=True)
        comparisons.cancel(session, comparison, clock.now(session))
        return view_with_proof(session, comparison)


@router.delete(
    "/comparisons/{comparison_id}",
    responses={**json_response(200, examples.COMPARISON_DELETED), **problems(404, 409, 503)},
)
@needs(TRAIN)
def delete_comparison(parts: TheParts, comparison_id: ComparisonId) -> DeletedComparison:
    """Delete a comparison that has ended, with all its jobs, their histories and their checkpoints."""
    with parts.database.writing() as session:
        comparison = comparisons.get(session, comparison_id, to_change=True)
        deleted = deletion.delete_comparison(session, comparison, clock.now(session))
    parts.predictor.forget({job.id for job in deleted})
    freed_bytes = sum(job.size_bytes for job in deleted)
    return DeletedComparison(id=comparison_id, jobs=len(deleted), freed_bytes=freed_bytes)


def _is_open(database: Database, comparison_id: str) -> bool:
    """Return whether a job of the comparison has not ended; an id that does not exist is not open."""
    with database.reading() as session:
        return bool(comparisons.open_ids(session, [comparison_id]))


def _read(database: Database, comparison_id: str) -> bytes:
    with database.reading() as session:
        shown = view_with_proof(session, comparisons.get(session, comparison_id))
    return shown.model_dump_json().encode()
