"""The vendored MNIST: its splits, its cache, and damage to either."""

import shutil
from pathlib import Path

import pytest
import torch

from models import data
from models.data import DatasetCorrupt, Digits, load_mnist


def test_mnist_has_the_articles_splits(digits: Digits) -> None:
    shapes = [tuple(split.images.shape) for split in (digits.train, digits.validation, digits.test)]

    assert shapes == [(55_000, 784), (5_000, 784), (10_000, 784)]
    assert digits.validation.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert digits.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (digits.train.images.min().item(), digits.train.images.max().item()) == (0, 1)


def test_a_damaged_cache_is_built_again(digits: Digits, mnist_cache: Path, tmp_path: Path) -> None:
    damaged = bytearray((mnist_cache / "mnist.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "mnist.safetensors").write_bytes(damaged)

    again = load_mnist(tmp_path)

    assert torch.equal(again.test.labels, digits.test.labels)
    assert (tmp_path / "mnist.safetensors").read_bytes() == (mnist_cache / "mnist.safetensors").read_bytes()


@pytest.mark.parametrize("place", [60, -1], ids=["inside", "at the end"])
def test_a_changed_vendored_file_is_refused_by_name(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendored = shutil.copytree(data.VENDORED, tmp_path / "vendored")
    path = vendored / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(data, "VENDORED", vendored)

    with pytest.raises(DatasetCorrupt, match=r"t10k-labels-idx1-ubyte\.gz"):
        load_mnist(tmp_path / "cache")
