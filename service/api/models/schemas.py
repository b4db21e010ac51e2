"""The schemas of served models."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BeforeValidator, Field

from models.specs.strict import StrictModel, rule_error
from service.api.shared.schemas import Out
from service.store.served_models import NAME

MOST_STEPS = 1_000_000
NewModelName = Annotated[
    str,
    Path(
        pattern=NAME,
        description="1 to 64 letters, digits, dots, hyphens and underscores, a letter first; upper and lower "
        "case differ. Not job_… or cmp_…, which are ids, nor a word of the paths of the inference protocol.",
    ),
]
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the version.")]


def _as_text(checkpoint: Any) -> Any:
    is_step = type(checkpoint) is int and 1 <= checkpoint <= MOST_STEPS
    if not is_step and checkpoint not in ("best", "latest"):
        raise rule_error("checkpoint", "must be best, latest or a step (an integer)")
    return str(checkpoint)


Checkpoint = Annotated[
    str,
    BeforeValidator(
        _as_text,
        json_schema_input_type=Literal["best", "latest"] | Annotated[int, Field(ge=1, le=MOST_STEPS)],
    ),
]


class ModelTarget(StrictModel):
    """The checkpoint to point a name at."""

    job: Annotated[str, Field(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")]
    """Id of the job that trained the net."""
    checkpoint: Checkpoint = "best"
    """Which of its checkpoints: `best` or `latest`, as they are now, or a step."""


class ModelVersion(Out):
    """A version of a name, and the checkpoint that it serves."""

    version: int
    """Its number, from 1."""
    job_id: str
    """Id of the job that trained the net."""
    step: int
    """Step of the checkpoint."""
    weights_sha256: str
    """sha256 of its safetensors file."""
    created_at: datetime
    """When the name was pointed at it."""


class ServedModel(Out):
    """A name, and what its newest version serves."""

    name: str
    """The name."""
    version: int
    """The newest version, which the name stands for."""
    job_id: str
    """Id of the job that trained the net."""
    step: int
    """Step of the checkpoint."""
    weights_sha256: str
    """sha256 of its safetensors file."""
    created_at: datetime
    """When the name was first used."""
    updated_at: datetime
    """When the newest version was added."""
    links: dict[str, str]
    """Where to read, use and change it."""


class ModelDetails(ServedModel):
    """A name with its versions."""

    versions: list[ModelVersion]
    """The newest first, at most 100; older ones are forgotten."""


class ModelList(Out):
    """A page of models."""

    items: list[ServedModel]
    """The models, the newest name first."""
    next_cursor: str | None
    """Cursor of the next page; null on the last."""


class DeletedModel(Out):
    """A deleted name."""

    name: str
    """The name."""
    versions: int
    """How many versions were deleted with it."""


class DeletedVersion(Out):
    """A deleted version."""

    name: str
    """The name."""
    version: int
    """The number of the version."""
