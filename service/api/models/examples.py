"""Examples of served models."""

from typing import Any

from service.api.jobs.examples import JOB_ID

TARGET = {"job": JOB_ID, "checkpoint": "best"}
WEIGHTS = "e0386f2c4c1b7f0a9b5d0c61f2f6b5f5f0f9a9f1d6c94c3e8f1e2b7d0a4c5e61"
MODEL: dict[str, Any] = {
    "name": "digits",
    "version": 2,
    "job_id": JOB_ID,
    "step": 1000,
    "weights_sha256": WEIGHTS,
    "created_at": "2026-11-23T09:00:00Z",
    "updated_at": "2026-11-24T09:00:00Z",
    "links": {
        "self": "/models/digits",
        "predict": "/models/digits/predict",
        "job": f"/jobs/{JOB_ID}",
    },
}
VERSIONS = [
    {
        "version": number,
        "job_id": JOB_ID,
        "step": step,
        "weights_sha256": WEIGHTS,
        "created_at": f"2026-11-2{2 + number}T09:00:00Z",
    }
    for number, step in ((2, 1000), (1, 500))
]
DETAILS = {**MODEL, "versions": VERSIONS}
MODEL_LIST = {"items": [MODEL], "next_cursor": None}
DELETED = {"name": "digits", "versions": 2}
DELETED_VERSION = {"name": "digits", "version": 1}
