"""Data sets as tensors, from files whose sha256 is checked every time they are read."""

import gzip
import hashlib
import os
import struct
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

VENDORED = Path(__file__).parent / "mnist"
N_VALIDATION = 5_000
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class DatasetCorrupt(Exception):
    """A file of the data set is not the one that was published."""


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


def load_mnist(cache_dir: Path) -> Digits:
    """Load MNIST from its cache, building that from the vendored files where it is missing or damaged.

    Raise DatasetCorrupt when a vendored file has changed.
    """
    sums = _published_sums()
    cache = cache_dir / "mnist.safetensors"
    raw = _read_cache(cache, sums)
    if raw is None:
        raw = _read_vendored(sums)
        with suppress(OSError):  # without a cache the next start is slower, and nothing else
            _write_cache(cache, raw)
    train_images, train_labels, test_images, test_labels = (raw[name] for name in FILES)
    train, test = _split(train_images, train_labels), _split(test_images, test_labels)
    return Digits(
        train=Split(train.images[N_VALIDATION:], train.labels[N_VALIDATION:]),
        validation=Split(train.images[:N_VALIDATION], train.labels[:N_VALIDATION]),
        test=test,
        sha256=hashlib.sha256("".join(sums[name] for name in FILES).encode()).hexdigest(),
    )


def _split(images: Tensor, labels: Tensor) -> Split:
    return Split(images.reshape(len(images), -1).float().div_(255), labels.long())


def _published_sums() -> dict[str, str]:
    lines = (VENDORED / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _idx_sha256(tensor: Tensor) -> str:
    """Answer the sha256 of the IDX file that these bytes came from: its header is known from the shape."""
    magic = 0x0800 + tensor.dim()
    digest = hashlib.sha256(struct.pack(f">{tensor.dim() + 1}I", magic, *tensor.shape))
    digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def _read_cache(cache: Path, sums: dict[str, str]) -> dict[str, Tensor] | None:
    try:
        raw = load_file(cache)
    except (OSError, SafetensorError):
        return None
    return raw if {name: _idx_sha256(tensor) for name, tensor in raw.items()} == sums else None


def _write_cache(cache: Path, raw: dict[str, Tensor]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    # Several workers may build it at once: each writes its own file, the last rename wins.
    handle, partial = tempfile.mkstemp(dir=cache.parent, prefix=cache.name)
    os.close(handle)
    try:
        save_file(raw, partial)
        os.replace(partial, cache)
    finally:
        Path(partial).unlink(missing_ok=True)


def _read_vendored(sums: dict[str, str]) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "MNIST" / "raw"
        folder.mkdir(parents=True)
        for name in FILES:
            (folder / name).write_bytes(_unpack(name, sums[name]))
        train, test = _parse(root)
    return dict(zip(FILES, (*train, *test), strict=True))


def _unpack(name: str, sha256: str) -> bytes:
    try:
        data = gzip.decompress((VENDORED / f"{name}.gz").read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetCorrupt(f"{name}.gz cannot be read") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DatasetCorrupt(f"{name}.gz does not have the published sha256")
    return data


def _parse(root: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Read the IDX files with torchvision, which takes seconds to import: only when there is no cache."""
    _define_missing_operators()
    from torchvision.datasets import MNIST  # noqa: PLC0415

    train, test = (MNIST(root, train=part) for part in (True, False))
    return tuple((part.data, part.targets.to(torch.uint8)) for part in (train, test))  # type: ignore[return-value] # a pair of pairs


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
