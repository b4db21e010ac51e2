"""Examples of streams of events."""

from typing import Any

import orjson

from service.api.events.schemas import WITHOUT_SPEC, JobSummary
from service.api.jobs import examples
from service.api.metrics.examples import ROW
from service.api.shared.streams import write_event

DIGEST = "6f1d0c2b9a8e47d5b3c1f0e2d4a69788"
PING = write_event("ping", '{"at":"2026-11-23T09:00:10Z"}')
JOB_SUMMARY: dict[str, Any] = {
    name: examples.JOB.get(name, ROW.get(name)) for name in JobSummary.model_fields
}
STATE = {name: examples.JOB[name] for name in WITHOUT_SPEC}
RUN = {
    "id": examples.JOB_ID,
    "arm": "weight",
    "seed": 0,
    "status": "succeeded",
    "step": 1000,
    "steps": 1000,
    "test_accuracy": 0.955,
}
PROGRESS = {"queued": 0, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0, "percent": 100.0}
COMPARED = {
    "id": "cmp_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b",
    "status": "ended",
    "progress": PROGRESS,
    "runs": [RUN],
}


def _event(name: str, data: object, event_id: str | None = None) -> str:
    return write_event(name, orjson.dumps(data), event_id).decode()


JOB = (
    _event("status", STATE)
    + _event("metrics", {"items": [ROW], "progress": examples.JOB["progress"]}, "1000")
    + _event("done", {"status": "succeeded"}, "1000.done")
)
COMPARISON = _event("comparison", COMPARED, DIGEST) + _event("done", {"status": "ended"}, f"{DIGEST}.done")
JOBS = _event("jobs", {"items": [JOB_SUMMARY]}, DIGEST) + PING.decode()
