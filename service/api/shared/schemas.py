"""The schemas that several resources use."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.store.tables import MAX_PRIORITY, MIN_PRIORITY

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Priority = Annotated[int, Field(ge=MIN_PRIORITY, le=MAX_PRIORITY)]
Label = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Out(BaseModel):
    """A response body; every field is always present."""

    model_config = ConfigDict(
        extra="forbid", json_schema_serialization_defaults_required=True, use_attribute_docstrings=True
    )


class ResultWarning(Out):
    """Something that a reader of the results should know."""

    code: str
    """groups_of_two, large_effective_step, blank_rows, decay_without_scale or other_build."""
    message: str
    """What to know, as a sentence."""


class EvaluatedCheckpoint(Out):
    """A checkpoint of a job."""

    job_id: str
    """Id of the job that trained it."""
    step: int
    """Updates that it has had."""
    weights_sha256: str
    """sha256 of its safetensors file."""
    from_running_job: bool
    """Whether its job is still in training."""
