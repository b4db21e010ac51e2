"""Examples of predictions."""

from typing import Any

from service.api.jobs.examples import JOB_ID

BAR = [0] * 13 + [1] * 2 + [0] * 13
PIXELS = {"images": [[0] * 112 + BAR * 20 + [0] * 112], "top_k": 3}
SQUARE = [[[value] for value in row] for row in [[0] * 28] * 4 + [BAR] * 20 + [[0] * 28] * 4]
INSTANCES = {"signature_name": "serving_default", "instances": [SQUARE]}
INPUTS = {"inputs": [SQUARE]}
PREDICTION: dict[str, Any] = {
    "model": {
        "job_id": JOB_ID,
        "name": None,
        "version": None,
        "norm": "weight",
        "init": True,
        "step": 1000,
        "weights_sha256": "e0386f…",
        "from_running_job": False,
    },
    "predictions": [
        {
            "image_index": None,
            "digit": 7,
            "confidence": 0.998,
            "top_k": [
                {"digit": 7, "probability": 0.998},
                {"digit": 9, "probability": 0.0012},
                {"digit": 3, "probability": 0.0004},
            ],
            "intake": None,
            "warnings": [],
            "probabilities": None,
            "logits": None,
            "image": None,
            "error": None,
        }
    ],
    "outputs": None,
}
NAMED_PREDICTION = {**PREDICTION, "model": {**PREDICTION["model"], "name": "digits", "version": 2}}
MODELS_PIXELS = {"models": [JOB_ID], **PIXELS}
VOTE = {
    "digit": 7,
    "agreement": 1.0,
    "unanimous": True,
    "dissenting": [],
    "message": "The net sees 7.",
}
_PROBABILITIES = [0.0, 0.0, 0.0001, 0.0004, 0.0, 0.0, 0.0, 0.998, 0.0003, 0.0012]
SEEN = [{**each, "probabilities": _PROBABILITIES} for each in PREDICTION["predictions"]]
MODELS_PREDICTION = {
    "models": [{"asked": JOB_ID, "model": PREDICTION["model"], "predictions": SEEN, "missing": None}],
    "votes": [VOTE],
}
