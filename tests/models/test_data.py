"""Data sets: their splits, their caches, damaged files, and mirrors that fail."""

import shutil
import socket
from pathlib import Path

import pytest
import torch

from models.data import digits as dataset_files
from models.data import idx, originals
from models.data.digits import Digits, load, read_originals
from models.data.originals import FILES, DatasetCorrupt, DatasetUnavailable, Originals
from models.specs.datasets import DATASETS, Dataset
from tests import mirror

pytestmark = pytest.mark.slow


def changed(path: Path, place: int, by: int = 1) -> bytes:
    """The bytes of a file, one of them changed."""
    content = bytearray(path.read_bytes())
    content[place] ^= by
    return bytes(content)


@pytest.fixture
def vendored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the vendored files, for damage."""
    folder = shutil.copytree(originals.VENDORED, tmp_path / "vendored")
    monkeypatch.setattr(originals, "VENDORED", folder)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The cache of a data set of few bytes, in a folder of its own."""
    tensors = {name: torch.arange(4, dtype=torch.uint8) for name in FILES}
    sums = {name: idx.sha256(tensor) for name, tensor in tensors.items()}
    cache = tmp_path / "tiny" / "kmnist.safetensors"
    dataset_files._write(cache, Originals(tensors, sums))
    return cache


def test_mnist_has_the_articles_splits(mnist: Digits) -> None:
    shapes = [tuple(split.images.shape) for split in (mnist.train, mnist.validation, mnist.test)]

    assert shapes == [(55_000, 784), (5_000, 784), (10_000, 784)]
    assert mnist.validation.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert int(mnist.test.labels.bincount().max()) == DATASETS["mnist"].n_most_frequent
    assert (mnist.train.images.min().item(), mnist.train.images.max().item()) == (0, 1)


def test_a_damaged_cache_is_built_again(mnist: Digits, mnist_cache: Path, tmp_path: Path) -> None:
    whole = mnist_cache / "mnist.safetensors"
    (tmp_path / "mnist.safetensors").write_bytes(changed(whole, -1))

    again = load("mnist", tmp_path)

    assert torch.equal(again.test.labels, mnist.test.labels)
    assert (tmp_path / "mnist.safetensors").read_bytes() == whole.read_bytes()


def test_reading_writes_nothing(mnist: Digits, tmp_path: Path) -> None:
    found = read_originals("mnist", tmp_path / "datasets")

    assert torch.equal(found.splits()["test"][1].long(), mnist.test.labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [4, 60, -1], ids=["in the gzip header", "inside", "at the end"])
@pytest.mark.parametrize("name", FILES)
def test_a_changed_vendored_file_is_refused_by_name(
    vendored: Path, tmp_path: Path, name: str, place: int
) -> None:
    path = vendored / f"{name}.gz"
    path.write_bytes(changed(path, place))

    with pytest.raises(DatasetCorrupt, match=rf"^{name}\.gz "):
        load("mnist", tmp_path / "cache")


@pytest.mark.parametrize(
    ("place", "by"),
    [(0, 1), (0, 0x80), (64, 0x2A), (66, 1), (88, 0x2A)],
    ids=["a digit", "no text", "a lost blank", "a name", "a lost line"],
)
def test_changed_sums_are_refused_by_name(vendored: Path, tmp_path: Path, place: int, by: int) -> None:
    path = vendored / "SHA256SUMS"
    path.write_bytes(changed(path, place, by))

    with pytest.raises(DatasetCorrupt, match="SHA256SUMS"):
        load("mnist", tmp_path / "cache")


def test_a_vendored_file_that_is_missing_is_named(vendored: Path, tmp_path: Path) -> None:
    (vendored / "train-labels-idx1-ubyte.gz").unlink()

    with pytest.raises(DatasetCorrupt, match=r"^train-labels-idx1-ubyte\.gz cannot be read$"):
        load("mnist", tmp_path / "cache")


