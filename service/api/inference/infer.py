"""Inference by the Open Inference Protocol, in JSON and with binary tensors."""

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from models.specs.spec import N_IN
from service.api.inference.requests import read_inference
from service.api.predictions.bodies import FEW_IMAGES
from service.api.predictions.nets import predict_with_net
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, parts_of
from service.api.shared.scopes import needs
from service.callers import PREDICT
from service.serving.inference_counts import Stopwatch
from service.serving.pool import Slices
from service.serving.predictor import Prediction, Served, predict_in_slices
from service.serving.targets import target_of, version_of
from service.serving.tensors import Inference, encode

router = APIRouter(include_in_schema=False)

Read = Callable[[], Inference]

JSON_BYTES = "Inference-Header-Content-Length"
BYTES_PER_PIXEL = 4
LIMITS = dict.fromkeys(("application/json", "application/octet-stream", ""), "max_predict_json_bytes")


@router.post("/v2/models/{model_name}/infer")
@router.post("/v2/models/{model_name}/versions/{version}/infer")
@takes_bodies(LIMITS)
@needs(PREDICT)
async def infer(request: Request, model_name: str, version: str | None = None) -> Response:
    """Read digits from a tensor of pixels with a served name or a job."""
    parts = parts_of(request)
    body, length = await request.body(), request.headers.get(JSON_BYTES)
    read = partial(read_inference, body, None if length is None else int(length), parts.limits["max_images"])
    n_pixels = len(body) // BYTES_PER_PIXEL
    work = partial(_infer, parts, model_name, read, Stopwatch())
    return await predict_with_net(
        request, parts, target_of(model_name, version), work, n_pixels, n_pixels <= FEW_IMAGES * N_IN
    )


def _infer(parts: Parts, model: str, read: Read, watch: Stopwatch, served: Served) -> Slices[Response]:
    n_rows = None
    try:
        with watch.stage("compute_input"):
            inference = read()
        with watch.stage("compute_infer"):
            prediction = yield from predict_in_slices(served, inference.pixels)
        with watch.stage("compute_output"):
            response = _respond(model, version_of(served), inference, prediction)
        n_rows = len(inference.pixels)
        return response
    finally:
        parts.inferences.add(model, version_of(served), watch, n_rows)


def _respond(model: str, version: str, inference: Inference, prediction: Prediction) -> Response:
    outputs, after = encode(inference.outputs, prediction)
    named: dict[str, Any] = {"model_name": model, "model_version": version}
    echoed = {} if inference.id is None else {"id": inference.id}
    body = orjson.dumps({**named, **echoed, "outputs": outputs})
    if not any(output.is_binary for output in inference.outputs):
        return Response(body, media_type="application/json")
    headers = {JSON_BYTES: str(len(body))}
    return Response(body + after, headers=headers, media_type="application/octet-stream")
