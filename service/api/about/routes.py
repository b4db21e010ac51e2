"""Facts about the service: its norms, its limits and its versions."""

import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from models.specs.facts import NORMS, Dimension, NetName, NormFacts, TensorFacts
from service.api.about import limits
from service.api.shared.dependencies import TheDatabase, TheParts
from service.api.shared.openapi import json_response
from service.api.shared.problems import problems
from service.api.shared.schemas import Out
from service.api.shared.scopes import needs
from service.callers import READ

router = APIRouter(tags=["facts"])

PACKAGES = ("torch", "dask", "fastapi", "sqlalchemy", "numpy")
VERSION = {
    "normserve": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux-x86_64",
    "database": "SQLite 3.53.4",
    "packages": dict.fromkeys(PACKAGES, "…"),
}


class StoredTensor(Out):
    """A float32 tensor that each normalised layer has in a weights file."""

    name: str
    """Its name in the file; {layer} is hidden1, hidden2, … or output; for net conv conv1, conv2, … or
    output, for net lstm lstm1.input, lstm1.state, lstm1.cell, lstm1 (the shift of all gates) or output."""
    shape: list[Dimension]
    """Its axes: fan_in is the number of inputs of the layer, n_units that of its units."""
    letter: str
    """Its letter in the formulas."""
    meaning: str
    """What it is."""
    trained: bool
    """Whether the optimizer updates it; running statistics follow the batches instead."""


class NormPaper(Out):
    """The publication that defines a norm."""

    title: str
    """Its title."""
    authors: list[str]
    """Its authors, in their order."""
    year: int
    """The year in which it appeared."""
    arxiv: str
    """Its id at arxiv.org."""
    section: str | None
    """The section that defines the norm; null if the whole paper does."""


class NormDetails(Out):
    """A norm: what it computes and stores, what init does to it, and its known traps."""

    name: str
    """The value of a spec's norm."""
    title: str
    """What the literature calls it."""
    formula: str
    """What a normalised layer computes in training, from a = x W."""
    formula_in_evaluation: str | None
    """What it computes in evaluation and predictions; null if that is the same."""
    statistics: dict[NetName, str] | None
    """What its statistics run over in each kind of net; null if it has none."""
    epsilon: float | None
    """The ε of the formulas; null if they have none."""
    epsilon_place: str | None
    """What ε is added to; null if there is none."""
    running_rate: float | None
    """At each training step, a running statistic becomes (1 − running_rate) · old + running_rate · batch;
    null if there is none. This is momentum in PyTorch; momentum in TensorFlow is 1 − running_rate."""
    tensors: list[StoredTensor]
    """What each normalised layer has in a weights file; other layers have the tensors of norm none."""
    parameters_per_unit: int
    """Trained numbers per unit besides its weights."""
    running_per_unit: int
    """Running statistics per unit, which are stored and not trained."""
    scope: str
    """The layers that it is applied to by default."""
    init: str
    """What data-dependent initialisation does to it."""
    traps: list[str]
    """What is easily got wrong with it."""
    paper: NormPaper | None
    """Where it comes from; null if no publication defines it."""


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
    shown = {
        **asdict(facts),
        "name": name,
        "parameters_per_unit": facts.parameters_per_unit,
        "running_per_unit": facts.running_per_unit,
        "tensors": [_stored(tensor) for tensor in facts.tensors],
    }
    return NormDetails.model_validate({field: shown[field] for field in NormDetails.model_fields})


def _stored(tensor: TensorFacts) -> dict[str, Any]:
    return {**asdict(tensor), "name": f"{{layer}}.{tensor.name}", "trained": tensor.trained}


@router.get(
    "/norms",
    responses=json_response(200, _norms().model_dump()),
)
@needs(READ)
def list_norms() -> NormList:
    """List the norms with formula, ε, stored tensors, what init does to each, known traps, and paper."""
    return _norms()


@router.get("/limits", responses=json_response(200, limits.EXAMPLE))
@needs(READ)
def get_limits(parts: TheParts) -> limits.Limits:
    """Return the limits on the size of requests, pictures and the queue, and on what training may write."""
    return limits.Limits.model_validate(parts.limits)


@router.get("/version", responses={**json_response(200, VERSION), **problems(503)})
@needs(READ)
def get_version(database: TheDatabase) -> Versions:
    """Return the versions that results depend on."""
    return Versions(
        normserve=version("normserve"),
        python=sys.version.split()[0],
        platform=f"{platform.system()}-{platform.machine()}",
        database=database.version(),
        packages={name: version(name) for name in PACKAGES},
    )
