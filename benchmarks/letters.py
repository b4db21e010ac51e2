"""Train the net that knows letters from digits, and write it to service/serving/intake/letters.npz.

It learns MNIST's training digits, letters of the typefaces DejaVu and STIX bent at random, scribbles of a few
strokes, and blobs. Letters that are digits in shape are left out. The limit is the level that 1 % of the
validation digits exceed, so no letter is used to choose it. Takes about two minutes on one core.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage
from torch import nn
from torch.nn import functional

from models.data.digits import Digits, load
from models.training.loop import prepare_thread
from service.serving.intake import letters, mnist
from service.serving.intake.letters import LetterNet
from service.serving.intake.masks import bbox_of
from tests.serving.no_digits import LETTERS

Rng = np.random.Generator

FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
)
N_LETTERS, N_SCRIBBLES, N_BLOBS = 80_000, 16_000, 8_000
N_HIDDEN, N_DIGITS_PER_STEP, N_OTHERS_PER_STEP, STEPS, RATE = 256, 256, 128, 4_000, 4e-3
N_DIGITS, ABOVE_LIMIT, LEAST_INK = 55_000, 0.01, 40
_SIDE = 64
_ROWS, _COLUMNS = np.mgrid[:_SIDE, :_SIDE].astype(np.float32) - _SIDE / 2


def typeface(name: str) -> Path:
    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")


@cache
def glyph(face: str, letter: str, stroke_width: int) -> np.ndarray:
    image = Image.new("L", (_SIDE, _SIDE))
    font = ImageFont.truetype(typeface(face), 38)
    middle = _SIDE / 2, _SIDE / 2
    ImageDraw.Draw(image).text(middle, letter, 255, font, "mm", stroke_width=stroke_width)
    return np.asarray(image, np.float32)


def bent(grey: np.ndarray, rng: Rng) -> np.ndarray:
    """Turn, shear, scale and warp a picture at random, about as much as hands differ."""
    coarse = rng.normal(0, rng.uniform(0, 2.5), (2, 5, 5)).astype(np.float32)
    down, right = (
        np.asarray(Image.fromarray(each).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)) for each in coarse
    )
    angle, shear = rng.normal(0, (0.12, 0.15))
    tall, wide = np.exp(rng.normal(0, 0.12, 2))
    columns = np.cos(angle) * _COLUMNS * wide + (np.sin(angle) + shear) * _ROWS + right
    rows = np.cos(angle) * _ROWS * tall - np.sin(angle) * _COLUMNS + down
    warped: np.ndarray = ndimage.map_coordinates(grey, [rows + _SIDE / 2, columns + _SIDE / 2], order=1)
    return warped


def letter(rng: Rng) -> np.ndarray:
    return bent(glyph(str(rng.choice(FACES)), str(rng.choice([*LETTERS])), int(rng.integers(3))), rng)


def scribble(rng: Rng) -> np.ndarray:
    """Return one to four lines and curves, most of which start on another."""
    image = Image.new("L", (112, 112))
    pen, points = int(rng.integers(7, 17)), list[np.ndarray]()
    for _ in range(rng.choice(4, p=[0.2, 0.35, 0.3, 0.15]) + 1):
        ends = rng.uniform(16, 96, (4, 2))
        if points and rng.random() < 0.6:
            ends[0] = points[rng.integers(len(points))]
        at = np.linspace(0, 1, 24)[:, None]
        curve = (1 - at) ** 3 * ends[0] + 3 * (1 - at) ** 2 * at * ends[1]
        curve += 3 * (1 - at) * at**2 * ends[2] + at**3 * ends[3]
        path = (ends[:2], ends[:3], curve)[rng.integers(3)]
        points += [*path[:: max(1, len(path) // 4)]]
        ImageDraw.Draw(image).line([*map(tuple, path)], 255, pen, "curve")
    return np.asarray(image)


def blob(rng: Rng) -> np.ndarray:
    grain = ndimage.gaussian_filter(rng.normal(0, 1, (_SIDE, _SIDE)), rng.uniform(2, 8))
    labels, _ = ndimage.label(grain > np.quantile(grain, rng.uniform(0.6, 0.95)))
    largest: np.ndarray = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    return largest * 255.0


def redrawn(digit: np.ndarray, rng: Rng) -> np.ndarray:  # (28, 28)
    """Return a digit at another size and sharpness, as pictures show it."""
    side = round(float(np.exp(rng.uniform(*np.log((28, 200))))))
    image = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image.filter(ImageFilter.BoxBlur(rng.uniform(0, side / 56))))


def images_of(pictures: Iterable[np.ndarray]) -> np.ndarray:  # (images, 784)
    """Bring pictures of light ink to MNIST's form, by the last steps of the intake."""
    images = []
    for grey in pictures:
        left, top, right, bottom = bbox_of(grey > LEAST_INK)
        images.append(mnist.centred(mnist.boxed(grey[top:bottom, left:right])))
    return np.stack(images).reshape(len(images), -1) / np.float32(255)


def others(scale: float = 1.0) -> np.ndarray:  # (images, 784)
    rng = np.random.default_rng(7)
    kinds = (letter, N_LETTERS), (scribble, N_SCRIBBLES), (blob, N_BLOBS)
    return images_of(draw(rng) for draw, n_images in kinds for _ in range(round(scale * n_images)))


def redrawn_digits(images: np.ndarray) -> np.ndarray:  # (images, 784) -> same
    rng = np.random.default_rng(8)
    greys = np.rint(images * 255).astype(np.uint8).reshape(-1, 28, 28)
    return images_of(redrawn(grey, rng) for grey in greys)


def fit(digits: Digits, negatives: np.ndarray, steps: int = STEPS) -> LetterNet:
    """Train the net on digits, each also redrawn, and on pictures without a digit."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(784, N_HIDDEN), nn.ReLU(), nn.Linear(N_HIDDEN, 11))
    adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, steps)
    images, labels = digits.train.images[:N_DIGITS], digits.train.labels[:N_DIGITS]
    images = torch.cat([images, torch.from_numpy(redrawn_digits(images.numpy()))])
    labels, drawn = torch.cat([labels, labels]), torch.from_numpy(negatives)
    for _ in range(steps):
        rows = torch.from_numpy(rng.integers(0, len(images), N_DIGITS_PER_STEP))
        other_rows = torch.from_numpy(rng.integers(0, len(drawn), N_OTHERS_PER_STEP))
        batch = torch.cat([images[rows], drawn[other_rows]])
        targets = torch.cat([labels[rows], torch.full((N_OTHERS_PER_STEP,), 10)])
        adam.zero_grad()
        torch.autograd.backward(functional.cross_entropy(net(batch), targets))
        adam.step()
        schedule.step()
    return limited([each.detach().numpy().T for each in net.parameters()], digits.validation.images.numpy())


def limited(weights: list[np.ndarray], images: np.ndarray) -> LetterNet:
    """Return the net in the precision of its file, with the limit that these images seldom exceed."""
    rounded = [np.ascontiguousarray(each.astype(np.float16).astype(np.float32)) for each in weights]
    net = LetterNet(rounded[0], rounded[1], rounded[2], rounded[3], np.zeros((), np.float32))
    return replace(net, limit=np.array(np.quantile(net.excess(images), 1 - ABOVE_LIMIT), np.float32))


def main() -> None:
    prepare_thread()
    letters.save(fit(load("mnist", Path("data/datasets")), others()))


if __name__ == "__main__":
    main()
