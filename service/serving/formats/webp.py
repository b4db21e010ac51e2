"""WebP: the first frame with its transparency, in a file of its own."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from service import errors
from service.serving.formats.files import PictureLimits, Rebuilt, check_size, orientation_of

MAGIC, KIND = b"RIFF", b"WEBP"
_HEAD_BYTES, _EXTENDED_BYTES, _FRAME_HEAD_BYTES = 12, 10, 16
_LOSSY, _LOSSLESS, _ALPHA, _EXTENDED, _FRAME = b"VP8 ", b"VP8L", b"ALPH", b"VP8X", b"ANMF"
_HAS_ALPHA, _IS_ANIMATED = 0x10, 0x02
_NO_BACKGROUND = bytes(6)
_EXIF_PREFIX = b"Exif\0\0"


class _Chunk(NamedTuple):
    kind: bytes
    body: bytes


def declared_pixels(head: bytes, limits: PictureLimits) -> int:
    """Return the pixels that the first bytes of a WebP declare; one that does not counts as the largest."""
    body = head[_HEAD_BYTES + 8 :]
    try:
        width, height = _size_of(_Chunk(head[_HEAD_BYTES : _HEAD_BYTES + 4], body))
    except errors.UnprocessableImage:
        return limits.other_pixels
    return min(width * height, limits.other_pixels)


def rebuild(data: bytes, limits: PictureLimits) -> Rebuilt:
    """Return the first frame; raise UnprocessableImage or ImageTooLarge."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise _truncated()
    chunks = list(_chunks(data[_HEAD_BYTES:end], limits))
    if not chunks:
        raise _truncated()
    first = chunks[0]
    if first.kind != _EXTENDED:
        return Rebuilt("WEBP", _file(_picture([first], limits)), 1)
    check_size(*_size_of(first), limits.other_pixels)
    exif = next((chunk.body.removeprefix(_EXIF_PREFIX) for chunk in chunks if chunk.kind == b"EXIF"), b"")
    return Rebuilt("WEBP", _file(_extended(first, chunks, limits)), orientation_of(exif))


def _extended(head: _Chunk, chunks: list[_Chunk], limits: PictureLimits) -> list[_Chunk]:
    flags, size = head.body[0], head.body[4:10]
    if not flags & _IS_ANIMATED:
        return [_Chunk(_EXTENDED, bytes([flags & _HAS_ALPHA, 0, 0, 0]) + size), *_picture(chunks, limits)]
    frame = next((chunk.body for chunk in chunks if chunk.kind == _FRAME), b"")
    if len(frame) < _FRAME_HEAD_BYTES:
        raise errors.UnprocessableImage("the WebP has no frame")
    picture = _picture(list(_chunks(frame[_FRAME_HEAD_BYTES:], limits)), limits)
    body = frame[:_FRAME_HEAD_BYTES] + b"".join(map(_bytes_of, picture))
    # What the frame leaves of the canvas is transparent, whatever the file says.
    extended = _Chunk(_EXTENDED, bytes([_HAS_ALPHA | _IS_ANIMATED, 0, 0, 0]) + size)
    return [extended, _Chunk(b"ANIM", _NO_BACKGROUND), _Chunk(_FRAME, body)]


def _picture(chunks: list[_Chunk], limits: PictureLimits) -> list[_Chunk]:
    """Return the first picture, with what is transparent in it."""
    place = next((at for at, chunk in enumerate(chunks) if chunk.kind in {_LOSSY, _LOSSLESS}), None)
    if place is None:
        raise errors.UnprocessableImage("the WebP has no picture")
    check_size(*_size_of(chunks[place]), limits.other_pixels)
    alpha = [chunk for chunk in chunks[:place] if chunk.kind == _ALPHA and chunks[place].kind == _LOSSY]
    return [*alpha[:1], chunks[place]]


def _size_of(chunk: _Chunk) -> tuple[int, int]:
    """Return width and height that a picture or the head of an extended file declares."""
    body = chunk.body[:_EXTENDED_BYTES]
    if len(body) == _EXTENDED_BYTES and chunk.kind == _EXTENDED:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if len(body) == _EXTENDED_BYTES and chunk.kind == _LOSSY:
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if len(body) >= 5 and chunk.kind == _LOSSLESS:
        (bits,) = struct.unpack_from("<I", body, 1)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise errors.UnprocessableImage("the WebP is damaged")


def _chunks(data: bytes, limits: PictureLimits) -> Iterator[_Chunk]:
    at = 0
    for _ in range(limits.other_blocks):
        if at >= len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length
        if at + 8 > len(data) or end > len(data):
            raise _truncated()
        yield _Chunk(data[at : at + 4], data[at + 8 : end])
        at = end + length % 2
    raise errors.UnprocessableImage("the WebP has too many chunks")


def _file(chunks: list[_Chunk]) -> bytes:
    body = KIND + b"".join(map(_bytes_of, chunks))
    return MAGIC + struct.pack("<I", len(body)) + body


def _bytes_of(chunk: _Chunk) -> bytes:
    return chunk.kind + struct.pack("<I", len(chunk.body)) + chunk.body + bytes(len(chunk.body) % 2)


def _truncated() -> errors.UnprocessableImage:
    return errors.UnprocessableImage("the WebP is truncated")
