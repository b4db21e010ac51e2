"""Prediction: which digit the net of a job sees in each image."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from service.api.predictions import examples
from service.api.predictions.bodies import Wanted, read_body
from service.api.predictions.schemas import PredictionResponse
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.disconnection import unless_gone
from service.api.shared.openapi import binary, json_response, request_example
from service.api.shared.parameters import JobId
from service.api.shared.problems import problems
from service.serving.doubts import MESSAGES, doubts_of
from service.serving.inputs import DigitsWanted, Inputs, read_in_slices
from service.serving.pool import Slices, finish
from service.serving.predictor import Prediction, Served, predict_in_slices

if TYPE_CHECKING:
    from service.serving.intake.reports import Doubt

router = APIRouter(tags=["predict"])

Checkpoint = Annotated[
    str, Query(pattern=r"^(latest|best|\d{1,9})$", description="A step that has one, `latest` or `best`.")
]
Digits = Annotated[
    DigitsWanted, Query(description="Whether each picture is one digit, or all digits of a picture are read.")
]
BODIES = {
    "application/json": {
        "schema": {"$ref": "#/components/schemas/PredictionRequest"},
        "examples": request_example(examples.PIXELS),
    },
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {
                    "type": "array",
                    "minItems": 1,
                    "description": "PNG or JPEG files.",
                    "items": binary("application/octet-stream"),
                }
            },
            "additionalProperties": False,
        }
    },
    "image/png": {"schema": binary("image/png")},
    "image/jpeg": {"schema": binary("image/jpeg")},
}


@router.post(
    "/jobs/{job_id}/predict",
    response_model=PredictionResponse,
    responses={
        **json_response(200, examples.PREDICTION),
        **problems(400, 404, 408, 409, 415, 503),
    },
    openapi_extra={"requestBody": {"required": True, "content": BODIES}},
)
@takes_bodies(
    {
        "application/json": "max_predict_json_bytes",
        "multipart/form-data": "max_upload_bytes",
        "image/png": "max_upload_bytes",
        "image/jpeg": "max_upload_bytes",
    }
)
async def predict_digits(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    checkpoint: Checkpoint = "latest",
    digits: Digits = "one",
) -> Response:
    """Predict digits with the net of a job: its latest checkpoint, its best one, or the one of a step.

    The prediction for an image is bit-identical alone and among others. A running job predicts with its
    newest checkpoint.
    """
    wanted = await read_body(request, parts.limits["max_images"], digits)
    served = parts.predictor.find_fresh(job_id, checkpoint) if wanted.is_small else None
    if served is not None and served.is_small:
        return finish(_predict(served, wanted))
    slices = _look_up_and_predict(parts, job_id, checkpoint, wanted)
    return await unless_gone(request, parts.pool.run(slices, wanted.cost()))


def _look_up_and_predict(parts: Parts, job_id: str, checkpoint: str, wanted: Wanted) -> Slices[Response]:
    return (yield from _predict(parts.predictor.get(job_id, checkpoint), wanted))


def _predict(served: Served, wanted: Wanted) -> Slices[Response]:
    inputs = yield from read_in_slices(wanted.images)
    prediction = yield from predict_in_slices(served, inputs.pixels)
    ranks = prediction.ranked_digits(wanted.top_k)
    found = [ranked[0] for ranked in ranks]
    doubts = doubts_of(served.dataset, inputs.pixels, found, inputs.doubts)
    body = {
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
            _predicted(prediction, ranked, row, inputs, wanted) | {"warnings": _warnings(doubts[row])}
            for row, ranked in enumerate(ranks)
        ],
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _predicted(
    prediction: Prediction, ranked: list[int], row: int, inputs: Inputs, wanted: Wanted
) -> dict[str, Any]:
    probabilities = prediction.probabilities[row].tolist()
    report = inputs.reports[row]
    optional = {
        "probabilities": probabilities.copy,
        "logits": prediction.logits[row].tolist,
        "image": lambda: inputs.pixels[row].reshape(28, 28).tolist(),
    }
    return {
        "image_index": inputs.places[row] if wanted.digits == "many" else None,
        "digit": ranked[0],
        "confidence": probabilities[ranked[0]],
        "top_k": [{"digit": digit, "probability": probabilities[digit]} for digit in ranked],
        "intake": None if report is None else asdict(report),
        **{name: read() if name in wanted.returned else None for name, read in optional.items()},
    }


def _warnings(doubts: "list[Doubt]") -> list[dict[str, str]]:
    return [{"code": doubt, "message": MESSAGES[doubt]} for doubt in doubts]
