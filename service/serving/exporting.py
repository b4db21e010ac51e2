"""Exports of nets: files with norms folded into the weights, and the receipt of their outputs."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from cachetools import LRUCache

from models.specs.datasets import Dataset
from models.specs.spec import N_IN
from service.serving.classifying import Classifier, cost_of
from service.serving.pool import Slices
from service.serving.predictor import SLICE_ROWS, Subject

if TYPE_CHECKING:
    from models.nets.net import Net

ExportFormat = Literal["safetensors", "onnx"]

N_IMAGES = 1_000
KEPT_BYTES = 64 * 2**20
KEPT_RECEIPTS = 1_024
BYTES_PER_STEP = 500
"""Bytes of a file that are written in the time of one step of an analysis."""
COMPARED = (
    "the graph of the exported file, computed in NumPy by the reference implementation of onnx, "
    "with the predictor of the service"
)


@dataclass(frozen=True)
class ExportReceipt:
    """How close the outputs of an exported net are to those of the service, on the first test images."""

    dataset: Dataset
    n: int
    """Number of images."""
    n_same_digit: int
    """Images for which both predict the same digit."""
    max_logit_difference: float
    """Largest absolute difference of a logit."""
    max_probability_difference: float
    """Largest absolute difference of a probability."""
    norms_left: dict[str, str]
    """By layer: the norms that depend on the input, which stay operators; all others are folded."""
    compared: str


class Exporter:
    """Files and receipts in memory, by the sha256 of the weights; those used least recently are dropped."""

    def __init__(self, classifier: Classifier) -> None:
        self.predictor, self.gallery = classifier.predictor, classifier.gallery
        self._files: LRUCache[tuple[str, ExportFormat], bytes] = LRUCache(KEPT_BYTES, getsizeof=len)
        self._receipts: LRUCache[str, ExportReceipt] = LRUCache(KEPT_RECEIPTS)
        self._lock = Lock()

    def cost(self, subject: Subject) -> int:
        """Return what an export costs, in steps of an analysis."""
        return cost_of(subject, 3 * N_IMAGES) + subject.train_spec().checkpoint_bytes() // BYTES_PER_STEP

    def export(self, job_id: str, which: str, export_format: ExportFormat) -> Slices[tuple[Subject, bytes]]:
        """Return a file of a net, which has the spec and the receipt as metadata.

        Raises what `Predictor.get` raises, DatasetUnavailable, and ModelDiverged.
        """
        from service.serving import exports  # noqa: PLC0415 # torch takes a second

        subject = self.predictor.find(job_id, which)
        with self._lock:
            kept = self._files.get((subject.weights_sha256, export_format))
        if kept is not None:
            return subject, kept
        subject, net = self.predictor.open(job_id, which)
        folded = exports.fold_norms(net)
        receipt = yield from self._receipt(subject, net, folded)
        facts = {"release": version("normserve"), "weights_sha256": subject.weights_sha256, **asdict(receipt)}
        spec = json.loads(subject.train_spec().canonical_json())
        writers = {"safetensors": exports.write_safetensors, "onnx": exports.write_onnx}
        content = writers[export_format](folded, spec, facts)
        if len(content) <= KEPT_BYTES:
            with self._lock:
                self._files[subject.weights_sha256, export_format] = content
        return subject, content

    def receipt(self, job_id: str, which: str) -> Slices[tuple[Subject, ExportReceipt]]:
        """Return the receipt of a net, which holds for both formats; raise what `export` raises."""
        from service.serving import exports  # noqa: PLC0415 # torch takes a second

        subject = self.predictor.find(job_id, which)
        kept = self._kept_receipt(subject)
        if kept is not None:
            return subject, kept
        subject, net = self.predictor.open(job_id, which)
        return subject, (yield from self._receipt(subject, net, exports.fold_norms(net)))

    def _kept_receipt(self, subject: Subject) -> ExportReceipt | None:
        with self._lock:
            return self._receipts.get(subject.weights_sha256)

    def _receipt(self, subject: Subject, net: "Net", folded: "Net") -> Slices[ExportReceipt]:
        found = self._kept_receipt(subject) or (yield from self._compare(subject, net, folded))
        with self._lock:
            self._receipts[subject.weights_sha256] = found
        return found

    def _compare(self, subject: Subject, net: "Net", folded: "Net") -> Slices[ExportReceipt]:
        from service.serving import exports, nets  # noqa: PLC0415 # torch takes a second

        dataset = subject.train_spec().dataset
        images, _ = self.gallery.originals(dataset).splits()["test"]
        pixels = images[:N_IMAGES].numpy().reshape(N_IMAGES, N_IN) / np.float32(255)
        parts = []
        for first in range(0, N_IMAGES, SLICE_ROWS):
            parts.append(nets.forward(net, pixels[first : first + SLICE_ROWS]))
            yield cost_of(subject, SLICE_ROWS)
        logits, probabilities = map(np.concatenate, zip(*parts, strict=True))
        found, found_probabilities = exports.compute(folded, pixels)
        return ExportReceipt(
            dataset=dataset,
            n=N_IMAGES,
            n_same_digit=int((logits.argmax(1) == found.argmax(1)).sum()),
            max_logit_difference=float(np.abs(logits - found).max()),
            max_probability_difference=float(np.abs(probabilities - found_probabilities).max()),
            norms_left=exports.norms_left(folded),
            compared=COMPARED,
        )
