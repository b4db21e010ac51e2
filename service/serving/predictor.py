"""Predictions with trained nets, bit-identical for a row alone and among others."""

from collections.abc import Set
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from cachetools import LRUCache, TTLCache

from models.nets.net import Net
from models.specs.spec import N_CLASSES, N_IN, TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import prepare_thread
from service.errors import CheckpointCorrupt, CheckpointNotFound, ModelDiverged, ModelNotReady
from service.store import checkpoints, jobs
from service.store.database import Database
from service.store.tables import Checkpoint, Job

# The GEMM kernel depends on the number of rows: in blocks of 16, a row's bits never depend on its place.
BLOCK_ROWS = 16
CACHE_BYTES = 256 * 2**20
SMALL_BYTES = 2 * 2**20
FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Served:
    """A net that predicts, and what the response says about it."""

    job_id: str
    norm: str
    init: bool
    step: int
    weights_sha256: str
    from_running_job: bool
    net: Net
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
        prepare_thread()  # requests run concurrently, and each computes in one thread, for equal bits
        self.database = database
        self._nets: LRUCache[str, Net] = LRUCache(CACHE_BYTES, getsizeof=_size_bytes)
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
            net = self._nets.get(checkpoint.sha256)
        if net is None:
            net = _read(job, checkpoint)
            if _size_bytes(net) <= CACHE_BYTES:
                with self._lock:
                    self._nets[checkpoint.sha256] = net
        return Served(
            job_id=job.id,
            norm=job.norm,
            init=job.init,
            step=checkpoint.step,
            weights_sha256=checkpoint.sha256,
            from_running_job=job.status in {"queued", "running"},
            net=net,
            is_small=_size_bytes(net) <= SMALL_BYTES,
        )


def predict(served: Served, pixels: np.ndarray) -> Prediction:
    """Compute logits and probabilities of pixels [rows, 784] in [0, 1]; raise ModelDiverged for NaN."""
    rows = len(pixels)
    padded = np.zeros((-(-rows // BLOCK_ROWS) * BLOCK_ROWS, N_IN), np.float32)
    padded[:rows] = pixels
    blocks = torch.from_numpy(padded).split(BLOCK_ROWS)  # type: ignore[no-untyped-call] # torch's is untyped
    outputs = [served.net.forward(block.unsqueeze(0), training=False)[0][0] for block in blocks]
    logits = torch.cat(outputs) if outputs else torch.empty(0, N_CLASSES)
    if not bool(logits[:rows].isfinite().all()):
        raise ModelDiverged("the net's outputs are not finite numbers; its run diverged")
    probabilities = torch.cat([output.softmax(-1) for output in outputs])
    return Prediction(logits[:rows].numpy(), probabilities[:rows].numpy())


def _read(job: Job, checkpoint: Checkpoint) -> Net:
    try:
        return load_net(checkpoints.weights_of(checkpoint), TrainSpec.model_validate(job.spec))
    except ValueError as error:  # the weights belong to another net, or this release refuses the spec
        raise CheckpointCorrupt("the stored weights do not fit a spec of this release") from error


def _absent(job: Job, which: str) -> Exception:
    if which in {"latest", "best"}:
        return ModelNotReady(f"the job is {job.status} and has no checkpoint")
    return CheckpointNotFound("the job has no checkpoint at this step; GET its checkpoints for a list")


def _size_bytes(net: Net) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in net.tensors().values())
