"""The worked example of every operation, shown in OpenAPI and run by the tests."""

from typing import Any

from models.specs.spec import TrainSpec

JOB_ID = "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b"
SUBMISSION = {"norm": "weight", "init": True}

ROW = {
    "step": 1000,
    "train_loss": 0.1312,
    "train_accuracy": 0.9609375,
    "validation_loss": 0.1497,
    "validation_accuracy": 0.9572,
    "test_loss": 0.1546,
    "test_accuracy": 0.955,
    "elapsed_seconds": 0.94,
    "non_finite": [],
}

JOB: dict[str, Any] = {
    "norm": "weight",
    "init": True,
    "scope": "all",
    "g_init": "norm",
    "groups": 8,
    "n_hidden": 1,
    "n_units": 128,
    "activation": "relu",
    "weight_std": 0.1,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "batch_size": 128,
    "sampling": "replace",
    "steps": 1000,
    "seed": 0,
    "eval_every": 100,
    "checkpoint_every": 500,
    "keep_checkpoints": 2,
    "telemetry": False,
    "max_seconds": None,
    "dataset": "mnist",
    "id": JOB_ID,
    "status": "succeeded",
    "status_reason": "finished",
    "label": None,
    "tags": {},
    "created_at": "2026-11-23T09:00:00Z",
    "started_at": "2026-11-23T09:00:00.040Z",
    "finished_at": "2026-11-23T09:00:01.500Z",
    "attempt": 1,
    "progress": {
        "step": 1000,
        "steps": 1000,
        "percent": 100.0,
        "steps_per_second": 1063.8,
        "eta_seconds": None,
    },
    "queue_position": None,
    "latest": ROW,
    "best": {"step": 1000, "validation_accuracy": 0.9572, "test_accuracy": 0.955},
    "failure": None,
    "warnings": [],
    "transitions": [
        {"status": "queued", "at": "2026-11-23T09:00:00Z", "reason": "submitted"},
        {"status": "running", "at": "2026-11-23T09:00:00.040Z", "reason": "claimed"},
        {"status": "succeeded", "at": "2026-11-23T09:00:01.500Z", "reason": "finished"},
    ],
    "comparison_id": None,
    "arm": None,
    "torch_version": "2.13.0+cpu",
    "cpu_capability": "AVX512",
    "data_sha256": "5e6b1c…",
    "init_digest": "9f2c4d…",
    "data_digest": "77ab03…",
    "weights_sha256": "e0386f…",
    "links": {
        "self": f"/jobs/{JOB_ID}",
        "metrics": f"/jobs/{JOB_ID}/metrics",
        "init-report": f"/jobs/{JOB_ID}/init-report",
        "telemetry": f"/jobs/{JOB_ID}/telemetry",
        "checkpoints": f"/jobs/{JOB_ID}/checkpoints",
        "predict": f"/jobs/{JOB_ID}/predict",
        "cancel": f"/jobs/{JOB_ID}/cancel",
    },
}
DRY_RUN = {
    "spec": {name: JOB[name] for name in TrainSpec.model_fields},
    "parameters": 101_908,
    "checkpoint_bytes": 407_632,
    "memory_bytes": 13_900_000,
    "estimated_seconds": 1.1,
    "measured": {
        "torch_version": "2.13.0+cpu",
        "cpu_capability": "AVX512",
        "measured_at": "2026-11-23T08:59:00Z",
    },
    "warnings": [],
}
READY = {"status": "ready", "database": "SQLite 3.53.4", "schema_revision": "0008", "workers": 2}
QUEUE = {"queued": 3, "running": 9, "slots": 2, "workers": 2, "oldest_wait_seconds": 1.25}
UNTRAINED = ("started_at", "finished_at", "latest", "best", "torch_version", "cpu_capability")
UNKNOWN = ("status_reason", "data_sha256", "init_digest", "data_digest", "weights_sha256")
QUEUED: dict[str, Any] = {
    **JOB,
    **dict.fromkeys(UNTRAINED + UNKNOWN),
    "status": "queued",
    "attempt": 0,
    "progress": {"step": 0, "steps": 1000, "percent": 0.0, "steps_per_second": None, "eta_seconds": None},
    "queue_position": 1,
    "transitions": JOB["transitions"][:1],
}
CANCELLED = {
    **QUEUED,
    "status": "cancelled",
    "status_reason": "asked for",
    "finished_at": "2026-11-23T09:00:00.020Z",
    "queue_position": None,
    "transitions": [
        *QUEUED["transitions"],
        {"status": "cancelled", "at": "2026-11-23T09:00:00.020Z", "reason": "asked for"},
    ],
}
RELABELLING = {"label": "a better name"}
RELABELLED = {**JOB, **RELABELLING}
JOB_LIST = {"items": [JOB], "next_cursor": None}

