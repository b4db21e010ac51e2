"""Pictures that do not show one digit."""

from collections.abc import Callable
from string import ascii_letters

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

from tests.serving.picture_files import saved
from tests.serving.scenes import Digit, Rng, developed, side


def blank(rng: Rng) -> bytes:
    size = side(rng)
    return developed(np.full((size, size), rng.uniform(0, 1)), rng, rng.uniform(0, 0.05))


def dust(rng: Rng) -> bytes:
    size = side(rng, (100, 1000))
    light = np.ones((size, size))
    for row, column in rng.integers(0, size - 6, (rng.integers(1, 6), 2)):
        reach = rng.integers(1, 6, 2)
        light[row : row + reach[0], column : column + reach[1]] = rng.uniform(0, 0.4)
    return developed(light, rng)


def one_pixel(rng: Rng) -> bytes:
    grey = np.zeros((28, 28), np.uint8)
    grey[tuple(rng.integers(0, 28, 2))] = rng.integers(100, 256)
    return saved(grey, "PNG")


def noise(rng: Rng) -> bytes:
    size = side(rng, (28, 500))
    return developed(rng.uniform(0, 1, (size, size)), rng)


def texture(rng: Rng) -> bytes:
    size = side(rng, (56, 500))
    grain = ndimage.gaussian_filter(rng.normal(0, 1, (size, size)), rng.uniform(1, size / 12))
    return developed(0.5 + 0.2 * grain / grain.std(), rng)


def stripes(rng: Rng) -> bytes:
    size = side(rng, (56, 500))
    rows, columns = np.indices((size, size)) / size
    angle = rng.uniform(0, np.pi)
    waves = np.sin((np.cos(angle) * rows + np.sin(angle) * columns) * rng.uniform(10, 60))
    return developed(0.5 + 0.4 * waves, rng)


DIGIT_LIKE = "OoIilSsZzgqb"
"""Letters that many people write as they write 0, 1, 5, 2, 9 and 6."""
LETTERS = "".join(each for each in ascii_letters if each not in DIGIT_LIKE)


def letter(rng: Rng, letters: str = LETTERS) -> bytes:
    """Return a letter of a typeface that was not used for training."""
    font = ImageFont.load_default(200)
    image = Image.new("L", (280, 280))
    ImageDraw.Draw(image).text((140, 140), str(rng.choice(list(letters))), 255, font, "mm", stroke_width=3)
    image = image.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC)
    return developed(1 - np.asarray(image.filter(ImageFilter.GaussianBlur(2))) / 255, rng)


def two_digits(pair: tuple[Digit, Digit], rng: Rng) -> bytes:
    size = side(rng, (80, 800))
    both = np.concatenate([pair[0][:, 3:25], pair[1][:, 3:25]], 1)
    scaled = Image.fromarray(np.pad(both, ((8, 8), (4, 4)))).resize((size, size * 44 // 52))
    return developed(1 - np.asarray(scaled) / 255, rng)


NO_DIGITS: dict[str, Callable[[Rng], bytes]] = {
    "blank": blank,
    "dust": dust,
    "one pixel": one_pixel,
    "noise": noise,
    "texture": texture,
    "stripes": stripes,
    "letter": letter,
}
