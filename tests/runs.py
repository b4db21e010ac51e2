"""What a job came to, beside a run that nothing happened to."""

import json
from functools import cache
from typing import Any

from models.data import Digits
from models.spec import TrainSpec
from models.train import Run, Training
from tests.process import Service

ENDLESS = {"steps": 1_000_000, "eval_every": 1_000_000, "checkpoint_every": 1_000_000}


def undisturbed(digits: Digits, spec: dict[str, Any]) -> tuple[str, list[float]]:
    """The weights digest and the losses of a run that nothing happened to."""
    return _undisturbed(digits, TrainSpec(**spec))


@cache
def _undisturbed(digits: Digits, spec: TrainSpec) -> tuple[str, list[float]]:
    spans = [spans[0] for spans in Training([Run(spec)], digits).spans()]
    return spans[-1].checkpoints[-1].weights_sha256, [row.train_loss for span in spans for row in span.rows]


def outcome(service: Service, job_id: str) -> tuple[str, list[float]]:
    """The same of a job, once it has succeeded with each step once."""
    job = service.finished(job_id)
    rows = service.rows(job_id)
    assert job["status"] == "succeeded"
    assert [row["step"] for row in rows] == list(range(1, job["steps"] + 1))
    return job["weights_sha256"], [row["train_loss"] for row in rows]


def stacks_of(service: Service, job_id: str) -> list[list[str]]:
    """The jobs that this one was trained with, in each of its attempts."""
    lines = [json.loads(line) for line in service.log.read_bytes().splitlines() if line.startswith(b"{")]
    trained = [line["jobs"] for line in lines if line["event"] == "training"]
    return [jobs for jobs in trained if job_id in jobs]


def reasons_of(service: Service, job_id: str) -> list[str]:
    """Why the job's status has changed, each time."""
    return [transition["reason"] for transition in service.job(job_id)["transitions"]]
