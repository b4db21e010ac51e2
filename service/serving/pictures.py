"""Convert the bytes of a picture to a small grey one; limits are checked before any pixel is decoded.

Pillow gets a rebuilt file with the pixels of the first frame and nothing else:
its readers of EXIF, APNG, MPO, ICC, text and later frames never see a client's
bytes, and a truncated file is refused although Pillow would accept it.
"""

import io
import struct
from types import ModuleType

import numpy as np
import numpy.typing as npt
from PIL import Image

from service import errors
from service.serving.formats import bmp, gif, jpeg, png, webp
from service.serving.formats.files import PictureLimits, Rebuilt

LONGEST_SIDE = 384
LONGEST_SIDE_OF_MANY = 1152
LIGHT_INK = 160
"""Ink lighter than this, 0 to 255, would vanish on white."""
HEAD_BYTES = 48 * 1024
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DAMAGED = (OSError, EOFError, SyntaxError, ValueError, IndexError, TypeError, AssertionError, struct.error)

DEFAULT_LIMITS = PictureLimits()


def decode(
    data: bytes, limits: PictureLimits = DEFAULT_LIMITS, longest_side: int = LONGEST_SIDE
) -> npt.NDArray[np.uint8]:  # (height, width)
    """Return the first frame: upright, grey, its longest side at most so many pixels.

    What is transparent becomes white, or black if the picture would vanish on white. Raises
    `UnprocessableImage` or `ImageTooLarge`, and nothing else, whatever the bytes are.
    """
    rebuilt = _rebuild(data, limits)
    try:
        return np.asarray(_upright(_shrunk(rebuilt, longest_side), rebuilt.orientation))
    except _DAMAGED as error:
        raise errors.UnprocessableImage("the data of the picture are damaged") from error


def declared_pixels(data: bytes, limits: PictureLimits = DEFAULT_LIMITS) -> int:
    """Return the pixels that the first 48 KB of a picture declare; 0 for what is no picture.

    A picture that does not say there counts as the largest.
    """
    kind = _format_of(data)
    return 0 if kind is None else int(kind.declared_pixels(data[:HEAD_BYTES], limits))


def _rebuild(data: bytes, limits: PictureLimits) -> Rebuilt:
    kind = _format_of(data)
    if kind is None:
        raise errors.UnprocessableImage("the file must be a PNG, JPEG, WebP, GIF or BMP")
    rebuilt: Rebuilt = kind.rebuild(data, limits)
    return rebuilt


def _format_of(data: bytes) -> ModuleType | None:
    """Return the module of the format that the first bytes have."""
    if data[:4] == webp.MAGIC and data[8:12] == webp.KIND:
        return webp
    return next((kind for kind in (png, jpeg, gif, bmp) if data.startswith(kind.MAGIC)), None)


def _grey(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips 16 bits at 255 and does not scale them.
    if image.mode.startswith("I"):
        return _grey_of_16_bits(image)
    if not image.has_transparency_data:
        return image.convert("L")
    image = image.convert("RGBA")
    return _on_ground(image.convert("L"), image.getchannel("A"))


def _on_ground(grey: Image.Image, alpha: Image.Image) -> Image.Image:
    on_white = Image.composite(grey, Image.new("L", grey.size, 255), alpha)
    darkest, _ = on_white.getextrema()
    if isinstance(darkest, int) and darkest > LIGHT_INK:
        return Image.composite(grey, Image.new("L", grey.size, 0), alpha)
    return on_white


def _grey_of_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint16)
    grey = (values >> 8).astype(np.uint8)
    grey[values == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def _shrunk(rebuilt: Rebuilt, longest_side: int) -> Image.Image:
    with Image.open(io.BytesIO(rebuilt.data), formats=(rebuilt.format,)) as image:
        scale = longest_side / max(image.size)
        image.draft("L", (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        grey = _grey(image)
    grey.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    return grey


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
