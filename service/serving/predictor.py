"""Predictions with trained nets, bit-identical for a row alone and among others."""

from collections.abc import Callable, Set
from concurrent.futures import Future
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from cachetools import LRUCache, cachedmethod
from sqlalchemy.orm import Session

from models.specs.datasets import Dataset
from models.specs.spec import TrainSpec
from service.errors import CheckpointCorrupt, CheckpointNotFound, ModelNotReady
from service.serving.lookups import Lookups
from service.serving.pool import Slices
from service.store import checkpoints, jobs, served_models
from service.store.database import Database
from service.store.tables import ENDED, Checkpoint, Job

if TYPE_CHECKING:
    from models.nets.net import Net

CACHE_BYTES = 256 * 2**20
"""Of nets in memory; those of the last second's look-ups can be as many bytes more."""
SMALL_BYTES = 2 * 2**20
SLICE_ROWS = 64

Which = str | int | None
"""Of a job: a step in digits, `latest` or `best`. Of a served name: a version, or None for the newest."""


@dataclass(frozen=True)
class Served:
    """A net that predicts, and what the response says about it."""

    job_id: str
    dataset: Dataset
    name: str | None
    """The served name that was asked for, if it was one, and the version that it stood for."""
    version: int | None
    norm: str
    init: bool
    step: int
    weights_sha256: str
    from_running_job: bool
    net: "Net"
    net_bytes: int

    @property
    def is_small(self) -> bool:
        """Whether a few rows take less time than handing them to a thread."""
        return self.net_bytes <= SMALL_BYTES


@dataclass(frozen=True)
class Subject:
    """A checkpoint, found without reading its weights."""

    job_id: str
    step: int
    weights_sha256: str
    spec: dict[str, Any]
    """As stored, perhaps by another release."""
    data_sha256: str | None
    """Of the data set that the job was trained on."""
    from_running_job: bool

    def train_spec(self) -> TrainSpec:
        """Return the spec; raise CheckpointCorrupt if this release refuses it."""
        try:
            return TrainSpec.model_validate(self.spec)
        except ValueError as error:
            raise CheckpointCorrupt("this release does not recognise the spec of the job") from error


@dataclass(frozen=True)
class Prediction:
    """Logits and probabilities of some rows, each [rows, 10] in float32."""

    logits: np.ndarray
    probabilities: np.ndarray

    def ranked_digits(self, n: int) -> list[list[int]]:
        """Return for each row the n digits with the highest logits, the lower digit first on ties."""
        ranks: list[list[int]] = np.argsort(-self.logits, axis=1, kind="stable")[:, :n].tolist()
        return ranks


class _Found(NamedTuple):
    """What a target stands for now; name and version are those of a served name."""

    job: Job
    checkpoint: Checkpoint
    name: str | None = None
    version: int | None = None


