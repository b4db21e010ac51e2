"""Images as numbers, checked strictly: lists of JSON, or the bytes of float32."""

from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from models.specs.spec import N_IN
from service.errors import FieldError, ValidationFailed

SIDE = 28
SCALES = {"unit": 1, "byte": 255}
FLOAT32 = np.dtype("<f4")
ROW_BYTES = N_IN * FLOAT32.itemsize

Pixels = npt.NDArray[np.float32]  # (784,) in [0, 1]


def read_list(image: Any, scale: str, pointer: str) -> Pixels:
    """Return the pixels of 784 numbers, of 28 rows of 28, or of 28 rows of 28 lists of one number.

    Raises ValidationFailed.
    """
    if not isinstance(image, list):
        raise wrong(pointer, "image", 'must be 784 numbers, 28 rows of 28, or {"png": base64}')
    image = _flat(image)
    if len(image) != N_IN:
        raise wrong(pointer, "length", f"must have 784 numbers, or 28 rows of 28; it has {len(image)} items")
    # isinstance would accept True, which is an int to Python and 1.0 to NumPy.
    if not {*map(type, image)} <= {int, float}:
        raise wrong(pointer, "number", "must have numbers only")
    values, most = np.array(image, np.float64), SCALES[scale]
    if values.min() < 0 or values.max() > most:
        raise wrong(pointer, "range", f"must have numbers from {_range(scale)}")
    return (values / most).astype(np.float32)


def float32_rows(data: bytes) -> Pixels:  # (images, 784), not yet checked
    """Return the images of a body of little-endian float32; raise ValidationFailed for a wrong length."""
    if not data or len(data) % ROW_BYTES:
        rule = f"must have {ROW_BYTES} bytes per image, 784 float32; it has {len(data)}"
        raise wrong("", "length", f"{rule}. Send a picture with its own Content-Type, such as image/png")
    return np.frombuffer(data, FLOAT32).reshape(-1, N_IN)


def in_range(rows: Pixels, scale: str) -> npt.NDArray[np.bool_]:  # (images, 784) -> (images,)
    """Return which images have only numbers that `scale` allows."""
    # NaN fails both comparisons; one kind of it would also warn.
    with np.errstate(invalid="ignore"):
        found: npt.NDArray[np.bool_] = (rows.min(1) >= 0) & (rows.max(1) <= SCALES[scale])
    return found


def read_row(row: Pixels, is_right: bool, scale: str, pointer: str) -> Pixels:
    """Return the pixels of a row; raise ValidationFailed at its first number that `scale` does not allow."""
    if not is_right:
        with np.errstate(invalid="ignore"):
            at = int(np.argmin((row >= 0) & (row <= SCALES[scale])))
        raise wrong(f"{pointer}/{at}", "range", f"must be a number from {_range(scale)}")
    return row if scale == "unit" else (row.astype(np.float64) / SCALES[scale]).astype(np.float32)


def wrong(pointer: str, code: str, message: str) -> ValidationFailed:
    """Return the error of an image that breaks a rule."""
    return ValidationFailed(
        "an image breaks a rule; there are no predictions", [FieldError(pointer, code, message)]
    )


def _flat(image: list[Any]) -> list[Any]:
    if _has_shape(image, SIDE, SIDE):
        image = list(chain.from_iterable(image))
        if _has_shape(image, N_IN, 1):
            image = list(chain.from_iterable(image))
    return image


def _has_shape(rows: list[Any], n_rows: int, length: int) -> bool:
    return len(rows) == n_rows and all(isinstance(row, list) and len(row) == length for row in rows)


def _range(scale: str) -> str:
    return "0 to 1; for 0 to 255, set scale to byte" if scale == "unit" else "0 to 255"
