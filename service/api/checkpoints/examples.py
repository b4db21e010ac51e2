"""Examples of checkpoints."""

from service.api.jobs.examples import JOB_ID

CHECKPOINT = {
    "step": 1000,
    "weights_sha256": "e0386f…",
    "size_bytes": 408_424,
    "validation_accuracy": 0.9572,
    "validation_loss": 0.1497,
    "test_accuracy": 0.955,
    "test_loss": 0.1546,
    "created_at": "2026-11-23T09:00:01.500Z",
    "links": {
        "self": f"/jobs/{JOB_ID}/checkpoints/1000",
        "weights": f"/jobs/{JOB_ID}/checkpoints/1000/weights",
    },
}
WEIGHTS_URL = f"/jobs/{JOB_ID}/checkpoints/latest/weights"
