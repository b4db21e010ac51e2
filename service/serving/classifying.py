"""How nets classify whole splits: computed once per checkpoint, and kept in memory."""

from dataclasses import dataclass
from threading import Lock

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from models.specs.datasets import COUNTS, SplitName
from models.specs.memory import EVALUATION_ROWS
from service.errors import DatasetUnavailable
from service.serving.gallery import Gallery
from service.serving.pool import Slices
from service.serving.predictor import Predictor, Subject

KEPT_BYTES = 32 * 2**20
"""500 splits of 10,000 images."""
MULTIPLICATIONS_PER_STEP = 15_000
"""Multiplications that take as long as an analysis takes for one step of a history: about 1 µs."""

Key = tuple[str, SplitName]


@dataclass(frozen=True)
class Classified:
    """The images of a split as a net classifies them, in their order; arrays have shape [n]."""

    labels: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    """The probability of the predicted class."""
    loss: float
    """Mean cross-entropy, in nats."""
    accuracy: float

    def nbytes(self) -> int:
        """Return the bytes of the arrays."""
        return self.labels.nbytes + self.predicted.nbytes + self.confidence.nbytes

    def is_right(self) -> NDArray[np.bool_]:
        """Return which images are classified correctly, shape [n]."""
        right: NDArray[np.bool_] = self.predicted == self.labels
        return right


class Classifier:
    """Classifications by checkpoint and split; those used least recently are dropped.

    The weights decide a classification, so it is kept by their sha256 and never becomes stale.
    """

    def __init__(self, predictor: Predictor, gallery: Gallery) -> None:
        self.predictor, self.gallery = predictor, gallery
        self._kept: LRUCache[Key, Classified] = LRUCache(KEPT_BYTES, getsizeof=Classified.nbytes)
        self._lock = Lock()

    def cost(self, subject: Subject, split: SplitName) -> int:
        """Return what classifying a split costs, in steps of an analysis; 0 if it is kept."""
        with self._lock:
            is_kept = (subject.weights_sha256, split) in self._kept
        return 0 if is_kept else cost_of(subject, COUNTS[split])

    def classify(self, job_id: str, which: str, split: SplitName) -> Slices[tuple[Subject, Classified]]:
        """Classify a split as training evaluates it: accuracy and loss have the bits of the job's history.

        Raises what `Predictor.get` raises, DatasetUnavailable, and ModelDiverged.
        """
        subject = self.predictor.find(job_id, which)
        with self._lock:
            kept = self._kept.get((subject.weights_sha256, split))
        if kept is not None:
            return subject, kept
        subject, classified = yield from self._compute(job_id, which, split)
        with self._lock:
            self._kept[subject.weights_sha256, split] = classified
        return subject, classified

    def _compute(self, job_id: str, which: str, split: SplitName) -> Slices[tuple[Subject, Classified]]:
        from service.serving import nets  # noqa: PLC0415 # torch takes a second

        subject, net = self.predictor.open(job_id, which)
        originals = self.gallery.originals(subject.train_spec().dataset)
        if subject.data_sha256 not in {None, originals.sha256}:
            raise DatasetUnavailable(
                "the data set on this machine is not the one that the job was trained on"
            )
        images, labels = originals.splits()[split]
        loss, blocks = 0.0, []
        for first in range(0, COUNTS[split], EVALUATION_ROWS):
            rows = slice(first, first + EVALUATION_ROWS)
            predicted, confidence, block_loss = nets.classify_block(net, images[rows], labels[rows])
            loss += block_loss
            blocks.append((predicted, confidence))
            yield cost_of(subject, len(predicted))
        predicted, confidence = map(np.concatenate, zip(*blocks, strict=True))
        n_right = int((predicted == labels.numpy()).sum())
        n = COUNTS[split]
        return subject, Classified(
            labels.numpy().copy(), predicted.astype(np.uint8), confidence, loss / n, n_right / n
        )


def cost_of(subject: Subject, n_images: int) -> int:
    """Return what a pass of a net over so many images costs, in steps of an analysis."""
    multiplications = sum(layer.n_multiplications for layer in subject.train_spec().plan())
    return n_images * multiplications // MULTIPLICATIONS_PER_STEP