class Predictor:
    """The nets in memory, by what they are asked for as; those used least recently are dropped.

    A checkpoint is read once, whatever it is asked for as and however many requests come at once.

    A target is the id of a job, with one of its checkpoints, or a served name, with one of its versions.
    A look-up is kept for at most a second: for that long, a net can predict that another process has deleted,
    and a name can lead to its old net.
    """

    def __init__(
        self, database: Database, now: Callable[[], float] = monotonic, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.database = database
        self._nets: LRUCache[str, tuple[Net, int]] = LRUCache(cache_bytes, getsizeof=itemgetter(1))
        self._reading = Condition()
        self._found: Lookups[tuple[str, Which], Served] = Lookups(
            self._look_up, now, cache_bytes, attrgetter("net_bytes")
        )

    def find_fresh(self, target: str, which: Which) -> Served | None:
        """Return a net that was looked up within the last second."""
        return self._found.find((target, which))

    def look_up(self, target: str, which: Which) -> "Future[Served]":
        """Start to read a net that `find_fresh` has not found, or join those who wait for it.

        The future raises what `get` raises.
        """
        return self._found.join((target, which), since_find=True)

    def get(self, target: str, which: Which) -> Served:
        """Return a net that was looked up within the last second, or look it up.

        Raises JobNotFound, ModelNotReady or CheckpointNotFound for a job, ModelNotFound or VersionNotFound
        for a name, CheckpointCorrupt, and Overloaded.
        """
        return self._found.get((target, which))

    def find(self, job_id: str, which: str) -> Subject:
        """Find a checkpoint; raise JobNotFound, ModelNotReady or CheckpointNotFound."""
        with self.database.reading() as session:
            return _subject(_find(session, job_id, which))

    def open(self, job_id: str, which: str) -> "tuple[Subject, Net]":
        """Find a checkpoint and read its net; raise what `get` raises."""
        with self.database.reading() as session:
            found = _find(session, job_id, which)
            return _subject(found), self._net(found.job, found.checkpoint)[0]

    def forget(self, targets: Set[str]) -> None:
        """Stop serving what this process has deleted or pointed elsewhere."""
        self._found.forget(lambda place: place[0] in targets)

    def close(self) -> None:
        """Read no more nets, and wait for those that are being read."""
        self._found.close()

    def _look_up(self, place: tuple[str, Which]) -> Served:
        with self.database.reading() as session:
            return self._served(_find(session, *place))

    def _served(self, found: _Found) -> Served:
        job, checkpoint = found.job, found.checkpoint
        net, net_bytes = self._net(job, checkpoint)
        return Served(
            job_id=job.id,
            dataset=job.spec["dataset"],
            name=found.name,
            version=found.version,
            norm=job.norm,
            init=job.init,
            step=checkpoint.step,
            weights_sha256=checkpoint.sha256,
            from_running_job=job.status not in ENDED,
            net=net,
            net_bytes=net_bytes,
        )

    @cachedmethod(
        attrgetter("_nets"),
        key=lambda _self, _job, checkpoint: checkpoint.sha256,
        condition=attrgetter("_reading"),
    )
    def _net(self, job: Job, checkpoint: Checkpoint) -> "tuple[Net, int]":
        """Return a net and its bytes; while one thread reads it, others that need it wait."""
        from service.serving import nets  # noqa: PLC0415 # torch takes a second

        net = nets.read_net(checkpoints.weights_of(checkpoint), job.spec)
        return net, nets.size_bytes(net)


def predict_in_slices(served: Served, pixels: np.ndarray) -> Slices[Prediction]:
    """Compute logits and probabilities of pixels [rows, 784] in [0, 1]; raise ModelDiverged for NaN."""
    from service.serving import nets  # noqa: PLC0415 # torch takes a second

    if len(pixels) <= SLICE_ROWS:
        prediction = Prediction(*nets.forward(served.net, pixels))
        yield pixels.size
        return prediction
    parts = []
    for block in np.split(pixels, range(SLICE_ROWS, len(pixels), SLICE_ROWS)):
        parts.append(nets.forward(served.net, block))
        yield block.size
    logits, probabilities = map(np.concatenate, zip(*parts, strict=True))
    return Prediction(logits, probabilities)


def _find(session: Session, target: str, which: Which) -> _Found:
    if not isinstance(which, str):
        return _Found(*served_models.find_served(session, target, which))
    job = jobs.get(session, target)
    checkpoint = checkpoints.find(session, job, which)
    if checkpoint is None:
        raise _absent(job, which)
    return _Found(job, checkpoint)


def _subject(found: _Found) -> Subject:
    job, checkpoint = found.job, found.checkpoint
    return Subject(
        job_id=job.id,
        step=checkpoint.step,
        weights_sha256=checkpoint.sha256,
        spec=job.spec,
        data_sha256=job.data_sha256,
        from_running_job=job.status not in ENDED,
    )


def _absent(job: Job, which: str) -> Exception:
    if which in {"latest", "best"}:
        return ModelNotReady(f"the job is {job.status} and has no checkpoint")
    return CheckpointNotFound("the job has no checkpoint at this step; GET its checkpoints for a list")