def refuses(cache: Path, content: bytes) -> bool:
    cache.write_bytes(content)
    try:
        read_originals("kmnist", cache.parent)
    except DatasetCorrupt as error:
        return str(error) == "kmnist.safetensors is damaged"
    return False


def test_a_change_of_any_byte_of_a_cache_is_noticed(tiny: Path) -> None:
    n_bytes = tiny.stat().st_size
    damaged = [changed(tiny, place, by) for place in range(n_bytes) for by in (1, 0x80, ord("U") ^ ord("I"))]

    assert [n for n, content in enumerate(damaged) if not refuses(tiny, content)] == []


def test_a_cache_that_was_cut_short_is_noticed(tiny: Path) -> None:
    whole = tiny.read_bytes()

    assert read_originals("kmnist", tiny.parent).tensors["train-labels-idx1-ubyte"].tolist() == [0, 1, 2, 3]
    assert [size for size in range(len(whole)) if not refuses(tiny, whole[:size])] == []


def test_a_data_set_is_downloaded_once(
    mnist: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with mirror.serving(mirror.Whole) as url:
        mirror.use(monkeypatch, "fashion_mnist", url)
        first = load("fashion_mnist", tmp_path)

    again = load("fashion_mnist", tmp_path)

    assert (first.sha256, again.sha256) == (mnist.sha256, mnist.sha256)
    assert torch.equal(first.train.images, mnist.train.images)
    assert torch.equal(again.validation.labels, mnist.validation.labels)
    assert [path.name for path in tmp_path.iterdir()] == ["fashion_mnist.safetensors"]
    assert capfd.readouterr() == ("", "")


def test_a_damaged_cache_is_downloaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "kmnist.safetensors"
    with mirror.serving(mirror.Whole) as url:
        mirror.use(monkeypatch, "kmnist", url)
        load("kmnist", tmp_path)
        whole = cache.read_bytes()
        cache.write_bytes(changed(cache, -1))

        load("kmnist", tmp_path)

    assert cache.read_bytes() == whole


def test_a_damaged_cache_is_named_where_it_cannot_be_downloaded_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write_bytes(changed(tiny, -1))
    mirror.use(monkeypatch, "kmnist", mirror.closed())

    with pytest.raises(DatasetCorrupt) as caught:
        load("kmnist", tiny.parent)

    assert str(caught.value) == (
        "kmnist.safetensors is damaged; kmnist could not be downloaded from 127.0.0.1; "
        "check that the workers can reach it, then submit the job again"
    )


UNAVAILABLE = (
    "the data set fashion_mnist is not on this machine; "
    "fashion_mnist could not be downloaded from 127.0.0.1; "
    "check that the workers can reach it, then submit the job again"
)


def test_a_data_set_that_cannot_be_reached_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.use(monkeypatch, "fashion_mnist", mirror.closed())

    with pytest.raises(DatasetUnavailable) as caught:
        load("fashion_mnist", tmp_path)

    assert (str(caught.value), list(tmp_path.iterdir())) == (UNAVAILABLE, [])
    assert not isinstance(caught.value, DatasetCorrupt)


def test_a_truncated_download_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror.serving(mirror.Half) as url:
        mirror.use(monkeypatch, "fashion_mnist", url)

        with pytest.raises(DatasetUnavailable) as caught:
            load("fashion_mnist", tmp_path)

    assert (str(caught.value), list(tmp_path.iterdir())) == (UNAVAILABLE, [])


def test_a_silent_mirror_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "DOWNLOAD_TIMEOUT_SECONDS", 0.1)
    before = socket.getdefaulttimeout()
    with mirror.silent() as url:
        mirror.use(monkeypatch, "fashion_mnist", url)

        with pytest.raises(DatasetUnavailable) as caught:
            load("fashion_mnist", tmp_path)

    assert (str(caught.value), socket.getdefaulttimeout()) == (UNAVAILABLE, before)


@pytest.mark.parametrize("dataset", originals.DOWNLOADED)
def test_the_classes_are_torchvisions(dataset: Dataset) -> None:
    assert list(DATASETS[dataset].classes) == originals.torchvision_class(dataset).classes
