"""The four original files of each data set, which come with the code or are downloaded."""

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
"""The data sets that do not come with the code, with the names of their classes in torchvision."""
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DOWNLOAD_TIMEOUT_SECONDS = 20.0  # without a byte from a mirror


class DatasetUnavailable(Exception):
    """The data set is not on this machine and could not be downloaded."""


class DatasetCorrupt(DatasetUnavailable):
    """A file of the data set differs from the published one."""


@dataclass(frozen=True)
class Originals:
    """The content of the four files, images [rows, 28, 28] and labels [rows] as bytes, and their sha256 sums.

    Both are by name of the file.
    """

    tensors: dict[str, Tensor]
    sums: dict[str, str]

    @property
    def sha256(self) -> str:
        """The sha256 of the four sums, in the order of `FILES`."""
        return _sha256("".join(self.sums[name] for name in FILES).encode())

    def splits(self) -> dict[SplitName, tuple[Tensor, Tensor]]:
        """Return images and labels of each split; validation is the first 5,000 training images."""
        images, labels, test_images, test_labels = (self.tensors[name] for name in FILES)
        held_out = COUNTS["validation"]
        return {
            "train": (images[held_out:], labels[held_out:]),
            "validation": (images[:held_out], labels[:held_out]),
            "test": (test_images, test_labels),
        }


def unpack_vendored() -> Originals:
    """Return the MNIST that comes with the code; raise DatasetCorrupt if a file has changed."""
    sums = published_sums()
    return _originals({name: _unpack(name, sums) for name in FILES})


def published_sums() -> dict[str, str]:
    """Return the sha256 sums of MNIST's files, compressed and uncompressed, by name."""
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
        raise DatasetCorrupt(f"{name}.gz does not have the sha256 in SHA256SUMS")
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _originals(contents: dict[str, bytes]) -> Originals:
    return Originals(
        tensors={name: idx.parse(data) for name, data in contents.items()},
        sums={name: _sha256(data) for name, data in contents.items()},
    )


def download(dataset: Dataset) -> Originals:
    """Download a data set with torchvision, which checks the published md5 sums.

    Raise DatasetUnavailable if the download fails or is incomplete.
    """
    kind = torchvision_class(dataset)
    with tempfile.TemporaryDirectory() as root:
        try:
            # torchvision writes a progress bar to standard error, which is the log.
            with _timeout(DOWNLOAD_TIMEOUT_SECONDS), redirect_stderr(io.StringIO()):
                folder = Path(kind(root, download=True).raw_folder)
        except (RuntimeError, OSError, HTTPException) as error:
            mirrors = ", ".join(str(urlsplit(mirror).hostname) for mirror in kind.mirrors)
            advice = "check that the workers can reach it, then submit the job again"
            raise DatasetUnavailable(f"{dataset} could not be downloaded from {mirrors}; {advice}") from error
        return _originals({name: (folder / name).read_bytes() for name in FILES})


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Set a timeout for every read from a new connection, because torchvision sets none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def torchvision_class(dataset: Dataset) -> Any:
    """Return torchvision's class of a data set; torchvision is imported here because that takes seconds."""
    _define_missing_operators()
    from torchvision import datasets  # noqa: PLC0415

    return getattr(datasets, DOWNLOADED[dataset])


def _define_missing_operators() -> None:
    """Make torchvision importable if its compiled operators do not fit the torch build.

    Its import registers gradients of two operators, which fails if the operators are not defined.
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