INIT_REPORT = {
    "job_id": JOB_ID,
    "init": True,
    "layers": [
        {
            "layer": "hidden1",
            "z_before": {"mean": -0.03, "std": 0.81, "min": -4.1, "max": 3.9},
            "z_after": {"mean": 0.0, "std": 1.0, "min": -5.2, "max": 5.6},
            "gain": {"mean": 2.9, "std": 0.35, "min": 2.1, "max": 3.8},
            "shift": {"mean": 0.1, "std": 0.98, "min": -2.3, "max": 2.5},
            "degenerate_units": 0,
        },
    ]
    * 2,
}
HIDDEN = {
    "layer": "hidden1",
    "gradient_norm": 0.53,
    "weight_norm": {"mean": 2.46, "std": 0.05, "min": 2.33, "max": 2.59},
    "gain": {"mean": 1.02, "std": 0.07, "min": 0.91, "max": 1.21},
    "effective_step": {"mean": 0.0165, "std": 0.0007, "min": 0.0149, "max": 0.0184},
    "dead_units": 0.0,
    "running_mean_drift": None,
    "running_var_drift": None,
}
LAYERS = [HIDDEN, {**HIDDEN, "layer": "output", "dead_units": None}]
TELEMETRY = {"items": [{"step": 1000, "layers": LAYERS}], "next_cursor": None}
METRICS = {"items": [ROW], "next_cursor": None, "sampling": None}

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

PIXELS = {"images": [[0] * 392 + [1] * 8 + [0] * 384], "top_k": 3}
PREDICTION = {
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
        }
    ],
}

DATASETS = {
    "items": [
        {
            "name": "kmnist",
            "title": "Kuzushiji-MNIST: cursive Japanese characters",
            "classes": ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
            "counts": {"train": 55_000, "validation": 5_000, "test": 10_000},
            "image_shape": [28, 28],
            "sha256": None,
            "licence": "CC BY-SA 4.0",
            "source": "Clanuwat et al. 2018, arXiv 1812.01718",
            "home_page": "https://github.com/rois-codh/kmnist",
            "available": False,
        },
    ],
    "next_cursor": None,
}
IMAGE: dict[str, Any] = {
    "dataset": "mnist",
    "split": "test",
    "index": 0,
    "label": 7,
    "class_name": "7",
    "pixels": [[0] * 28] * 7 + [[0] * 6 + [84] + [254] * 14 + [0] * 7] * 2 + [[0] * 28] * 19,
    "links": {
        "self": "/datasets/mnist/test/0",
        "png": "/datasets/mnist/test/0?format=png",
        "datasets": "/datasets",
    },
}


def answer(status: int, example: Any) -> dict[int | str, dict[str, Any]]:
    """Show an example of an operation's JSON answer."""
    return {status: {"content": {"application/json": {"example": example}}}}


def elsewhere(url: str) -> dict[str, Any]:
    """Show by its address an answer that is not text."""
    return {"worked": {"summary": "A worked example", "externalValue": url}}


def requests(example: Any) -> dict[str, Any]:
    """Show an example of an operation's JSON body."""
    return {"worked": {"summary": "A worked example", "value": example}}
