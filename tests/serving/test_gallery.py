"""The gallery: each data set is read once, however many ask, and memory is bounded."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from models.data import digits as dataset_files
from models.data import idx
from models.data.originals import FILES, Originals
from service.serving.gallery import Gallery


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Caches of few bytes of the two data sets that are downloaded; MNIST is vendored."""
    tensors = {name: torch.arange(4, dtype=torch.uint8) for name in FILES}
    tiny = Originals(tensors, {name: idx.sha256(tensor) for name, tensor in tensors.items()})
    dataset_files._write(tmp_path / "kmnist.safetensors", tiny)
    dataset_files._write(tmp_path / "fashion_mnist.safetensors", tiny)
    return tmp_path


@pytest.mark.slow
def test_many_at_once_read_a_data_set_once(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: gallery.originals("mnist"), range(16)))

    assert {id(each) for each in found} == {id(found[0])}


@pytest.mark.slow
def test_no_more_than_two_data_sets_are_kept(folder: Path) -> None:
    gallery = Gallery(folder)

    sums = [gallery.sums(dataset) for dataset in ("kmnist", "fashion_mnist", "mnist")]

    assert [*gallery._kept] == ["fashion_mnist", "mnist"]
    assert [gallery.sums(dataset) for dataset in ("kmnist", "fashion_mnist", "mnist")] == sums
    assert [*gallery._kept] == ["fashion_mnist", "mnist"]
