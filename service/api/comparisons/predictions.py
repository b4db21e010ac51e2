"""One image through every arm of a comparison."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from models.specs.spec import MAX_SEED
from service.api.comparisons import examples
from service.api.comparisons.prediction_schemas import ComparisonPrediction
from service.api.comparisons.responses import GivenLearningRate
from service.api.predictions.bodies import PredictionQuery, read_body
from service.api.predictions.joint import GONE, Candidate, joint_cost, limit_images, predict_jointly, vote
from service.api.predictions.routes import BODIES, LIMITS, PROBLEMS, described
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.disconnection import unless_gone
from service.api.shared.openapi import json_response
from service.api.shared.parameters import ChosenCheckpoint, ComparisonId
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.callers import PREDICT
from service.comparing.nets import ArmNet, Nets, choose_nets
from service.comparing.runs import rate_of
from service.comparing.state import read_state
from service.serving.pool import Slices
from service.serving.targets import Target
from service.store.database import Database

router = APIRouter(tags=["comparisons"])

Seed = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_SEED,
        description="The seed whose runs predict; by default the first for which every arm has a checkpoint, "
        "or else for which most have one.",
    ),
    WHOLE,
]


@router.post(
    "/comparisons/{comparison_id}/predict",
    response_model=ComparisonPrediction,
    responses={**json_response(200, examples.PREDICTED), **PROBLEMS},
    openapi_extra=described(BODIES),
)
@takes_bodies(LIMITS)
@needs(PREDICT)
async def predict_digits_with_arms(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    seed: Seed = None,
    learning_rate: GivenLearningRate = None,
    checkpoint: ChosenCheckpoint = "latest",
) -> Response:
    """Predict digits with one run of each arm, and show where the arms agree.

    An arm without a net is shown with the reason. `votes` has the digit that most arms see.
    """
    wanted = await read_body(request, parts.limits["max_images"])
    nets = await run_in_threadpool(_choose, parts.database, comparison_id, learning_rate, seed)
    return await predict_with_nets(request, parts, comparison_id, nets, wanted, checkpoint)


async def predict_with_nets(
    request: Request,
    parts: Parts,
    comparison_id: str,
    nets: Nets,
    wanted: PredictionQuery,
    checkpoint: str = "latest",
) -> Response:
    """Respond with what the nets of a comparison see; 499 if the client has gone.

    Raises ValidationFailed for too many images, ModelNotReady if no net is there, and errors of the images.
    """
    wanted = limit_images(wanted, len(nets.arms), parts.limits["max_images"])
    slices = _predict(parts, comparison_id, nets, checkpoint, wanted)
    return await unless_gone(request, parts.pool.run(slices, joint_cost(wanted, len(nets.arms))))


def _choose(database: Database, comparison_id: str, rate: float | None, seed: int | None) -> Nets:
    with database.snapshot() as session:
        return choose_nets(session, read_state(session, comparison_id, rate), seed)


def _predict(
    parts: Parts, comparison_id: str, nets: Nets, checkpoint: str, wanted: PredictionQuery
) -> Slices[Response]:
    candidates = [_candidate(net, checkpoint) for net in nets.arms]
    outcomes = yield from predict_jointly(parts.predictor, candidates, wanted, GONE)
    body = {
        "comparison_id": comparison_id,
        "seed": nets.seed,
        "arms": [{**_facts(net), **outcome.shown} for net, outcome in zip(nets.arms, outcomes, strict=True)],
        "votes": vote(outcomes),
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _candidate(net: ArmNet, checkpoint: str) -> Candidate:
    if net.run is None or net.missing is not None:
        return Candidate(net.arm, None, net.missing)
    return Candidate(net.arm, Target(net.run.id, checkpoint))


def _facts(net: ArmNet) -> dict[str, Any]:
    run = net.run
    return {
        "arm": net.arm,
        "job_id": None if run is None else run.id,
        "learning_rate": None if run is None else rate_of(run),
    }
