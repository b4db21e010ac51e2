"""Predictions with trained nets, bit-identical for a row alone and among others."""

from collections.abc import Set
from dataclasses import dataclass
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache, TTLCache

from models.specs.datasets import Dataset
from service.errors import CheckpointNotFound, ModelNotReady
from service.serving.pool import Slices
from service.store import checkpoints, jobs
from service.store.database import Database
from service.store.tables import Checkpoint, Job

if TYPE_CHECKING:
    from models.nets.net import Net

CACHE_BYTES = 256 * 2**20
SMALL_BYTES = 2 * 2**20
FRESH_SECONDS = 1.0
SLICE_ROWS = 64


@dataclass(frozen=True)
class Served:
    """A net that predicts, and what the response says about it."""

    job_id: str
    dataset: Dataset
    norm: str
    init: bool
    step: int
    weights_sha256: str
    from_running_job: bool
    net: "Net"
    is_small: bool
    """Whether a few rows take less time than handing them to a thread."""


@dataclass(frozen=True)
class Prediction:
    """Logits and probabilities of some rows, each [rows, 10] in float32."""

    logits: np.ndarray
    probabilities: np.ndarray

    def ranked_digits(self, n: int) -> list[list[int]]:
        """Return for each row the n digits with the highest logits, the lower digit first on ties."""
        ranks: list[list[int]] = np.argsort(-self.logits, axis=1, kind="stable")[:, :n].tolist()
        return ranks


class Predictor:
    """The nets in memory, by job and checkpoint; those used least recently are dropped.

    A name such as `latest` is re-resolved at most once per second, so a job that another process has deleted
    can predict for that long.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._nets: LRUCache[str, tuple[Net, int]] = LRUCache(CACHE_BYTES, getsizeof=itemgetter(1))
        self._found: TTLCache[tuple[str, str], Served] = TTLCache(1024, FRESH_SECONDS)
        self._lock = Lock()

    def find_fresh(self, job_id: str, which: str) -> Served | None:
        """Return a net that was looked up within the last second."""
        with self._lock:
            return self._found.get((job_id, which))

    def get(self, job_id: str, which: str) -> Served:
        """Read a net; raise JobNotFound, ModelNotReady, CheckpointNotFound or CheckpointCorrupt."""
        with self.database.reading() as session:
            job = jobs.get(session, job_id)
            checkpoint = checkpoints.find(session, job, which)
            if checkpoint is None:
                raise _absent(job, which)
            served = self._served(job, checkpoint)
        with self._lock:
            self._found[job_id, which] = served
        return served

    def forget(self, job_ids: Set[str]) -> None:
        """Stop serving jobs that this process has deleted."""
        with self._lock:
            for place in [place for place in self._found if place[0] in job_ids]:
                self._found.pop(place, None)

    def _served(self, job: Job, checkpoint: Checkpoint) -> Served:
        with self._lock:
            kept = self._nets.get(checkpoint.sha256)
        net, size_bytes = kept or self._read(job, checkpoint)
        return Served(
            job_id=job.id,
            dataset=job.spec["dataset"],
            norm=job.norm,
            init=job.init,
            step=checkpoint.step,
            weights_sha256=checkpoint.sha256,
            from_running_job=job.status in {"queued", "running"},
            net=net,
            is_small=size_bytes <= SMALL_BYTES,
        )

    def _read(self, job: Job, checkpoint: Checkpoint) -> "tuple[Net, int]":
        from service.serving import nets  # noqa: PLC0415 # torch takes a second

        net = nets.read_net(checkpoints.weights_of(checkpoint), job.spec)
        size_bytes = nets.size_bytes(net)
        if size_bytes <= CACHE_BYTES:
            with self._lock:
                self._nets[checkpoint.sha256] = net, size_bytes
        return net, size_bytes


def predict_in_slices(served: Served, pixels: np.ndarray) -> Slices[Prediction]:
    """Compute logits and probabilities of pixels [rows, 784] in [0, 1]; raise ModelDiverged for NaN."""
    from service.serving import nets  # noqa: PLC0415 # torch takes a second

    parts = []
    for block in np.split(pixels, range(SLICE_ROWS, len(pixels), SLICE_ROWS)):
        parts.append(nets.forward(served.net, block))
        yield block.size
    logits, probabilities = map(np.concatenate, zip(*parts, strict=True))
    return Prediction(logits, probabilities)


def _absent(job: Job, which: str) -> Exception:
    if which in {"latest", "best"}:
        return ModelNotReady(f"the job is {job.status} and has no checkpoint")
    return CheckpointNotFound("the job has no checkpoint at this step; GET its checkpoints for a list")
