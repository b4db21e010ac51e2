"""Data sets as tensors, from a cache whose sha256 sums are checked at every read."""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from models.data import idx, originals
from models.data.originals import DOWNLOADED, FILES, DatasetCorrupt, DatasetUnavailable, Originals
from models.specs.datasets import Dataset

SUMS = "sha256"  # the key of the files' sha256 sums in the header of the cache


@dataclass(frozen=True)
class Split:
    """Images [rows, 784] as float32 in [0, 1], and labels [rows] as int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Digits:
    """A data set of the MNIST kind; the first 5,000 training images are the validation split."""

    train: Split
    validation: Split
    test: Split
    sha256: str
    """Of the sha256 sums of its four original files."""


def load(dataset: Dataset, cache_dir: Path) -> Digits:
    """Return a data set as tensors, ready for training.

    It is read from its cache. A missing or damaged cache is written again: MNIST is unpacked from the files
    that come with the code, other data sets are downloaded. Raise DatasetUnavailable if the download fails,
    DatasetCorrupt if a file is damaged.
    """
    cache = _cache(dataset, cache_dir)
    try:
        files = _read(cache, dataset)
    except DatasetUnavailable as missing:
        files = _download(dataset, missing) if dataset in DOWNLOADED else originals.unpack_vendored()
        with suppress(OSError, SafetensorError):  # without a cache only the next start is slower
            _write(cache, files)
    splits = {name: _split(images, labels) for name, (images, labels) in files.splits().items()}
    return Digits(**splits, sha256=files.sha256)


def read_originals(dataset: Dataset, cache_dir: Path) -> Originals:
    """Return the original files of a data set from this machine, without downloading or writing anything.

    Raise DatasetUnavailable if they are not on this machine, DatasetCorrupt if they are damaged.
    """
    try:
        return _read(_cache(dataset, cache_dir), dataset)
    except DatasetUnavailable:
        if dataset in DOWNLOADED:
            raise
        return originals.unpack_vendored()


def _download(dataset: Dataset, missing: DatasetUnavailable) -> Originals:
    try:
        return originals.download(dataset)
    except DatasetUnavailable as error:
        raise type(missing)(f"{missing}; {error}") from error


def _split(images: Tensor, labels: Tensor) -> Split:
    return Split(images.reshape(len(images), -1).float().div_(255), labels.long())


def _cache(dataset: Dataset, cache_dir: Path) -> Path:
    return cache_dir / f"{dataset}.safetensors"


def _read(cache: Path, dataset: Dataset) -> Originals:
    try:
        content = cache.read_bytes()
    except OSError as error:
        raise DatasetUnavailable(f"the data set {dataset} is not on this machine") from error
    try:
        return _verified(content, _sums_in(content) if dataset in DOWNLOADED else originals.published_sums())
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DatasetCorrupt(f"{cache.name} is damaged") from error


def _sums_in(content: bytes) -> dict[str, str]:
    """Return the sums that were computed when the data set was downloaded."""
    length = int.from_bytes(content[:8], "little")
    sums: dict[str, str] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][SUMS])
    return sums


def _verified(content: bytes, sums: dict[str, str]) -> Originals:
    tensors = safetensors.torch.load(content)
    expected = {name: (torch.uint8, sums[name]) for name in FILES}
    if {name: (tensor.dtype, idx.sha256(tensor)) for name, tensor in tensors.items()} != expected:
        raise ValueError("the sums of the files have changed")
    return Originals(tensors, {name: sums[name] for name in FILES})


def _write(cache: Path, files: Originals) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    # Several workers may write the cache at once: each writes its own file, and the last rename wins.
    handle, partial = tempfile.mkstemp(dir=cache.parent, prefix=cache.name)
    os.close(handle)
    try:
        sums = json.dumps(files.sums, separators=(",", ":"))
        safetensors.torch.save_file(files.tensors, partial, metadata={SUMS: sums})
        os.replace(partial, cache)
    finally:
        Path(partial).unlink(missing_ok=True)
