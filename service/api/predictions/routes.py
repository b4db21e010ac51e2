"""Prediction: which digit the net of a job sees in each image."""

from copy import deepcopy
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from service.api.predictions import examples
from service.api.predictions.bodies import PARTS, PredictionQuery, read_body
from service.api.predictions.nets import predict_with_net
from service.api.predictions.options import PARAMETERS
from service.api.predictions.schemas import PredictionResponse
from service.api.predictions.views import columns_of, predictions_of
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import parts_of
from service.api.shared.openapi import binary, json_response, request_example
from service.api.shared.parameters import ChosenCheckpoint, JobId, ModelName
from service.api.shared.problems import problems
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.callers import PREDICT
from service.serving.inputs import DigitsWanted, read_in_slices
from service.serving.pool import Slices
from service.serving.predictor import Served, Which

router = APIRouter(tags=["predict"])

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="By default, the newest."), WHOLE]
Digits = Annotated[
    DigitsWanted, Query(description="Whether each picture is one digit, or all digits of a picture are read.")
]
PICTURES = tuple(f"image/{name}" for name in ("png", "jpeg", "webp", "gif", "bmp"))
FILES = {
    "type": "array",
    "minItems": 1,
    "description": "Files of pictures; their bytes decide what they are, not their names and types.",
    "items": binary("application/octet-stream"),
}
BODIES: dict[str, Any] = {
    "application/json": {
        "schema": {"$ref": "#/components/schemas/PredictionRequest"},
        "examples": {
            **request_example(examples.PIXELS),
            "instances": {
                "summary": "As clients of TensorFlow Serving and KServe send",
                "value": examples.INSTANCES,
            },
            "inputs": {"summary": "As TensorFlow Serving's column format", "value": examples.INPUTS},
        },
    },
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "minProperties": 1,
            "properties": dict.fromkeys(PARTS, FILES),
            "additionalProperties": False,
        }
    },
    "application/octet-stream": {
        "schema": {
            **binary("application/octet-stream"),
            "description": "Images as little-endian float32: 784 numbers, 3,136 bytes, per image.",
        }
    },
    **{kind: {"schema": binary(kind)} for kind in PICTURES},
}

LIMITS = dict.fromkeys(BODIES, "max_upload_bytes") | {"application/json": "max_predict_json_bytes"}
PROBLEMS = problems(404, 409, 415, 503)


def described(bodies: dict[str, Any]) -> dict[str, Any]:
    """Describe the bodies and the options of a prediction for OpenAPI."""
    return {"parameters": deepcopy(PARAMETERS), "requestBody": {"required": True, "content": bodies}}


@router.post(
    "/jobs/{job_id}/predict",
    response_model=PredictionResponse,
    responses={**json_response(200, examples.PREDICTION), **PROBLEMS},
    openapi_extra=described(BODIES),
)
@takes_bodies(LIMITS)
@needs(PREDICT)
async def predict_digits(
    request: Request,
    job_id: JobId,
    checkpoint: ChosenCheckpoint = "latest",
    digits: Digits = "one",
) -> Response:
    """Predict digits with the net of a job: its latest checkpoint, its best one, or the one of a step.

    The prediction for an image is bit-identical alone and among others. A running job predicts with its
    newest checkpoint.
    """
    return await _predict_with(request, (job_id, checkpoint), digits)


@router.post(
    "/models/{model_name}/predict",
    response_model=PredictionResponse,
    responses={**json_response(200, examples.NAMED_PREDICTION), **PROBLEMS},
    openapi_extra=described(BODIES),
)
@takes_bodies(LIMITS)
@needs(PREDICT)
async def predict_digits_with_model(
    request: Request,
    model_name: ModelName,
    version: Version = None,
    digits: Digits = "one",
) -> Response:
    """Predict digits with the net that a name points at, or with an older version of the name.

    `model` in the response has the version. A name that is pointed elsewhere is followed within a second.
    """
    return await _predict_with(request, (model_name, version), digits)


async def _predict_with(request: Request, target: tuple[str, Which], digits: DigitsWanted) -> Response:
    parts = parts_of(request)
    wanted = await read_body(request, parts.limits["max_images"], digits)
    work = partial(_predict, wanted)
    return await predict_with_net(request, parts, target, work, wanted.cost(), wanted.is_small)


def _predict(wanted: PredictionQuery, served: Served) -> Slices[Response]:
    inputs = yield from read_in_slices(wanted.images, wanted.is_partial)
    shown, prediction = yield from predictions_of(served, inputs, wanted)
    outputs = columns_of(inputs, prediction) if wanted.has_columns else None
    return Response(orjson.dumps({**shown, "outputs": outputs}), media_type="application/json")
