"""BMP: uncompressed, up to the end of its pixels."""

import struct
from typing import NamedTuple

from service import errors
from service.serving.formats.files import PictureLimits, Rebuilt, check_size

MAGIC = b"BM"
_FILE_HEADER_BYTES = 14
_OLD_HEADER_BYTES, _SHORTEST_BYTES = 12, 40
_RAW, _BIT_FIELDS = 0, 3
_PALETTE_BYTES = 1024
"""Some writers do not count the palette where they say where the pixels begin."""


class _Header(NamedTuple):
    width: int
    height: int
    bits: int
    compression: int


def declared_pixels(head: bytes, limits: PictureLimits) -> int:
    """Return the pixels that the first bytes of a BMP declare."""
    header = _header(head.ljust(_FILE_HEADER_BYTES + _SHORTEST_BYTES, b"\0"))
    return max(0, min(header.width * header.height, limits.other_pixels))


def rebuild(data: bytes, limits: PictureLimits) -> Rebuilt:
    """Return the file up to the end of its pixels; raise UnprocessableImage or ImageTooLarge."""
    if len(data) < _FILE_HEADER_BYTES + _SHORTEST_BYTES:
        raise errors.UnprocessableImage("the BMP is truncated")
    width, height, bits, compression = _header(data)
    check_size(max(0, width), height, limits.other_pixels)
    if compression not in {_RAW, _BIT_FIELDS}:
        raise errors.UnprocessableImage("a BMP must be uncompressed")
    (first,) = struct.unpack_from("<I", data, 10)
    end = first + (width * bits + 31) // 32 * 4 * height
    if end > len(data):
        raise errors.UnprocessableImage("the BMP is truncated")
    return Rebuilt("BMP", data[: end + _PALETTE_BYTES], 1)


def _header(data: bytes) -> _Header:
    """Return what the header says; the rows of a BMP with a negative height begin at the top."""
    (size,) = struct.unpack_from("<I", data, _FILE_HEADER_BYTES)
    at = _FILE_HEADER_BYTES + 4
    if size == _OLD_HEADER_BYTES:
        width, height, _, bits = struct.unpack_from("<HHHH", data, at)
        return _Header(width, height, bits, _RAW)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, at)
    return _Header(width, abs(height), bits, compression)
