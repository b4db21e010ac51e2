"""What a job came to, beside a run that nothing happened to."""

import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models.data.digits import Digits, Split
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.tables import Job
from tests.process import Service, until

ENDLESS: dict[str, Any] = {"steps": 1_000_000, "eval_every": 1_000_000, "checkpoint_every": 1_000_000}
SMALL: dict[str, Any] = {
    "norm": "batch",
    "init": True,
    "n_units": 32,
    "batch_size": 32,
    "steps": 2000,
    "eval_every": 500,
    "checkpoint_every": 1000,
}
"""A job of half a second, to be held in mid training."""
LONGER = {**SMALL, "steps": 10_000, "eval_every": 5000, "checkpoint_every": 5000}
"""A job of some seconds, for what cannot wait for jobs that are held."""
FEW = 1000
KEPT = "TESTS_KEEP_RUNS_IN"
Outcome = tuple[str, list[float]]
"""The weights digest of a run, and its losses."""


def evaluated_less(digits: Digits) -> Digits:
    """The same digits to train with, and few to evaluate with: that takes most of the time of a short job."""
    validation, test = (
        Split(split.images[:FEW], split.labels[:FEW]) for split in (digits.validation, digits.test)
    )
    return replace(digits, validation=validation, test=test)


def undisturbed(digits: Digits, spec: dict[str, Any]) -> Outcome:
    """What a run comes to that nothing happens to; all processes of a test run share it."""
    name = hashlib.sha256(TrainSpec(**spec).canonical_json().encode()).hexdigest()
    kept = Path(os.environ[KEPT]) / f"{name}.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(all_undisturbed(digits, [spec])[0]))
    weights, losses = json.loads(kept.read_text())
    return weights, losses


def all_undisturbed(digits: Digits, specs: Sequence[dict[str, Any]]) -> list[Outcome]:
    """The same of many; those of one shape are trained together, which changes no bit."""
    runs = [TrainSpec(**spec) for spec in specs]
    alike: dict[str, list[int]] = {}
    for place, spec in enumerate(runs):
        alike.setdefault(spec.shape(), []).append(place)
    found: dict[int, Outcome] = {}
    for places in alike.values():
        training = Training([Run(runs[place]) for place in places], digits)
        spans = [span for together in training.spans() for span in together]
        for run, place in enumerate(places):
            own = [span for span in spans if span.run == run]
            losses = [row.train_loss for span in own for row in span.rows]
            found[place] = own[-1].checkpoints[-1].weights_sha256, losses
    return [found[place] for place in range(len(runs))]


def outcome(service: Service, job_id: str) -> Outcome:
    """What a job came to, once it has succeeded with each step once."""
    job = service.finished(job_id)
    rows = service.rows(job_id)
    assert job["status"] == "succeeded"
    assert [row["step"] for row in rows] == list(range(1, job["steps"] + 1))
    return job["weights_sha256"], [row["train_loss"] for row in rows]


def assert_invariants(url: str) -> None:
    """Assert that what must hold of every database holds of this one."""
    database = Database(url)
    assert check_invariants(database) == []
    database.close()


def is_asked_back(service: Service, job_id: str) -> bool:
    """Whether the dispatcher has asked for this job to be handed back."""
    database = Database(service.database_url)
    with database.reading() as session:
        asked = session.scalar(select(Job.stop_requested).where(Job.id == job_id))
    database.close()
    return bool(asked)


def stacks_of(service: Service, job_id: str) -> list[list[str]]:
    """The jobs that this one was trained with, in each of its attempts."""
    lines = [json.loads(line) for line in service.log.read_bytes().splitlines() if line.startswith(b"{")]
    trained = [line["jobs"] for line in lines if line["event"] == "training"]
    return [jobs for jobs in trained if job_id in jobs]


def reasons_of(service: Service, job_id: str) -> list[str]:
    """Why the job's status has changed, each time."""
    return [transition["reason"] for transition in service.job(job_id)["transitions"]]


def moving_again(service: Service, jobs: Sequence[str]) -> str:
    """The first of these jobs that another worker has taken over, as soon as it has stored steps there."""

    def taken_over() -> str | None:
        return next((job_id for job_id in jobs if service.job(job_id)["attempt"] > 1), None)

    job_id = until(taken_over, "a job to be taken over")
    service.moving(job_id, beyond=service.job(job_id)["progress"]["step"])
    return job_id
