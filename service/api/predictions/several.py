"""Prediction with several models at once, named or by their jobs."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from service.api.predictions import examples
from service.api.predictions.bodies import PredictionQuery, read_body
from service.api.predictions.joint import ABSENT, Candidate, joint_cost, limit_images, predict_jointly, vote
from service.api.predictions.routes import BODIES, LIMITS, PROBLEMS, described
from service.api.predictions.schemas import (
    MOST_MODELS,
    Model,
    ModelsPredictionRequest,
    ModelsPredictionResponse,
)
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.disconnection import unless_gone
from service.api.shared.openapi import json_response, request_example
from service.api.shared.scopes import needs
from service.callers import PREDICT
from service.errors import FieldError, ValidationFailed
from service.serving.pool import Slices
from service.serving.targets import target_of

router = APIRouter(tags=["predict"])

WITH_MODELS = {
    **BODIES,
    "application/json": {
        "schema": {"$ref": "#/components/schemas/ModelsPredictionRequest"},
        "examples": request_example(examples.MODELS_PIXELS),
    },
}


@router.post(
    "/predict",
    response_model=ModelsPredictionResponse,
    responses={**json_response(200, examples.MODELS_PREDICTION), **PROBLEMS},
    openapi_extra=described(WITH_MODELS),
)
@takes_bodies(LIMITS)
@needs(PREDICT)
async def predict_digits_with_models(
    request: Request,
    parts: TheParts,
    model: Annotated[
        list[Model] | None, Query(max_length=MOST_MODELS, description="A name or a job id; may be repeated.")
    ] = None,
) -> Response:
    """Predict digits with several models, named in the query or in `models` of a JSON body.

    A job predicts with its latest checkpoint, a name with its newest version. A model whose net is not there
    yet is shown as missing; one that does not exist is an error.
    """
    wanted = await read_body(request, parts.limits["max_images"], schema=ModelsPredictionRequest)
    return await predict_with_models(request, parts, [*(model or []), *wanted.models], wanted)


async def predict_with_models(
    request: Request, parts: Parts, models: list[str], wanted: PredictionQuery
) -> Response:
    """Respond with what models see, as names or job ids; 499 if the client has gone.

    Raises ValidationFailed for too few, too many or repeated models, and what the models' look-up raises.
    """
    if not 1 <= len(models) <= MOST_MODELS or len({*models}) < len(models):
        rule = f"must name 1 to {MOST_MODELS} different models, here or in the query"
        raise ValidationFailed("the models are wrong", [FieldError("/models", "models", rule)])
    wanted = limit_images(wanted, len(models), parts.limits["max_images"])
    slices = _predict(parts, models, wanted)
    return await unless_gone(request, parts.pool.run(slices, joint_cost(wanted, len(models))))


def _predict(parts: Parts, models: list[str], wanted: PredictionQuery) -> Slices[Response]:
    candidates = [Candidate(each, target_of(each, None)) for each in models]
    outcomes = yield from predict_jointly(parts.predictor, candidates, wanted, ABSENT)
    body = {"models": [{"asked": each.label, **each.shown} for each in outcomes], "votes": vote(outcomes)}
    return Response(orjson.dumps(body), media_type="application/json")
