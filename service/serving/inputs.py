"""The inputs of a prediction: pixels or pictures, read strictly into one array."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from models.specs.spec import N_IN
from service.errors import FieldError, NormserveError, ValidationFailed
from service.serving.pictures import HEAD_BYTES, declared_pixels, decode
from service.serving.pool import Slices

if TYPE_CHECKING:
    from service.serving.intake import IntakeReport

SIDE = 28
SCALES = {"unit": 1, "byte": 255}
URL_SAFE = str.maketrans("-_", "+/")
SLICE_PIXELS = 64 * N_IN


@dataclass(frozen=True)
class Inputs:
    """Pixels [rows, 784] in [0, 1], and what the intake did to those that were pictures."""

    pixels: np.ndarray
    reports: "list[IntakeReport | None]"


@dataclass(frozen=True)
class Unread:
    """An image as the client sent it."""

    n_pixels: int
    """What it costs to read; for a picture, what its header declares."""
    read: "Callable[[], tuple[np.ndarray, IntakeReport | None]]"
    """Return its 784 pixels, and the report of the intake if it is a picture."""


def json_images(images: Sequence[Any], scale: str) -> list[Unread]:
    """Return JSON images to read: 784 numbers, 28 rows of 28, or {"png": base64}."""
    found = []
    for place, image in enumerate(images):
        pointer = f"/images/{place}"
        if isinstance(image, dict):
            found.append(Unread(_pixels_of(image), partial(_read_base64, image, pointer)))
        else:
            found.append(Unread(N_IN, partial(_read_pixels, image, SCALES[scale], pointer)))
    return found


def pictures(files: Sequence[bytes], pointers: Sequence[str]) -> list[Unread]:
    """Return PNG and JPEG files to read; an error points to its picture."""
    return [
        Unread(declared_pixels(data), partial(_read_picture, data, pointer))
        for data, pointer in zip(files, pointers, strict=True)
    ]


def read_in_slices(images: Sequence[Unread]) -> Slices[Inputs]:
    """Read images: a slice is one large picture, or some small ones; raise for the first that is wrong."""
    pixels = np.empty((len(images), N_IN), np.float32)
    reports: list[IntakeReport | None] = []
    done = 0
    for place, image in enumerate(images):
        pixels[place], report = image.read()
        reports.append(report)
        done += image.n_pixels
        if done >= SLICE_PIXELS:
            yield done
            done = 0
    return Inputs(pixels, reports)


def _read_picture(data: bytes, pointer: str) -> "tuple[np.ndarray, IntakeReport]":
    from service.serving.intake import normalise  # noqa: PLC0415 # scipy takes half a second

    try:
        intake = normalise(decode(data))
    except NormserveError as error:
        raise type(error)(error.detail, [FieldError(pointer, error.code, error.detail)]) from error
    return intake.image.reshape(N_IN), intake.report


def _read_base64(image: dict[str, Any], pointer: str) -> "tuple[np.ndarray, IntakeReport]":
    return _read_picture(_unpack(image, pointer), f"{pointer}/png")


def _pixels_of(image: dict[str, Any]) -> int:
    """Return what the header of a picture in base64 declares; 0 if it is none, as the reader will say."""
    text = image.get("png")
    if not isinstance(text, str):
        return 0
    try:
        return declared_pixels(_decode(_base64_of(text)[: HEAD_BYTES // 3 * 4]))
    except ValueError:
        return 0


def _read_pixels(image: Any, most: int, pointer: str) -> tuple[np.ndarray, None]:
    if not isinstance(image, list):
        raise _wrong(pointer, "image", 'must be 784 numbers, 28 rows of 28 numbers, or {"png": base64}')
    if len(image) == SIDE and all(isinstance(row, list) and len(row) == SIDE for row in image):
        image = [value for row in image for value in row]
    if len(image) != N_IN:
        raise _wrong(pointer, "length", f"must have 784 numbers, or 28 rows of 28; it has {len(image)} items")
    # isinstance would accept True, which is an int to Python and 1.0 to NumPy.
    if not {*map(type, image)} <= {int, float}:
        raise _wrong(pointer, "number", "must have numbers only")
    values = np.array(image, np.float64)
    if values.min() < 0 or values.max() > most:
        rule = '0 to 1; for 0 to 255, set "scale": "byte"' if most == 1 else "0 to 255"
        raise _wrong(pointer, "range", f"must have numbers from {rule}")
    return (values / most).astype(np.float32), None


def _unpack(image: dict[str, Any], pointer: str) -> bytes:
    if image.keys() != {"png"} or not isinstance(image["png"], str):
        raise _wrong(pointer, "image", 'must have one member, "png", with base64 text')
    try:
        return _decode(_base64_of(image["png"]))
    except ValueError:
        raise _wrong(f"{pointer}/png", "base64", "must be base64") from None


def _base64_of(text: str) -> str:
    """Return base64 without padding, from either alphabet, several lines, or a data: URL."""
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError("a data: URL of a picture must have base64")
        text = unquote(text)
    return "".join(text.split()).rstrip("=").translate(URL_SAFE)


def _decode(digits: str) -> bytes:
    return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)


def _wrong(pointer: str, code: str, message: str) -> ValidationFailed:
    return ValidationFailed(
        "an image breaks a rule; there are no predictions", [FieldError(pointer, code, message)]
    )
