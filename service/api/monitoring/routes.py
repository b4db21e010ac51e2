"""Metrics for Prometheus: what all api processes of the port have counted, and what the database knows."""

import asyncio
from typing import Any, cast

from fastapi import APIRouter, Request, Response

from service.api.monitoring.exposition import CONTENT_TYPES, MEDIA_TYPES, Exposition
from service.api.shared.negotiation import VARY, choose_format
from service.api.shared.openapi import TEXT
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ

router = APIRouter(tags=["health"])

EXAMPLE = """\
# HELP normserve_jobs Jobs, by status.
# TYPE normserve_jobs gauge
normserve_jobs{status="queued"} 3.0
"""
SHOWN: dict[str, Any] = {"schema": TEXT, "example": EXAMPLE}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": dict.fromkeys(MEDIA_TYPES.values(), SHOWN)}, **problems(503)},
)
@needs(READ)
async def export_metrics(request: Request) -> Response:
    """Return all metrics for Prometheus, as its text or, if Accept prefers it, as OpenMetrics.

    They are at most a second old. Without the database, `normserve_database_up` is 0, and what only the
    database knows is left out.
    """
    chosen = choose_format(request, None, MEDIA_TYPES, "plain")
    texts = cast(Exposition, request.app.state.exposition).texts
    text = texts.find(chosen)
    if text is None:
        text = await asyncio.wrap_future(texts.join(chosen))
    return Response(text, headers={**VARY, "Content-Type": CONTENT_TYPES[chosen]})
