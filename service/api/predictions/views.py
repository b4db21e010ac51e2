"""The predictions of one net as clients see them."""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from service.api.predictions.bodies import PredictionQuery
from service.serving.doubts import MESSAGES, doubts_of
from service.serving.inputs import Inputs
from service.serving.pool import Slices
from service.serving.predictor import Prediction, Served, predict_in_slices

if TYPE_CHECKING:
    from service.serving.intake.reports import Doubt


def predictions_of(
    served: Served, inputs: Inputs, wanted: PredictionQuery
) -> Slices[tuple[dict[str, Any], Prediction]]:
    """Predict with one net; return what a response shows of it and its predictions, and the numbers."""
    prediction = yield from predict_in_slices(served, inputs.pixels)
    ranks = prediction.ranked_digits(wanted.top_k)
    found = [ranked[0] for ranked in ranks]
    doubts = doubts_of(served.dataset, inputs.pixels, found, inputs.doubts)
    shown: dict[str, Any] = {
        "model": {
            "job_id": served.job_id,
            "name": served.name,
            "version": served.version,
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
    if inputs.refused:
        refused = partial(_refused, inputs, wanted)
        shown["predictions"] = inputs.with_refused(shown["predictions"], refused)
    return shown, prediction


def columns_of(inputs: Inputs, prediction: Prediction) -> dict[str, Any]:
    """Return a prediction by output; null for each image that was refused."""
    columns: dict[str, list[Any]] = {
        "digit": [digit for [digit] in prediction.ranked_digits(1)],
        "probabilities": prediction.probabilities.tolist(),
        "logits": prediction.logits.tolist(),
    }
    return {name: inputs.with_refused(column, lambda _: None) for name, column in columns.items()}


def _predicted(
    prediction: Prediction, ranked: list[int], row: int, inputs: Inputs, wanted: PredictionQuery
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
        "error": None,
    }


def _refused(inputs: Inputs, wanted: PredictionQuery, place: int) -> dict[str, Any]:
    error = inputs.refused[place]
    [wrong, *_] = error.errors
    return {
        "image_index": place if wanted.digits == "many" else None,
        **dict.fromkeys(("digit", "confidence", "intake", "probabilities", "logits", "image")),
        "top_k": [],
        "warnings": [],
        "error": {"pointer": wrong.pointer, "code": error.code, "detail": wrong.message},
    }


def _warnings(doubts: "list[Doubt]") -> list[dict[str, str]]:
    return [{"code": doubt, "message": MESSAGES[doubt]} for doubt in doubts]
