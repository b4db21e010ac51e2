"""Prediction: pixels as JSON, files of a form, or a bare picture."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from models.specs.spec import N_CLASSES
from models.specs.strict import StrictModel
from service.api import examples
from service.api.deps import InvalidBody, Parts, TheParts
from service.api.job_view import Out, WarningOut
from service.api.problems import problems
from service.errors import FieldError, MalformedUpload, ValidationFailed
from service.serving.inputs import Inputs, read_images, read_pictures
from service.serving.predictor import Prediction, Served, predict

router = APIRouter(tags=["predict"])

ROWS_ON_LOOP = 64
Returned = Literal["probabilities", "logits", "image"]


class PredictIn(StrictModel):
    """Digits to read: light ink on black, as MNIST has them, or pictures of any kind."""

    images: Annotated[list[Any], Field(min_length=1, max_length=4096)]
    """Each 784 numbers, 28 rows of 28 numbers, or `{"png": base64}`."""
    scale: Literal["unit", "byte"] = "unit"
    """Whether numbers run from 0 to 1 or from 0 to 255."""
    top_k: Annotated[int, Field(ge=1, le=N_CLASSES)] = 3
    """How many digits to rank."""
    returned: Annotated[list[Returned], Field(max_length=3, alias="return")] = Field(default_factory=list)
    """More to answer: all ten probabilities, the logits, or the 28×28 that was fed."""


class Ranked(Out):
    """A digit and its probability."""

    digit: int
    probability: float


class IntakeOut(Out):
    """What was done to a picture before the net saw it."""

    polarity: Literal["light_on_dark", "dark_on_light"]
    applied: list[str]
    bbox: list[int]
    stroke_px: float
    warnings: list[str]


class PredictedOut(Out):
    """What the net sees in one image; `intake` is null for pixels."""

    digit: int
    confidence: float
    top_k: list[Ranked]
    intake: IntakeOut | None
    warnings: list[WarningOut]
    probabilities: list[float] | None
    """All ten; null, as the next two, unless asked for with `return`."""
    logits: list[float] | None
    image: list[list[float]] | None
    """The 28×28 that was fed."""


class ModelOut(Out):
    """The net that answered."""

    job_id: str
    name: str | None
    version: int | None
    norm: str
    init: bool
    step: int
    weights_sha256: str
    from_running_job: bool


class PredictionOut(Out):
    """The answers, in the order of the images."""

    model: ModelOut
    predictions: list[PredictedOut]


BODIES = {
    "application/json": {
        "schema": {"$ref": "#/components/schemas/PredictIn"},
        "examples": examples.requests(examples.PIXELS),
    },
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
        }
    },
    "image/png": {"schema": {"type": "string", "format": "binary"}},
    "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
}


@router.post(
    "/jobs/{job_id}/predict",
    response_model=PredictionOut,
    responses={
        **examples.answer(200, examples.PREDICTION),
        **problems(400, 404, 408, 409, 415, 503),
    },
    openapi_extra={"requestBody": {"required": True, "content": BODIES}},
)
async def predict_digits(
    request: Request,
    parts: TheParts,
    job_id: str,
    checkpoint: Annotated[str, Query(pattern=r"^(latest|best|\d{1,9})$")] = "latest",
) -> Response:
    """Read digits with the net of a job: its latest checkpoint, its best, or that of a step.

    A row has the same bits alone and among others. A running job answers with its newest checkpoint.
    """
    kind = request.headers["content-type"].partition(";")[0].strip().lower()
    asked = PredictIn(images=[None])
    if kind == "application/json":
        asked = _parse(await request.body(), parts.limits["max_images"])
        small = len(asked.images) <= ROWS_ON_LOOP and not any(
            isinstance(image, dict) for image in asked.images
        )
        served = parts.predictor.find_fresh(job_id, checkpoint)
        if small and served is not None and served.is_small:
            return _predict(served, read_images(asked.images, asked.scale), asked)
        read: Any = (read_images, asked.images, asked.scale)
    else:
        files = await _files(request, parts.limits["max_images"]) if kind == "multipart/form-data" else None
        pictures = [await request.body()] if files is None else files
        pointers = [""] if files is None else [f"/file/{place}" for place in range(len(pictures))]
        read = (read_pictures, pictures, pointers)
    return await parts.pool.run(_look_up_and_predict, parts, job_id, checkpoint, read, asked)


def _look_up_and_predict(parts: Parts, job_id: str, checkpoint: str, read: Any, asked: PredictIn) -> Response:
    served = parts.predictor.get(job_id, checkpoint)
    function, *arguments = read
    return _predict(served, function(*arguments), asked)


def _parse(body: bytes, max_images: int) -> PredictIn:
    try:
        asked = PredictIn.model_validate(orjson.loads(body))
    except ValidationError as error:
        # The app's handler for bodies knows FastAPI's own errors only.
        raise InvalidBody(error.errors(include_url=False)) from None
    if len(asked.images) > max_images:
        raise ValidationFailed(
            "images", [FieldError("/images", "too_long", f"must have at most {max_images} images")]
        )
    return asked


async def _files(request: Request, max_files: int) -> list[bytes]:
    """Read the parts named `file`; their names and types mean nothing, their bytes do."""
    rule = f"the form must be multipart/form-data with 1 to {max_files} parts named file"
    if not (await request.body()).rstrip().endswith(b"--"):
        raise MalformedUpload(f"{rule}; it has no end")
    try:
        async with request.form(max_files=max_files, max_fields=0) as form:
            files = form.getlist("file")
            if not files or len(files) != len(form.multi_items()):
                place = FieldError("/file", "missing", "must be one or more files, and nothing else")
                raise ValidationFailed("the form has no files to read", [place])
            return [await file.read() for file in files if isinstance(file, UploadFile)]
    except (HTTPException, UnicodeError) as error:  # a charset of the client's can fail to decode a name
        if isinstance(error, HTTPException) and error.detail.startswith("Too many files"):
            places = [FieldError("/file", "too_long", f"must have at most {max_files} files")]
            raise ValidationFailed(rule, places) from None
        raise MalformedUpload(rule) from None


def _predict(served: Served, inputs: Inputs, asked: PredictIn) -> Response:
    prediction = predict(served, inputs.pixels)
    ranks = np.argsort(-prediction.logits, axis=1, kind="stable")[:, : asked.top_k]
    answer = {
        "model": {
            "job_id": served.job_id,
            "name": None,
            "version": None,
            "norm": served.norm,
            "init": served.init,
            "step": served.step,
            "weights_sha256": served.weights_sha256,
            "from_running_job": served.from_running_job,
        },
        "predictions": [
            _predicted(prediction, ranks[row].tolist(), row, inputs, asked) for row in range(len(ranks))
        ],
    }
    return Response(orjson.dumps(answer), media_type="application/json")


def _predicted(
    prediction: Prediction, ranked: list[int], row: int, inputs: Inputs, asked: PredictIn
) -> dict[str, Any]:
    probabilities = prediction.probabilities[row].tolist()
    report = inputs.reports[row]
    more = {
        "probabilities": probabilities.copy,
        "logits": prediction.logits[row].tolist,
        "image": lambda: inputs.pixels[row].reshape(28, 28).tolist(),
    }
    return {
        "digit": ranked[0],
        "confidence": probabilities[ranked[0]],
        "top_k": [{"digit": digit, "probability": probabilities[digit]} for digit in ranked],
        "intake": None if report is None else asdict(report),
        "warnings": [],
        **{name: more[name]() if name in asked.returned else None for name in more},
    }
