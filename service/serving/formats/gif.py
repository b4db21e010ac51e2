"""GIF: the first frame with its colours and transparency, in a file of its own."""

import struct

from service import errors
from service.serving.formats.files import PictureLimits, Rebuilt, check_size

MAGIC = b"GIF8"
_VERSIONS = (b"GIF87a", b"GIF89a")
_SCREEN_BYTES, _FRAME_BYTES = 13, 10
_EXTENSION, _FRAME, _END = b"!", b",", b";"
_CONTROL = 0xF9
"""The extension that says which colour is transparent."""


def declared_pixels(head: bytes, limits: PictureLimits) -> int:
    """Return the pixels that the first bytes of a GIF declare."""
    width, height = struct.unpack_from("<HH", head.ljust(10, b"\0"), 6)
    return int(min(width * height, limits.other_pixels))


def rebuild(data: bytes, limits: PictureLimits) -> Rebuilt:
    """Return the first frame; raise UnprocessableImage or ImageTooLarge."""
    if not data.startswith(_VERSIONS):
        raise errors.UnprocessableImage("a GIF is of version 87a or 89a")
    flags = _part(data, 0, _SCREEN_BYTES)[10]
    screen = _part(data, 0, _SCREEN_BYTES + _table_bytes(flags))
    control, at = _find_frame(data, len(screen), limits)
    frame = _part(data, at, _FRAME_BYTES)
    _check_frame(screen, frame, limits)
    # The first byte of the pixels is the size of their codes.
    pixels = at + _FRAME_BYTES + _table_bytes(frame[9]) + 1
    end, _ = _blocks_end(data, pixels, limits.other_blocks)
    return Rebuilt("GIF", b"".join([screen, control, data[at:end], _END]), 1)


def _find_frame(data: bytes, at: int, limits: PictureLimits) -> tuple[bytes, int]:
    """Return the control extension of the first frame, and where the frame begins."""
    control, left = b"", limits.other_blocks
    while (kind := _part(data, at, 1)) == _EXTENSION:
        label = _part(data, at + 1, 1)[0]
        end, left = _blocks_end(data, at + 2, left)
        if label == _CONTROL:
            control = data[at:end]
        at = end
    if kind != _FRAME:
        raise errors.UnprocessableImage("the GIF has no frame" if kind == _END else "the GIF is damaged")
    return control, at


def _check_frame(screen: bytes, frame: bytes, limits: PictureLimits) -> None:
    """Check the size of the frame, and that of the screen, which grows with a frame outside it."""
    left, top, width, height = struct.unpack_from("<HHHH", frame, 1)
    check_size(width, height, limits.other_pixels)
    screen_width, screen_height = struct.unpack_from("<HH", screen, 6)
    check_size(max(screen_width, left + width), max(screen_height, top + height), limits.other_pixels)


def _blocks_end(data: bytes, at: int, most: int) -> tuple[int, int]:
    """Return where a chain of blocks ends, and how many more blocks the file may have."""
    for used in range(most):
        length = _part(data, at, 1)[0]
        at += 1 + length
        if length == 0:
            return at, most - used - 1
    raise errors.UnprocessableImage("the GIF has too many blocks")


def _table_bytes(flags: int) -> int:
    """Return the bytes of a table of colours, which flags may announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _part(data: bytes, at: int, length: int) -> bytes:
    part = data[at : at + length]
    if len(part) < length:
        raise errors.UnprocessableImage("the GIF is truncated")
    return part
