"""POSTs that create something once, however often they are repeated with one Idempotency-Key."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.failpoints import reach
from service.store import clock, idempotency
from service.store.database import Database
from service.store.tables import IdempotencyKey


class Creation(NamedTuple):
    """The response to a creation: its body, and where to find what was created."""

    body: str
    location: str


def create_once(
    database: Database,
    key: str | None,
    operation: str,
    request: BaseModel,
    create: Callable[[Session], Creation],
) -> Response:
    """Create something and return 201; for a known key, return its first response and create nothing."""
    request_sha256 = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
    with database.writing() as session:
        known = (
            None
            if key is None
            else idempotency.find(session, key, operation, request_sha256, clock.now(session))
        )
        if known is not None:
            return _created(Creation(known.answer, known.location), replayed=True)
        created = create(session)
        if key is not None:
            entry = IdempotencyKey(
                key=key,
                operation=operation,
                request_sha256=request_sha256,
                status_code=201,
                location=created.location,
                answer=created.body,
                created_at=clock.now(session),
            )
            idempotency.remember(session, entry)
        reach("api-before-commit")
    reach("api-after-commit")
    return _created(created, replayed=False)


def _created(created: Creation, replayed: bool) -> Response:
    headers = {"Location": created.location, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return Response(created.body, 201, headers, "application/json")
