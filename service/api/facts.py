"""What the service knows and allows: norms, limits, versions."""

import platform
import sys
from importlib.metadata import version

from fastapi import APIRouter

from models.specs.facts import NORMS, NormFacts
from service.api.deps import TheDatabase, TheParts
from service.api.job_view import Out
from service.api.problems import problems

router = APIRouter(tags=["facts"])

PACKAGES = ("torch", "dask", "fastapi", "sqlalchemy", "numpy")


class NormOut(Out):
    """A norm: what it computes, what init does to it, and what people trip over."""

    name: str
    title: str
    formula: str
    parameters_per_unit: int
    running_per_unit: int
    """Running statistics, which are kept and not trained."""
    scope: str
    """The layers that it normalises by default."""
    init: str
    traps: list[str]
    source: str


class NormList(Out):
    """All norms."""

    items: list[NormOut]
    next_cursor: None


class VersionOut(Out):
    """What runs here."""

    normserve: str
    python: str
    platform: str
    database: str
    packages: dict[str, str]


def _norms() -> NormList:
    return NormList(items=[_view(name, facts) for name, facts in NORMS.items()], next_cursor=None)


def _view(name: str, facts: NormFacts) -> NormOut:
    shown = {field: getattr(facts, field) for field in NormOut.model_fields if field != "name"}
    return NormOut(name=name, **{**shown, "traps": list(facts.traps)})


@router.get(
    "/norms",
    responses={
        200: {"content": {"application/json": {"example": _norms().model_dump()}}},
        **problems(),
    },
)
def list_norms() -> NormList:
    """List the norms with formula, parameters, what init does to each, and known traps."""
    return _norms()


@router.get(
    "/limits",
    responses={
        200: {
            "content": {
                "application/json": {
                    "example": {
                        "max_json_bytes": 65536,
                        "max_comparison_json_bytes": 262144,
                        "max_predict_json_bytes": 4194304,
                        "max_upload_bytes": 16777216,
                        "max_images": 256,
                        "max_png_pixels": 4_000_000,
                        "max_png_chunks": 50_000,
                        "max_jpeg_pixels": 50_000_000,
                        "max_jpeg_bytes": 12_582_912,
                        "max_jpeg_scans": 32,
                        "max_jpeg_segments": 1_000,
                        "max_jpeg_metadata_bytes": 2_097_152,
                        "max_jpeg_coefficient_bytes": 50_331_648,
                    }
                }
            }
        },
        **problems(),
    },
)
def get_limits(parts: TheParts) -> dict[str, int]:
    """Answer the sizes that requests and pictures may have."""
    return parts.limits


@router.get(
    "/version",
    responses={
        200: {
            "content": {
                "application/json": {
                    "example": {
                        "normserve": "0.1.0",
                        "python": "3.11.7",
                        "platform": "Linux-x86_64",
                        "database": "SQLite 3.53.4",
                        "packages": dict.fromkeys(PACKAGES, "…"),
                    }
                }
            }
        },
        **problems(503),
    },
)
def get_version(database: TheDatabase) -> VersionOut:
    """Answer the versions that results depend on."""
    return VersionOut(
        normserve=version("normserve"),
        python=sys.version.split()[0],
        platform=f"{platform.system()}-{platform.machine()}",
        database=database.version(),
        packages={name: version(name) for name in PACKAGES},
    )
