"""Facts about the service: its norms, its limits and its versions."""

import platform
import sys
from importlib.metadata import version

from fastapi import APIRouter

from models.specs.facts import NORMS, NormFacts
from service.api.shared.dependencies import TheDatabase, TheParts
from service.api.shared.openapi import json_response
from service.api.shared.problems import problems
from service.api.shared.schemas import Out

router = APIRouter(tags=["facts"])

PACKAGES = ("torch", "dask", "fastapi", "sqlalchemy", "numpy")
LIMITS = {
    "max_json_bytes": 65536,
    "max_comparison_json_bytes": 262144,
    "max_predict_json_bytes": 4194304,
    "max_upload_bytes": 16777216,
    "max_images": 256,
    "max_written_bytes": 500_000_000_000,
    "max_queued": 10_000,
    "max_png_pixels": 4_000_000,
    "max_png_chunks": 50_000,
    "max_jpeg_pixels": 50_000_000,
    "max_jpeg_bytes": 12_582_912,
    "max_jpeg_scans": 32,
    "max_jpeg_segments": 1_000,
    "max_jpeg_metadata_bytes": 2_097_152,
    "max_jpeg_coefficient_bytes": 50_331_648,
}
VERSION = {
    "normserve": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux-x86_64",
    "database": "SQLite 3.53.4",
    "packages": dict.fromkeys(PACKAGES, "…"),
}


class NormDetails(Out):
    """A norm: what it computes, what init does to it, and its known traps."""

    name: str
    """Name of the norm in a spec."""
    title: str
    """Its usual name."""
    formula: str
    """What it computes."""
    parameters_per_unit: int
    """Trained numbers of each normalised unit, besides its weights."""
    running_per_unit: int
    """Running statistics, which are stored and not trained."""
    scope: str
    """The layers that it is applied to by default."""
    init: str
    """What `init` does to it."""
    traps: list[str]
    """What is known to go wrong with it."""
    source: str
    """The paper that introduced it."""


class NormList(Out):
    """All norms."""

    items: list[NormDetails]
    """All norms."""
    next_cursor: None
    """Null: the list has one page."""


class Versions(Out):
    """The versions that results depend on."""

    normserve: str
    """Release of normserve."""
    python: str
    """Release of Python."""
    platform: str
    """Operating system and processor family."""
    database: str
    """Kind and release of the database."""
    packages: dict[str, str]
    """Release of each package that results depend on."""


def _norms() -> NormList:
    return NormList(items=[_view(name, facts) for name, facts in NORMS.items()], next_cursor=None)


def _view(name: str, facts: NormFacts) -> NormDetails:
    shown = {field: getattr(facts, field) for field in NormDetails.model_fields if field != "name"}
    return NormDetails(name=name, **{**shown, "traps": list(facts.traps)})


@router.get(
    "/norms",
    responses={**json_response(200, _norms().model_dump()), **problems()},
)
def list_norms() -> NormList:
    """List the norms with formula, parameters, what init does to each, and known traps."""
    return _norms()


@router.get("/limits", responses={**json_response(200, LIMITS), **problems()})
def get_limits(parts: TheParts) -> dict[str, int]:
    """Return the limits on the size of requests, pictures and the queue, and on what training may write."""
    return parts.limits


@router.get("/version", responses={**json_response(200, VERSION), **problems(503)})
def get_version(database: TheDatabase) -> Versions:
    """Return the versions that results depend on."""
    return Versions(
        normserve=version("normserve"),
        python=sys.version.split()[0],
        platform=f"{platform.system()}-{platform.machine()}",
        database=database.version(),
        packages={name: version(name) for name in PACKAGES},
    )
