"""What a job came to, beside a run that nothing happened to."""

from functools import cache
from typing import Any

from models.data import Digits
from models.spec import TrainSpec
from models.train import Run, Training
from tests.process import Service


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
