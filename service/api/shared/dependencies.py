"""What the app holds for all its requests, and how a route gets it."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from service.api.shared.reads import Reads
from service.api.shared.streams import Streams
from service.api.shared.waiting import Changes
from service.api.shared.writers import Writers
from service.edge.key_ring import KeyRing
from service.serving.classifying import Classifier
from service.serving.exporting import Exporter
from service.serving.gallery import Gallery
from service.serving.inference_counts import InferenceCounts
from service.serving.pool import Pool
from service.serving.predictor import Predictor
from service.store.database import Database


@dataclass(frozen=True)
class Parts:
    """What one api process holds for all its requests."""

    database: Database
    predictor: Predictor
    gallery: Gallery
    classifier: Classifier
    exporter: Exporter
    pool: Pool
    """For predictions."""
    analysis: Pool
    """For statistics, figures and exports, which may take seconds."""
    inferences: InferenceCounts
    """What this process has inferred by the inference protocol."""
    changes: Changes
    reads: Reads
    streams: Streams
    writers: Writers
    limits: dict[str, int]
    keys: KeyRing

    def stop_pools(self) -> None:
        """Refuse what the pools have not done."""
        self.pool.stop()
        self.analysis.stop()

    def stop_waiting(self) -> None:
        """Wake the requests that wait, and end the streams."""
        self.changes.stop()
        self.streams.stop()


def parts_of(request: Request) -> Parts:
    """Return the app's parts, in a handler for which a dependency takes too long."""
    return cast(Parts, request.app.state.parts)


# FastAPI would call a dependency that is no coroutine in a thread.
async def parts(request: Request) -> Parts:
    """Return the app's parts."""
    return parts_of(request)


async def database(request: Request) -> Database:
    """Return the app's database."""
    return (await parts(request)).database


async def limits(request: Request) -> dict[str, int]:
    """Return the limits on what clients may send and ask for."""
    return (await parts(request)).limits


TheParts = Annotated[Parts, Depends(parts)]
TheDatabase = Annotated[Database, Depends(database)]
TheLimits = Annotated[dict[str, int], Depends(limits)]
