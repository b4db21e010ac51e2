"""Health: whether the process runs, and whether it can do its work."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from service.api.shared.dependencies import TheDatabase
from service.api.shared.openapi import json_response
from service.api.shared.problems import problems
from service.api.shared.schemas import Out
from service.api.shared.scopes import needs
from service.callers import OPEN
from service.store import clock, schema, workers

router = APIRouter(tags=["health"])

READY = {"status": "ready", "database": "SQLite 3.53.4", "schema_revision": "0017", "workers": 2}


class Liveness(Out):
    """The process responds."""

    status: Literal["live"]
    """Always live."""


LIVE = Liveness(status="live").model_dump_json()


class Readiness(Out):
    """The database responds and has the schema of this release."""

    status: Literal["ready"]
    """Always ready; a service that is not ready responds with an error."""
    database: str
    """Kind and release of the database."""
    schema_revision: str
    """Newest migration of the database."""
    workers: int
    """Workers seen within 10 seconds; jobs are accepted without any."""


@router.get(
    "/livez", response_model=Liveness, responses={**json_response(200, {"status": "live"}), **problems()}
)
@needs(OPEN)
async def get_live(_request: Request) -> Response:
    """Return 200 as long as the process responds, even without its database."""
    return Response(LIVE, media_type="application/json")


@router.get("/readyz", responses={**json_response(200, READY), **problems(503)})
@needs(OPEN)
def get_ready(database: TheDatabase) -> Readiness:
    """Return 200 if the service can handle requests."""
    with database.reading() as session:
        revision = schema.require_newest(session.connection())
        found = workers.present(session, clock.now(session))
    return Readiness(status="ready", database=database.version(), schema_revision=revision, workers=found)
