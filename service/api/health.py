"""Health: whether the process lives, and whether it can do its work."""

from typing import Literal

from fastapi import APIRouter

from service.api import examples
from service.api.deps import TheDatabase, now
from service.api.job_view import Out
from service.api.problems import problems
from service.store import schema, workers

router = APIRouter(tags=["health"])


class Live(Out):
    """The process answers."""

    status: Literal["live"]


class Ready(Out):
    """The database answers and has the schema of this release."""

    status: Literal["ready"]
    database: str
    schema_revision: str
    workers: int
    """Those seen within 10 seconds; jobs are accepted without any."""


@router.get("/livez", responses={**examples.answer(200, {"status": "live"}), **problems()})
async def get_live() -> Live:
    """Tell that the process answers, whatever the database does."""
    return Live(status="live")


@router.get(
    "/readyz",
    responses={
        **examples.answer(200, examples.READY),
        **problems(503),
    },
)
def get_ready(database: TheDatabase) -> Ready:
    """Tell that requests can be served."""
    with database.reading() as session:
        revision = schema.require_newest(session.connection())
        found = workers.present(session, now())
    return Ready(status="ready", database=database.version(), schema_revision=revision, workers=found)
