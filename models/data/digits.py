"""Data sets as tensors, kept in a cache whose sha256 is checked every time it is read."""

import hashlib
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

SUMS = "sha256"  # the entry of the cache's header that holds the sums of the files


@dataclass(frozen=True)
class Split:
    """Images [rows, 784] in [0, 1] and labels [rows]."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Digits:
    """A data set: the first 5,000 training images are held out for validation, as in the article."""

    train: Split
    validation: Split
    test: Split
    sha256: str


def load(dataset: Dataset, cache_dir: Path) -> Digits:
    """Load a data set from its cache, which is made anew where it is missing or damaged.

    MNIST is unpacked from the vendored files, the others are downloaded.
    Raise DatasetUnavailable when that fails, DatasetCorrupt when what is there is damaged.
    """
    cache = _cache(dataset, cache_dir)
    try:
        found = _read(cache, dataset)
    except DatasetUnavailable as missing:
        found = _download(dataset, missing) if dataset in DOWNLOADED else originals.unpack_vendored()
        with suppress(OSError, SafetensorError):  # without a cache the next start is slower, and nothing else
            _write(cache, found)
    splits = {name: _split(images, labels) for name, (images, labels) in found.splits().items()}
    sums = "".join(found.sums[name] for name in FILES)
    return Digits(**splits, sha256=hashlib.sha256(sums.encode()).hexdigest())


def read(dataset: Dataset, cache_dir: Path) -> Originals:
    """Read what is on this machine as it was published; nothing is downloaded or written.

    Raise DatasetUnavailable when it is not here, DatasetCorrupt when it is damaged.
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
        raise DatasetUnavailable(f"{dataset} is not on this machine") from error
    try:
        return _verified(content, _sums_in(content) if dataset in DOWNLOADED else originals.published_sums())
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DatasetCorrupt(f"{cache.name} is damaged") from error


def _sums_in(content: bytes) -> dict[str, str]:
    """Read the sums that were taken when the data set was downloaded."""
    length = int.from_bytes(content[:8], "little")
    sums: dict[str, str] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][SUMS])
    return sums


def _verified(content: bytes, sums: dict[str, str]) -> Originals:
    tensors = safetensors.torch.load(content)
    expected = {name: (torch.uint8, sums[name]) for name in FILES}
    if {name: (tensor.dtype, idx.sha256(tensor)) for name, tensor in tensors.items()} != expected:
        raise ValueError("the files that these bytes came from have other sums")
    return Originals(tensors, {name: sums[name] for name in FILES})


def _write(cache: Path, found: Originals) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    # Several workers may build it at once: each writes its own file, the last rename wins.
    handle, partial = tempfile.mkstemp(dir=cache.parent, prefix=cache.name)
    os.close(handle)
    try:
        sums = json.dumps(found.sums, separators=(",", ":"))
        safetensors.torch.save_file(found.tensors, partial, metadata={SUMS: sums})
        os.replace(partial, cache)
    finally:
        Path(partial).unlink(missing_ok=True)
