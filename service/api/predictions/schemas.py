"""The schemas of predictions."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.specs.spec import N_CLASSES
from models.specs.strict import StrictModel
from service.api.shared.schemas import Out

MOST_MODELS = 16
Model = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A served name or the id of a job."""
Returned = Literal["probabilities", "logits", "image"]
Scale = Literal["unit", "byte"]
Images = Annotated[list[Any], Field(min_length=1, max_length=4096)]


class PredictionRequest(StrictModel):
    """Images of digits: light ink on black, as in MNIST, or pictures of any kind.

    Exactly one of `images`, `instances` and `inputs` has the images.
    """

    images: Images = Field(default_factory=list)
    """Each 784 numbers, 28 rows of 28 numbers (or of 28 lists of one), or `{"png": base64}`."""
    instances: Images = Field(default_factory=list)
    """The same by the name that clients of TensorFlow Serving and of KServe's V1 protocol use."""
    inputs: Images = Field(default_factory=list)
    """The same by the name of TensorFlow Serving's column format: the response then has `outputs`."""
    signature_name: Literal["serving_default"] = "serving_default"
    """What clients of TensorFlow Serving send; it has no other value, and no effect."""
    scale: Scale = "unit"
    """Whether numbers run from 0 to 1 or from 0 to 255."""
    top_k: Annotated[int, Field(ge=1, le=N_CLASSES)] = 3
    """How many digits to rank."""
    returned: Annotated[list[Returned], Field(max_length=3, alias="return")] = Field(default_factory=list)
    """What to return besides: all ten probabilities, the logits, or the 28×28 input of the net."""


class ModelsPredictionRequest(PredictionRequest):
    """Images of digits, and the models that read them."""

    models: Annotated[list[Model], Field(max_length=MOST_MODELS)] = Field(default_factory=list)
    """Names and job ids; or else the query names them."""


class RankedDigit(Out):
    """A digit and its probability."""

    digit: int
    """The digit."""
    probability: float
    """Its probability by the net."""


class PictureIntake(Out):
    """What was done to a picture before the net saw it."""

    polarity: Literal["light_on_dark", "dark_on_light"]
    """Whether the ink was lighter or darker than the paper."""
    applied: list[str]
    """What was done to the picture, in order."""
    bbox: list[int]
    """Box of the ink in the upright picture, in pixels: left, top, right, bottom."""
    stroke_px: float
    """Width of the strokes, in pixels of the 28×28 image."""
    warnings: list[str]
    """Signs that the picture is not one whole digit."""


class PredictionWarning(Out):
    """A sign that an image is not one whole digit."""

    code: Literal["no_ink", "little_ink", "several_digits", "touches_border", "unlike_mnist", "disputed"]
    """What speaks against one whole digit."""
    message: str
    """The same as a sentence."""


class ImageError(Out):
    """Why an image has no prediction, as a problem would say it."""

    pointer: str
    """RFC 6901 pointer to the image, or to the part of it that is wrong."""
    code: str
    """The code of the problem that the request would be without `partial`."""
    detail: str
    """The rule that the image breaks."""


class PredictedDigit(Out):
    """The prediction for one digit; `intake` is null for pixels.

    For an image with an `error`, lists are empty and all else is null.
    """

    image_index: int | None
    """With `digits=many`, the place of the digit's image in the request, from 0; otherwise null."""
    digit: int | None
    """The most probable digit; null with an `error`."""
    confidence: float | None
    """Its probability."""
    top_k: list[RankedDigit]
    """The most probable digits, `top_k` of them, the most probable first."""
    intake: PictureIntake | None
    """What was done to a picture; null for pixels."""
    warnings: list[PredictionWarning]
    """Signs that the image is not one whole digit; without one, a confident prediction can be trusted."""
    probabilities: list[float] | None
    """All ten; like the next two, null unless `return` names it."""
    logits: list[float] | None
    """The outputs of the net before softmax."""
    image: list[list[float]] | None
    """The 28×28 input of the net."""
    error: ImageError | None
    """With `partial=true`, what is wrong with the image; otherwise null."""


class PredictingNet(Out):
    """The net that predicted."""

    job_id: str
    """Id of the job that trained it."""
    name: str | None
    """Name that it is served under; null if it was addressed by its job."""
    version: int | None
    """Version of that name; null if it was addressed by its job."""
    norm: str
    """Norm of its layers."""
    init: bool
    """Whether it was initialised from data."""
    step: int
    """Updates that it has had."""
    weights_sha256: str
    """sha256 of its safetensors file."""
    from_running_job: bool
    """Whether its job is still in training."""


class PredictionColumns(Out):
    """The predictions by output, as TensorFlow Serving returns them in its column format."""

    digit: list[int | None]
    """The most probable digit of each image; in each column, null for an image with an error."""
    probabilities: list[list[float] | None]
    """All ten probabilities of each image."""
    logits: list[list[float] | None]
    """The ten logits of each image."""


class PredictionResponse(Out):
    """The predictions, in the order of the images."""

    model: PredictingNet
    """The net that read the images."""
    predictions: list[PredictedDigit]
    """One prediction per image, in the order of the images; with `digits=many` one per digit."""
    outputs: PredictionColumns | None
    """The same predictions by output; null unless the body has `inputs`."""


class MissingNet(Out):
    """Why there are no predictions of a net."""

    code: str
    """model-not-ready, model-diverged, checkpoint-corrupt, checkpoint-not-found or job-not-found."""
    message: str
    """The reason, as a sentence."""


class Vote(Out):
    """What several nets see in one image."""

    digit: int | None
    """The digit that most nets see; on ties, the one of which they are surer; null for a refused image."""
    agreement: float | None
    """Share of the nets that see this digit, of those that have a prediction."""
    unanimous: bool
    """Whether all of them see it."""
    dissenting: list[str]
    """The nets that see another digit."""
    message: str
    """The same as a sentence, with the digit that each of the others sees."""


class ModelPredictions(Out):
    """What one of several models sees."""

    asked: str
    """The name or job id that the request has."""
    model: PredictingNet | None
    """The net that read the images; null where there is none."""
    predictions: list[PredictedDigit]
    """One prediction per image; none without a net."""
    missing: MissingNet | None
    """Why there is no net; null where there is one."""


class ModelsPredictionResponse(Out):
    """The predictions of several models."""

    models: list[ModelPredictions]
    """In the order of the request."""
    votes: list[Vote]
    """What they see together, in the order of the images."""
