"""The schemas of predictions."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.specs.spec import N_CLASSES
from models.specs.strict import StrictModel
from service.api.shared.schemas import Out, ResultWarning

Returned = Literal["probabilities", "logits", "image"]


class PredictionRequest(StrictModel):
    """Images of digits: light ink on black, as in MNIST, or pictures of any kind."""

    images: Annotated[list[Any], Field(min_length=1, max_length=4096)]
    """Each 784 numbers, 28 rows of 28 numbers, or `{"png": base64}`."""
    scale: Literal["unit", "byte"] = "unit"
    """Whether numbers run from 0 to 1 or from 0 to 255."""
    top_k: Annotated[int, Field(ge=1, le=N_CLASSES)] = 3
    """How many digits to rank."""
    returned: Annotated[list[Returned], Field(max_length=3, alias="return")] = Field(default_factory=list)
    """What to return besides: all ten probabilities, the logits, or the 28×28 input of the net."""


class RankedDigit(Out):
    """A digit and its probability."""

    digit: int
    probability: float


class PictureIntake(Out):
    """What was done to a picture before the net saw it."""

    polarity: Literal["light_on_dark", "dark_on_light"]
    applied: list[str]
    bbox: list[int]
    stroke_px: float
    warnings: list[str]


class PredictedDigit(Out):
    """The prediction for one image; `intake` is null for pixels."""

    digit: int
    confidence: float
    top_k: list[RankedDigit]
    intake: PictureIntake | None
    warnings: list[ResultWarning]
    probabilities: list[float] | None
    """All ten; like the next two, null unless `return` names it."""
    logits: list[float] | None
    image: list[list[float]] | None
    """The 28×28 input of the net."""


class PredictingNet(Out):
    """The net that predicted."""

    job_id: str
    name: str | None
    version: int | None
    norm: str
    init: bool
    step: int
    weights_sha256: str
    from_running_job: bool


class PredictionResponse(Out):
    """The predictions, in the order of the images."""

    model: PredictingNet
    predictions: list[PredictedDigit]
