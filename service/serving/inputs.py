"""The inputs of a prediction: pixels or pictures, read strictly into one array."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np

from models.specs.spec import N_IN
from service.errors import FieldError, NormserveError, ValidationFailed
from service.serving.intake import IntakeReport, normalise
from service.serving.pictures import decode

SIDE = 28
SCALES = {"unit": 1, "byte": 255}
URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Inputs:
    """Pixels [rows, 784] in [0, 1], and what the intake did to those that were pictures."""

    pixels: np.ndarray
    reports: list[IntakeReport | None]


def read_images(images: Sequence[Any], scale: str) -> Inputs:
    """Read JSON images: 784 numbers, 28 rows of 28, or {"png": base64}; raise ValidationFailed."""
    pixels = np.empty((len(images), N_IN), np.float32)
    reports: list[IntakeReport | None] = []
    for place, image in enumerate(images):
        pointer = f"/images/{place}"
        if isinstance(image, dict):
            taken = read_pictures([_unpack(image, pointer)], [f"{pointer}/png"])
            pixels[place], report = taken.pixels[0], taken.reports[0]
        else:
            pixels[place], report = _read_pixels(image, SCALES[scale], pointer), None
        reports.append(report)
    return Inputs(pixels, reports)


def read_pictures(files: Sequence[bytes], pointers: Sequence[str]) -> Inputs:
    """Convert PNG and JPEG files to 28×28; an error points to its picture."""
    taken = []
    for data, pointer in zip(files, pointers, strict=True):
        try:
            taken.append(normalise(decode(data)))
        except NormserveError as error:
            raise type(error)(error.detail, [FieldError(pointer, error.code, error.detail)]) from error
    pixels = np.stack([intake.image.reshape(N_IN) for intake in taken])
    return Inputs(pixels, [intake.report for intake in taken])


def _read_pixels(image: Any, most: int, pointer: str) -> np.ndarray:
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
    return (values / most).astype(np.float32)


def _unpack(image: dict[str, Any], pointer: str) -> bytes:
    if image.keys() != {"png"} or not isinstance(image["png"], str):
        raise _wrong(pointer, "image", 'must have one member, "png", with base64 text')
    try:
        return _decode(image["png"])
    except ValueError:
        raise _wrong(f"{pointer}/png", "base64", "must be base64") from None


def _decode(text: str) -> bytes:
    """Decode base64 in either alphabet, padded or not, in one line or several, or as a data: URL."""
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise ValueError("a data: URL of a picture must have base64")
        text = unquote(text)
    digits = "".join(text.split()).rstrip("=").translate(URL_SAFE)
    return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)


def _wrong(pointer: str, code: str, message: str) -> ValidationFailed:
    return ValidationFailed(
        "an image breaks a rule; there are no predictions", [FieldError(pointer, code, message)]
    )
