"""The four files that a data set was published as: vendored with the code, or downloaded."""

import gzip
import hashlib
import io
import socket
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor

from models.data import idx
from models.specs.datasets import COUNTS, Dataset, SplitName

VENDORED = Path(__file__).parent / "mnist"
DOWNLOADED: dict[Dataset, str] = {"fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
"""The data sets that do not come with the code, by their names in torchvision."""
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SILENCE_SECONDS = 20.0  # after which a mirror that sends nothing is given up


class DatasetUnavailable(Exception):
    """The data set is not on this machine, or cannot be brought there."""


class DatasetCorrupt(DatasetUnavailable):
    """A file of the data set is not the one that was published."""


@dataclass(frozen=True)
class Originals:
    """What the files hold, images [rows, 28, 28] and labels [rows] as bytes, and the sha256 of each file."""

    tensors: dict[str, Tensor]
    sums: dict[str, str]

    def splits(self) -> dict[SplitName, tuple[Tensor, Tensor]]:
        """Answer images and labels of each split: the first training images are held out for validation."""
        images, labels, test_images, test_labels = (self.tensors[name] for name in FILES)
        held_out = COUNTS["validation"]
        return {
            "train": (images[held_out:], labels[held_out:]),
            "validation": (images[:held_out], labels[:held_out]),
            "test": (test_images, test_labels),
        }


def unpack_vendored() -> Originals:
    """Read the vendored MNIST; raise DatasetCorrupt, naming the file, when one has changed."""
    sums = published_sums()
    return _originals({name: _unpack(name, sums) for name in FILES})


def published_sums() -> dict[str, str]:
    """Answer the sha256 of MNIST's files, packed and unpacked."""
    try:
        lines = (VENDORED / "SHA256SUMS").read_text().splitlines()
        sums = {name: digest for digest, name in (line.split() for line in lines)}
        return {name: sums[name] for each in FILES for name in (each, f"{each}.gz")}
    except (OSError, ValueError, KeyError) as error:
        raise DatasetCorrupt("SHA256SUMS cannot be read") from error


def _unpack(name: str, sums: dict[str, str]) -> bytes:
    try:
        packed = (VENDORED / f"{name}.gz").read_bytes()
        data = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetCorrupt(f"{name}.gz cannot be read") from error
    if [_sha256(packed), _sha256(data)] != [sums[f"{name}.gz"], sums[name]]:
        raise DatasetCorrupt(f"{name}.gz does not have the sha256 that stands in SHA256SUMS")
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _originals(contents: dict[str, bytes]) -> Originals:
    return Originals(
        tensors={name: idx.parse(data) for name, data in contents.items()},
        sums={name: _sha256(data) for name, data in contents.items()},
    )


def download(dataset: Dataset) -> Originals:
    """Fetch a data set with torchvision, which holds it to the published md5.

    Raise DatasetUnavailable when it does not come, or not whole.
    """
    kind = torchvision_class(dataset)
    with tempfile.TemporaryDirectory() as root:
        try:
            # torchvision draws a bar on standard error, which belongs to the log.
            with _timeout(SILENCE_SECONDS), redirect_stderr(io.StringIO()):
                folder = Path(kind(root, download=True).raw_folder)
        except (RuntimeError, OSError, HTTPException) as error:
            mirrors = ", ".join(str(urlsplit(mirror).hostname) for mirror in kind.mirrors)
            rule = "see that the workers can reach it, then submit the job again"
            raise DatasetUnavailable(f"{dataset} could not be downloaded from {mirrors}; {rule}") from error
        return _originals({name: (folder / name).read_bytes() for name in FILES})


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Bound every wait for bytes of a new connection: torchvision itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def torchvision_class(dataset: Dataset) -> Any:
    """Answer torchvision's class of a data set; its import takes seconds, so it is left to this moment."""
    _define_missing_operators()
    from torchvision import datasets  # noqa: PLC0415

    return getattr(datasets, DOWNLOADED[dataset])


def _define_missing_operators() -> None:
    """Let torchvision be imported beside a torch build that its compiled operators do not fit.

    Its import registers gradients of two operators and fails where they are not defined.
    """
    if hasattr(torch.ops.torchvision, "nms"):
        return
    try:
        compiled = next(file for file in files("torchvision") or () if file.match("torchvision/_C*.so"))
        torch.ops.load_library(str(compiled.locate()))  # type: ignore[no-untyped-call] # torch's is untyped
    except (OSError, StopIteration):
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
