"""The inputs of a prediction: pixels or pictures, read strictly into one array."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import unquote

import numpy as np

from models.specs.spec import N_IN
from service.errors import (
    BlankImage,
    FieldError,
    ImageTooLarge,
    NormserveError,
    TooManyDigits,
    UnprocessableImage,
    ValidationFailed,
)
from service.serving.pictures import DEFAULT_LIMITS, HEAD_BYTES, LONGEST_SIDE_OF_MANY, declared_pixels, decode
from service.serving.pixels import float32_rows, in_range, read_list, read_row, wrong
from service.serving.pool import Slices

if TYPE_CHECKING:
    from service.serving.intake.reports import Doubt, IntakeReport

URL_SAFE = str.maketrans("-_", "+/")
BASE64 = ("png", "b64")
"""Names for a picture in base64: ours, and the one of TensorFlow Serving."""
SLICE_PIXELS = 64 * N_IN
MAX_DIGITS = 256

REFUSALS = (ValidationFailed, UnprocessableImage, ImageTooLarge, BlankImage, TooManyDigits)
"""What can be wrong with one image; the errors name its place."""

Item = TypeVar("Item")
DigitsWanted = Literal["one", "many"]


@dataclass(frozen=True)
class Inputs:
    """Pixels [rows, 784] in [0, 1], and what is known about each row."""

    pixels: np.ndarray
    places: list[int]
    """The place in the request of the image that a row comes from."""
    reports: "list[IntakeReport | None]"
    """What the intake did to those that were pictures."""
    doubts: "list[tuple[Doubt, ...]]"
    """What their pictures show against one whole digit."""
    refused: "dict[int, NormserveError]"
    """Why images have no rows, by their places in the request."""

    def with_refused(self, rows: Sequence[Item], of_refused: Callable[[int], Item]) -> list[Item]:
        """Return an item per row, and one for each refused image, in the order of the images."""
        items = [
            *zip(self.places, rows, strict=True),
            *((place, of_refused(place)) for place in self.refused),
        ]
        return [item for _, item in sorted(items, key=itemgetter(0))]


@dataclass(frozen=True)
class Row:
    """The 784 pixels of one digit, and of a picture's digit what the intake reports."""

    pixels: np.ndarray
    report: "IntakeReport | None" = None
    doubts: "tuple[Doubt, ...]" = ()


@dataclass(frozen=True)
class Unread:
    """An image as the client sent it."""

    n_pixels: int
    """What it costs to read; for a picture, what its header declares."""
    pointer: str
    """Where an error points."""
    read: Callable[[], list[Row]]
    """Return its digits: one, unless it is a picture of which all digits are wanted."""


def json_images(images: Sequence[Any], pointer: str, scale: str, digits: DigitsWanted) -> list[Unread]:
    """Return JSON images to read: 784 numbers, 28 rows of 28, or {"png": base64}, also named b64.

    `pointer` is that of the list.
    """
    found = []
    for place, image in enumerate(images):
        own = f"{pointer}/{place}"
        if isinstance(image, dict):
            found.append(Unread(_pixels_of(image), own, partial(_read_base64, image, own, digits)))
        else:
            found.append(Unread(N_IN, own, partial(_read_list, image, scale, own)))
    return found


def float32_images(data: bytes, scale: str) -> list[Unread]:
    """Return the images of little-endian float32; raise ValidationFailed for a wrong length."""
    rows = float32_rows(data)
    return [
        Unread(N_IN, f"/{place}", partial(_read_row, row, is_right, scale, f"/{place}"))
        for place, (row, is_right) in enumerate(zip(rows, in_range(rows, scale).tolist(), strict=True))
    ]


def pictures(files: Sequence[bytes], pointers: Sequence[str], digits: DigitsWanted) -> list[Unread]:
    """Return files of pictures to read; an error points to its picture."""
    return [
        Unread(declared_pixels(data), pointer, partial(_read_picture, data, pointer, digits))
        for data, pointer in zip(files, pointers, strict=True)
    ]


def read_in_slices(images: Sequence[Unread], is_partial: bool = False) -> Slices[Inputs]:
    """Read images: a slice is one large picture, or some small ones.

    Raises an error of `REFUSALS` for the first image that is wrong, unless wrong ones are left out.
    """
    rows: list[Row] = []
    places: list[int] = []
    refused: dict[int, NormserveError] = {}
    done = 0
    for place, image in enumerate(images):
        try:
            rows += _read(image, MAX_DIGITS + place - len(rows))
        except REFUSALS as error:
            if not is_partial:
                raise
            refused[place] = error
        places += [place] * (len(rows) - len(places))
        done += image.n_pixels
        if done >= SLICE_PIXELS:
            yield done
            done = 0
    pixels = np.stack([row.pixels for row in rows]) if rows else np.empty((0, N_IN), np.float32)
    return Inputs(pixels, places, [row.report for row in rows], [row.doubts for row in rows], refused)


def _read(image: Unread, most: int) -> list[Row]:
    rows = image.read()
    if len(rows) > most:
        raise _too_many_digits(image.pointer)
    return rows


def _too_many_digits(pointer: str) -> TooManyDigits:
    rule = f"the pictures of a request may have at most {MAX_DIGITS} digits"
    return TooManyDigits(rule, [FieldError(pointer, TooManyDigits.code, rule)])


def _read_picture(data: bytes, pointer: str, digits: DigitsWanted) -> list[Row]:
    from service.serving.intake.digits import normalise, normalise_all  # noqa: PLC0415 # scipy takes half a second

    try:
        if digits == "many":
            intakes = normalise_all(decode(data, DEFAULT_LIMITS, LONGEST_SIDE_OF_MANY), MAX_DIGITS)
        else:
            intakes = [normalise(decode(data))]
    except NormserveError as error:
        raise type(error)(error.detail, [FieldError(pointer, error.code, error.detail)]) from error
    return [Row(intake.image.reshape(N_IN), intake.report, intake.doubts) for intake in intakes]


def _read_base64(image: dict[str, Any], pointer: str, digits: DigitsWanted) -> list[Row]:
    name = _base64_name(image)
    if name is None:
        raise wrong(pointer, "image", 'must have one member, "png" or "b64", with base64 text')
    try:
        data = _decode(_base64_of(image[name]))
    except ValueError:
        raise wrong(f"{pointer}/{name}", "base64", "must be base64") from None
    return _read_picture(data, f"{pointer}/{name}", digits)


def _pixels_of(image: dict[str, Any]) -> int:
    """Return what the header of a picture in base64 declares; 0 if it is none, as the reader will say."""
    name = _base64_name(image)
    if name is None:
        return 0
    try:
        return declared_pixels(_decode(_base64_of(image[name])[: HEAD_BYTES // 3 * 4]))
    except ValueError:
        return 0


def _base64_name(image: dict[str, Any]) -> str | None:
    """Return the name of the one member, `png` or `b64`; None if the object is no picture."""
    [(name, text), *others] = image.items() or [("", None)]
    return name if name in BASE64 and isinstance(text, str) and not others else None


def _read_list(image: Any, scale: str, pointer: str) -> list[Row]:
    return [Row(read_list(image, scale, pointer))]


def _read_row(row: np.ndarray, is_right: bool, scale: str, pointer: str) -> list[Row]:
    return [Row(read_row(row, is_right, scale, pointer))]


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
