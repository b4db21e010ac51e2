"""Pictures of MNIST's test digits as people send them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from tests.serving.picture_files import saved

Digit = npt.NDArray[np.uint8]  # (28, 28)
Ink = npt.NDArray[np.float64]  # (height, width), 0 paper to 1 ink
Rng = np.random.Generator
Scene = Callable[[Digit, Rng], bytes]

SIZES = 28, 1000
LINED_SIZES = 84, 1000
PHONE_WIDTH, PHONE_HEIGHT = 3000, 4000


def side(rng: Rng, sizes: tuple[int, int] = SIZES) -> int:
    """Draw a side in pixels: each octave is equally likely."""
    return round(float(np.exp(rng.uniform(*np.log(sizes)))))


def drawn(digit: Digit, size: int, rng: Rng, share: float = 1.0) -> Ink:  # (size, size)
    """Scale a digit and its margin to a share of the canvas, at a random place."""
    inner = max(28, round(size * share))
    scaled = Image.fromarray(digit).resize((inner, inner), Image.Resampling.BICUBIC)
    ink = np.zeros((size, size))
    if size <= inner:
        return np.asarray(scaled.resize((size, size), Image.Resampling.BICUBIC)) / 255
    top, left = rng.integers(0, size - inner + 1, 2)
    ink[top : top + inner, left : left + inner] = np.asarray(scaled) / 255
    return ink


def developed(light: Ink, rng: Rng, noise: float = 0.0, blur: float = 0.0) -> bytes:
    """Blur a picture in [0, 1], add noise, and write it as a PNG or JPEG."""
    if blur:
        light = ndimage.gaussian_filter(light, blur * len(light) / 280)
    if noise:
        light = light + rng.normal(0, noise, light.shape)
    grey = np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        return saved(grey, "PNG")
    return saved(grey, "JPEG", quality=int(rng.integers(70, 96)))


def plain(digit: Digit, rng: Rng) -> bytes:
    return developed(drawn(digit, side(rng), rng, rng.uniform(0.7, 1)), rng)


def dark_on_white(digit: Digit, rng: Rng) -> bytes:
    ink = drawn(digit, side(rng), rng, rng.uniform(0.6, 1))
    return developed(1 - ink * rng.uniform(0.6, 1), rng, rng.uniform(0, 0.02), rng.uniform(0, 1.5))


def transparent(digit: Digit, rng: Rng, ink_level: int = 0) -> bytes:
    alpha = np.rint(drawn(digit, side(rng), rng, rng.uniform(0.7, 1)).clip(0, 1) * 255).astype(np.uint8)
    image = Image.new("RGBA", alpha.shape[::-1], (ink_level, ink_level, ink_level, 0))
    image.putalpha(Image.fromarray(alpha))
    return saved(image, "PNG")


def framed(digit: Digit, rng: Rng) -> bytes:
    light = 1 - drawn(digit, side(rng, (56, 1000)), rng, rng.uniform(0.7, 0.9))
    return developed(rimmed(light, 0, 1, 0.0), rng)


def rimmed(light: Ink, inset: int, width: int, level: float) -> Ink:
    size = len(light)
    rim = np.zeros(light.shape, bool)
    rim[inset : size - inset, inset : size - inset] = True
    rim[inset + width : size - inset - width, inset + width : size - inset - width] = False
    return np.where(rim, level, light)


def frame_inset(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, LINED_SIZES)
    inner = round(size * rng.uniform(0.6, 0.8))
    light = np.ones((size, size))
    at = (size - inner) // 2
    light[at : at + inner, at : at + inner] -= drawn(digit, inner, rng)
    width = max(1, round(size * rng.uniform(0.004, 0.015)))
    return developed(rimmed(light, round(size * rng.uniform(0.02, 0.08)), width, rng.uniform(0, 0.4)), rng)


def lines(size: int, gap: float, width: int, slope: float, rng: Rng) -> npt.NDArray[np.bool_]:
    """Return horizontal lines, `gap` apart, that fall by `slope` pixels per pixel."""
    rows, columns = np.indices((size, size))
    along = (rows + slope * columns + rng.uniform(0, gap)) % gap
    return along < width


def ruled(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, LINED_SIZES)
    light = 1 - drawn(digit, size, rng, rng.uniform(0.5, 0.9))
    width = max(1, round(size * rng.uniform(0.003, 0.008)))
    ruling = lines(size, size * rng.uniform(0.2, 0.5), width, rng.uniform(-0.03, 0.03), rng)
    level = rng.uniform(0.2, 0.7)
    return developed(np.where(ruling, np.minimum(light, level), light), rng, rng.uniform(0, 0.02))


def squared(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, LINED_SIZES)
    light = 1 - drawn(digit, size, rng, rng.uniform(0.5, 0.9))
    gap, width = size * rng.uniform(0.08, 0.2), max(1, round(size * rng.uniform(0.003, 0.006)))
    slope = rng.uniform(-0.02, 0.02)
    grid = lines(size, gap, width, slope, rng) | lines(size, gap, width, -slope, rng).T
    return developed(np.where(grid, np.minimum(light, rng.uniform(0.3, 0.75)), light), rng, 0.01)


def table_corner(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, (56, 1000))
    light = 1 - drawn(digit, size, rng, 0.7) * rng.uniform(0.7, 1)
    rows, columns = np.indices(light.shape) / size
    reach = rng.uniform(0.1, 0.25, 2)
    corner = rows / reach[0] + columns / reach[1] < 1
    dark = np.where(corner & (light > 0.9), rng.uniform(0.05, 0.45), light)
    return developed(np.rot90(dark, 0), rng, rng.uniform(0, 0.02), 0.5)


def scanner_edge(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, (56, 1000))
    strip = max(1, round(size * rng.uniform(0.01, 0.08)))
    light = np.ones((size, size))
    inner = size - strip
    light[:inner, :inner] -= drawn(digit, inner, rng, rng.uniform(0.6, 0.95)) * rng.uniform(0.7, 1)
    light[:, inner:] = rng.uniform(0, 0.3)
    if rng.random() < 0.5:
        light[inner:, :] = rng.uniform(0, 0.3)
    return developed(np.rot90(light, 0), rng, rng.uniform(0, 0.02), rng.uniform(0, 0.5))


def line_at_edge(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, (56, 1000))
    light = 1 - drawn(digit, size, rng, 0.85)
    width = max(1, round(size * rng.uniform(0.005, 0.025)))
    at = rng.integers(0, 2) * rng.integers(0, max(1, size // 40))
    light[size - width - at : size - at, :] = rng.uniform(0, 0.4)
    return developed(light, rng)


def photographed(
    digit: Digit, rng: Rng, shade: Callable[[int, Rng], Ink], share: tuple[float, float] = (0.5, 0.95)
) -> bytes:
    size = side(rng, (112, 1000))
    paper, ink = rng.uniform(0.75, 0.98), rng.uniform(0.05, 0.35)
    light = paper - (paper - ink) * drawn(digit, size, rng, rng.uniform(*share))
    return developed(light * shade(size, rng), rng, rng.uniform(0.005, 0.03), rng.uniform(0.2, 1.2))


def slope_of_light(size: int, rng: Rng) -> Ink:
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices((size, size)) / size - 0.5
    along = np.cos(angle) * rows + np.sin(angle) * columns
    shaded: Ink = 1 - rng.uniform(0.2, 0.5) * (along + 0.7) / 1.4
    return shaded


def soft_shadow(size: int, rng: Rng) -> Ink:
    rows, columns = np.indices((size, size)) / size
    centre, reach = rng.uniform(0, 1, 2), rng.uniform(0.3, 0.7)
    near = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / reach**2)
    shaded: Ink = slope_of_light(size, rng) * (1 - rng.uniform(0.1, 0.4) * near)
    return shaded


def hard_shadow(size: int, rng: Rng) -> Ink:
    rows, columns = np.indices((size, size)) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * rows + np.sin(angle) * columns - rng.uniform(-0.3, 0.3)
    edge = 1 / (1 + np.exp(-across / rng.uniform(0.002, 0.01)))
    shaded: Ink = 1 - rng.uniform(0.3, 0.6) * edge
    return shaded


def paper_on_desk(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, (112, 1000))
    inner = round(size * rng.uniform(0.45, 0.8))
    paper, ink, desk = rng.uniform(0.75, 0.98), rng.uniform(0.05, 0.3), rng.uniform(0.05, 0.4)
    sheet = paper - (paper - ink) * drawn(digit, inner, rng, rng.uniform(0.6, 0.9))
    light = np.full((size, size), -1.0)
    top, left = rng.integers(0, size - inner + 1, 2)
    light[top : top + inner, left : left + inner] = sheet
    turned = Image.fromarray(light.astype(np.float32)).rotate(rng.uniform(-8, 8), fillcolor=-1.0)
    values = np.asarray(turned).astype(float)
    values = np.where(values < 0, desk, values)
    return developed(values * slope_of_light(size, rng) ** 0.5, rng, rng.uniform(0.005, 0.02), 0.5)


def tight_crop(digit: Digit, rng: Rng) -> bytes:
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    cut = Image.fromarray(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    factor = side(rng, (20, 600)) / max(cut.size)
    cut = cut.resize((round(cut.width * factor) or 1, round(cut.height * factor)), Image.Resampling.BICUBIC)
    grey = np.asarray(cut)
    return saved(255 - grey if rng.random() < 0.5 else grey, "PNG")


def binary_scan(digit: Digit, rng: Rng) -> bytes:
    ink = drawn(digit, side(rng), rng, rng.uniform(0.7, 1)) > 0.45
    return saved(Image.fromarray(~ink), "PNG")


def small(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, (200, 1000))
    share = max(28, round(size * rng.uniform(0.08, 0.2))) / size
    return developed(1 - drawn(digit, size, rng, share), rng, 0.01)


def thin_pen(digit: Digit, rng: Rng) -> bytes:
    size = side(rng, (112, 1000))
    ink = drawn(digit, size, rng, rng.uniform(0.6, 0.95))
    depth: Ink = ndimage.distance_transform_edt(ink > 0.5)
    widest = ndimage.maximum_filter(depth, 2 * int(depth.max()) + 1)
    pen: Ink = ndimage.gaussian_filter((depth > 0.55 * widest).astype(float), size / 500)
    return developed(1 - np.clip(pen * 1.3, 0, 1), rng)


def turned_by_exif(digit: Digit, rng: Rng) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    light = np.rot90(1 - drawn(digit, side(rng), rng, rng.uniform(0.6, 1)))
    return saved(np.rint(light.clip(0, 1) * 255).astype(np.uint8), "JPEG", quality=90, exif=exif)


def phone_photo(digit: Digit, rng: Rng) -> bytes:
    """Return a colour photo of 12 megapixels and 3 to 5 MB, upright but stored sideways, as phones do."""
    paper, ink = rng.uniform(0.8, 0.95), rng.uniform(0.05, 0.3)
    light = paper - (paper - ink) * drawn(digit, 1000, rng, rng.uniform(0.4, 0.8))
    shaded = Image.fromarray(np.rint(255 * light * soft_shadow(1000, rng)).astype(np.uint8))
    upright = np.asarray(shaded.resize((PHONE_WIDTH, PHONE_WIDTH), Image.Resampling.BICUBIC), np.float32)
    margin = PHONE_HEIGHT - PHONE_WIDTH
    stored = np.rot90(np.pad(upright, ((margin // 2, margin - margin // 2), (0, 0)), "edge"))
    stored = stored + rng.standard_normal(stored.shape, np.float32) * 5
    colours = np.clip(stored[..., None] * np.array([1, 0.97, 0.88], np.float32), 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    return saved(colours, "JPEG", quality=92, exif=exif)


SCENES: dict[str, Scene] = {
    "plain canvas": plain,
    "dark on white": dark_on_white,
    "transparent canvas": transparent,
    "white on transparent": partial(transparent, ink_level=255),
    "frame of 1 pixel": framed,
    "frame inset": frame_inset,
    "ruled line": ruled,
    "squared paper": squared,
    "table corner": table_corner,
    "scanner edge": scanner_edge,
    "line at the edge": line_at_edge,
    "soft shadow": partial(photographed, shade=soft_shadow),
    "hard shadow": partial(photographed, shade=hard_shadow),
    "paper on a desk": paper_on_desk,
    "tight crop": tight_crop,
    "binary scan": binary_scan,
    "small digit": small,
    "thin pen": thin_pen,
    "turned by EXIF": turned_by_exif,
}
