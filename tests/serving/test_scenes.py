"""Digits in scenes are read nearly as well as MNIST's own images, and no digit is read with confidence."""

from pathlib import Path

import numpy as np
import pytest

from models.data.digits import Digits
from models.nets.net import Net
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training
from service import errors
from service.serving import nets
from service.serving.doubts import doubts_of
from service.serving.intake.digits import normalise, normalise_all
from service.serving.pictures import LONGEST_SIDE_OF_MANY, decode
from tests.serving import no_digits, scenes
from tests.serving.picture_files import saved

CASES = Path(__file__).parent / "cases"
N_DIGITS, N_WITHOUT = 10, 10
NOTHING = (None, 0.0, ["blank"])

Reading = tuple[int | None, float, list[str]]
"""Digit, confidence and doubts."""


@pytest.fixture(scope="module")
def net(digits: Digits) -> Net:
    spec = TrainSpec(norm="batch", init=True)
    *_, last = Training([Run(spec)], digits).spans()
    return load_net(last[0].checkpoints[-1].weights, spec)


@pytest.fixture(scope="module")
def chosen(net: Net, digits: Digits) -> tuple[np.ndarray, np.ndarray]:  # (10, 28, 28), (10,)
    """Digits that the net is sure of, and right, in their clean images."""
    images, labels = digits.test.images[:1000].numpy(), digits.test.labels[:1000].numpy()
    _, outputs = nets.forward(net, images)
    right = np.flatnonzero((outputs.argmax(1) == labels) & (outputs.max(1) > 0.9))
    rows = np.random.default_rng(1).choice(right, N_DIGITS, replace=False)
    return (images[rows] * 255).round().astype(np.uint8).reshape(-1, 28, 28), labels[rows]


def read(net: Net, data: bytes) -> Reading:
    try:
        intake = normalise(decode(data))
    except errors.BlankImage:
        return NOTHING
    return judged(net, intake.image.reshape(1, -1), intake.doubts)


def judged(net: Net, image: np.ndarray, found: tuple[str, ...] = ()) -> Reading:
    _, [probabilities] = nets.forward(net, image.astype(np.float32))
    digit = int(probabilities.argmax())
    [doubts] = doubts_of("mnist", image.astype(np.float32), [digit], [found])  # type: ignore[list-item]
    return digit, float(probabilities[digit]), list(doubts)


@pytest.mark.slow
@pytest.mark.parametrize("name", scenes.SCENES)
def test_a_digit_in_a_scene_is_read(net: Net, chosen: tuple[np.ndarray, np.ndarray], name: str) -> None:
    rng = np.random.default_rng(7)

    readings = [
        (read(net, scenes.SCENES[name](image, rng)), label) for image, label in zip(*chosen, strict=True)
    ]

    wrong = [reading for reading, label in readings if reading[0] != label]
    # benchmarks/intake.py measures the shares on many digits.
    assert len(wrong) <= 1
    assert [reading for reading in wrong if reading[1] > 0.9 and not reading[2]] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in no_digits.NO_DIGITS if name != "letter"])
def test_a_picture_without_a_digit_is_not_read_with_confidence(net: Net, name: str) -> None:
    rng = np.random.default_rng(7)

    readings = [read(net, no_digits.NO_DIGITS[name](rng)) for _ in range(N_WITHOUT)]

    assert [reading for reading in readings if reading[1] > 0.9 and not reading[2]] == []


@pytest.mark.parametrize(
    "name",
    ["black_on_clear", "framed", "plain", "ruled", "underlined_at_edge", "white_on_clear"],
)
def test_a_case_is_a_seven(net: Net, name: str) -> None:
    assert read(net, (CASES / f"{name}_7.png").read_bytes())[0] == 7


def test_a_digit_cut_to_its_ink_is_read(net: Net) -> None:
    digit, _, doubts = read(net, (CASES / "tight_1.png").read_bytes())

    assert (digit, doubts) == (1, [])


@pytest.mark.parametrize("name", ["dust_5px", "one_pixel"])
def test_a_speck_is_doubted(net: Net, name: str) -> None:
    assert read(net, (CASES / f"{name}.png").read_bytes())[2] != []


def test_two_digits_are_doubted(net: Net, chosen: tuple[np.ndarray, np.ndarray]) -> None:
    pairs = zip(chosen[0][::2], chosen[0][1::2], strict=True)
    rng = np.random.default_rng(7)

    readings = [read(net, no_digits.two_digits(pair, rng)) for pair in pairs]

    assert [reading for reading in readings if reading[1] > 0.9 and not reading[2]] == []


@pytest.mark.parametrize(
    ("image", "doubts"),
    [
        pytest.param(np.zeros((1, 784)), ["no_ink"], id="zeros"),
        pytest.param(np.eye(784)[[400]], ["little_ink"], id="one pixel"),
        pytest.param(np.ones((1, 784)), ["unlike_mnist"], id="all ink"),
        pytest.param(np.random.default_rng(0).uniform(0, 1, (1, 784)), ["unlike_mnist"], id="noise"),
    ],
)
def test_numbers_without_a_digit_are_doubted(net: Net, image: np.ndarray, doubts: list[str]) -> None:
    assert judged(net, image)[2] == doubts


def test_a_net_of_another_data_set_is_not_compared_with_mnist() -> None:
    images = np.concatenate([np.zeros((1, 784)), np.full((1, 784), 0.5)]).astype(np.float32)

    assert doubts_of("fashion_mnist", images, [0, 0], [(), ()]) == [["no_ink"], []]


def test_few_digits_of_mnist_are_doubted(net: Net, digits: Digits) -> None:
    images, labels = digits.test.images[:1000].numpy(), digits.test.labels[:1000].numpy()
    found = nets.forward(net, images)[1].argmax(1)

    doubted = np.array([bool(each) for each in doubts_of("mnist", images, found, [()] * 1000)])

    assert doubted[found == labels].mean() <= 0.02


def sheet(images: np.ndarray, columns: int, size: int = 56) -> np.ndarray:
    """Dark digits on white, row by row."""
    large = np.kron(images, np.ones((1, size // 28, size // 28), np.uint8))
    rows = [np.concatenate(list(large[at : at + columns]), 1) for at in range(0, len(large), columns)]
    grey: np.ndarray = 255 - np.concatenate(rows)
    return np.pad(grey, 20, constant_values=255)


def test_all_digits_of_a_sheet_are_read_row_by_row(net: Net, digits: Digits) -> None:
    images = (digits.test.images[:20] * 255).numpy().astype(np.uint8).reshape(-1, 28, 28)
    alone = [judged(net, image.reshape(1, -1) / 255)[0] for image in images]

    found = normalise_all(decode(saved(sheet(images, 5), "PNG"), longest_side=LONGEST_SIDE_OF_MANY), 20)

    assert [judged(net, each.image.reshape(1, -1))[0] for each in found] == alone
    places = [(each.report.bbox[1] // 56, each.report.bbox[0] // 56) for each in found]
    assert [each.doubts for each in found] == [()] * 20
    assert places == sorted(places)


def test_a_picture_may_have_only_so_many_digits(digits: Digits) -> None:
    images = (digits.test.images[:6] * 255).numpy().astype(np.uint8).reshape(-1, 28, 28)

    with pytest.raises(errors.TooManyDigits):
        normalise_all(sheet(images, 6), 5)
