"""POSTs that take effect once, however often they are repeated with one Idempotency-Key."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from fastapi import Response
from sqlalchemy.orm import Session

from models.specs.strict import StrictModel
from service import callers
from service.failpoints import reach
from service.store import clock, idempotency
from service.store.database import Database
from service.store.tables import IdempotencyKey


class Creation(NamedTuple):
    """The response to a POST: its body, and where to find what was created or changed."""

    body: str
    location: str
    status: int = 201


def create_once(
    database: Database,
    key: str | None,
    operation: str,
    request: StrictModel,
    create: Callable[[Session], Creation],
    target: str = "",
) -> Response:
    """Create or change something; for a known key, return its first response and change nothing.

    `target` is the id of what is changed: an Idempotency-Key is for one request, so for one target. Clients
    with different API keys may use the same one.
    """
    if number := callers.current().number:
        operation = f"{operation} of key {number}"
    text = request.model_dump_json(exclude=request.unwritten())
    request_sha256 = hashlib.sha256(f"{target}{text}".encode()).hexdigest()
    with database.writing() as session:
        known = (
            None
            if key is None
            else idempotency.find(session, key, operation, request_sha256, clock.now(session))
        )
        if known is not None:
            return _respond(Creation(known.answer, known.location, known.status_code), replayed=True)
        created = create(session)
        if key is not None:
            entry = IdempotencyKey(
                key=key,
                operation=operation,
                request_sha256=request_sha256,
                status_code=created.status,
                location=created.location,
                answer=created.body,
                created_at=clock.now(session),
            )
            idempotency.remember(session, entry)
        reach("api-before-commit")
    reach("api-after-commit")
    return _respond(created, replayed=False)


def _respond(created: Creation, replayed: bool) -> Response:
    location = {"Location": created.location} if created.status == 201 else {}
    headers = {**location, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return Response(created.body, created.status, headers, "application/json")
