"""Examples of jobs."""

from typing import Any

from models.specs.spec import TrainSpec
from service.api.metrics.examples import ROW

JOB_ID = "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b"
SUBMISSION = {"norm": "weight", "init": True}

JOB: dict[str, Any] = {
    "net": "dense",
    "norm": "weight",
    "init": True,
    "scope": "all",
    "g_init": "norm",
    "groups": 8,
    "n_hidden": 1,
    "n_units": 128,
    "kernel_size": 5,
    "stride": 2,
    "sequence": "permuted",
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
    "priority": 0,
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
    "kernels_sha256": "48b03f…",
    "data_sha256": "5e6b1c…",
    "init_digest": "9f2c4d…",
    "data_digest": "77ab03…",
    "weights_sha256": "e0386f…",
    "links": {
        "self": f"/jobs/{JOB_ID}",
        "spec": f"/jobs/{JOB_ID}/spec",
        "metrics": f"/jobs/{JOB_ID}/metrics",
        "plot.svg": f"/jobs/{JOB_ID}/plot.svg",
        "plot.png": f"/jobs/{JOB_ID}/plot.png",
        "events": f"/jobs/{JOB_ID}/events",
        "init-report": f"/jobs/{JOB_ID}/init-report",
        "telemetry": f"/jobs/{JOB_ID}/telemetry",
        "checkpoints": f"/jobs/{JOB_ID}/checkpoints",
        "predict": f"/jobs/{JOB_ID}/predict",
        "evaluation": f"/jobs/{JOB_ID}/evaluation",
        "misclassified.png": f"/jobs/{JOB_ID}/misclassified.png",
        "export": f"/jobs/{JOB_ID}/export",
        "cancel": f"/jobs/{JOB_ID}/cancel",
    },
}
SPEC = {name: JOB[name] for name in (*TrainSpec.model_fields, "label", "tags", "priority")}
DRY_RUN = {
    "spec": {name: JOB[name] for name in TrainSpec.model_fields},
    "parameters": 101_908,
    "checkpoint_bytes": 407_632,
    "memory_bytes": 13_900_000,
    "written_bytes": 3_400_000,
    "estimated_seconds": 1.1,
    "measured": {
        "torch_version": "2.13.0+cpu",
        "cpu_capability": "AVX512",
        "measured_at": "2026-11-23T08:59:00Z",
    },
    "warnings": [],
}
UNTRAINED = ("started_at", "finished_at", "latest", "best", "torch_version", "cpu_capability")
UNKNOWN = ("status_reason", "kernels_sha256", "data_sha256", "init_digest", "data_digest", "weights_sha256")
QUEUED: dict[str, Any] = {
    **JOB,
    **dict.fromkeys(UNTRAINED + UNKNOWN),
    "status": "queued",
    "attempt": 0,
    "progress": {"step": 0, "steps": 1000, "percent": 0.0, "steps_per_second": None, "eta_seconds": None},
    "queue_position": None,
    "transitions": JOB["transitions"][:1],
}
CANCELLED = {
    **QUEUED,
    "status": "cancelled",
    "status_reason": "asked for",
    "finished_at": "2026-11-23T09:00:00.020Z",
    "transitions": [
        *QUEUED["transitions"],
        {"status": "cancelled", "at": "2026-11-23T09:00:00.020Z", "reason": "asked for"},
    ],
}
RELABELLING = {"label": "a better name"}
RELABELLED = {**JOB, **RELABELLING}
JOB_LIST = {"items": [JOB], "next_cursor": None}
