"""What the formats of pictures share: limits, the rebuilt file, its size and its orientation."""

import struct
from dataclasses import dataclass

from PIL import Image

from service import errors


@dataclass(frozen=True)
class PictureLimits:
    """The limits of a picture; its size is checked before anything is decoded."""

    png_pixels: int = 4_000_000
    png_chunks: int = 50_000
    jpeg_pixels: int = 50_000_000
    jpeg_bytes: int = 12 * 2**20
    jpeg_scans: int = 32
    jpeg_segments: int = 1_000
    jpeg_metadata_bytes: int = 2 * 2**20
    """Application segments and comments, which are read and skipped."""
    jpeg_coefficient_bytes: int = 48 * 2**20
    """Memory that a JPEG of several scans needs at full size, at whatever scale it is decoded."""
    other_pixels: int = 4_000_000
    """Of a WebP, GIF or BMP."""
    other_blocks: int = 50_000
    """Chunks of a WebP, or blocks of a GIF up to the end of its first frame."""


@dataclass(frozen=True)
class Rebuilt:
    """A valid file of one frame, and its EXIF orientation."""

    format: str
    data: bytes
    orientation: int


def check_size(width: int, height: int, limit: int) -> None:
    """Raise UnprocessableImage for a picture without pixels, ImageTooLarge for more than the limit."""
    if width == 0 or height == 0:
        raise errors.UnprocessableImage("the picture has no pixels")
    # Above its own limit Pillow only warns, and all threads share one warning filter.
    allowed = min(limit, Image.MAX_IMAGE_PIXELS or limit)
    if width * height > allowed:
        raise errors.ImageTooLarge(f"the picture may have at most {allowed} pixels")


def orientation_of(exif: bytes) -> int:
    """Find the orientation, 1 to 8, in a TIFF header; 1 if there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (n_entries,) = struct.unpack_from(order + "H", exif, directory)
        entries = struct.iter_unpack(order + "HHIHxx", exif[directory + 2 :][: 12 * n_entries])
        return next((value for tag, _, _, value in entries if tag == 0x0112), 1)
    except struct.error:
        return 1
