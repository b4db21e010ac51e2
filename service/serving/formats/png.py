"""PNG: the chunks that make the picture, in a file of their own."""

import struct
import zlib
from collections.abc import Iterator
from functools import reduce

from service import errors
from service.serving.formats.files import PictureLimits, Rebuilt, check_size, orientation_of

MAGIC = b"\x89PNG\r\n\x1a\n"
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PALETTE = 3


def declared_pixels(head: bytes, limits: PictureLimits) -> int:
    """Return the pixels that the first bytes of a PNG declare."""
    width, height = struct.unpack_from(">II", head.ljust(24, b"\0"), 16)
    return int(min(width * height, limits.png_pixels))


def rebuild(data: bytes, limits: PictureLimits) -> Rebuilt:
    """Return the picture without its metadata; raise UnprocessableImage or ImageTooLarge."""
    bodies: dict[bytes, list[memoryview]] = {b"IHDR": [], b"PLTE": [], b"tRNS": [], b"IDAT": [], b"eXIf": []}
    for kind, body in _chunks(data, limits):
        if (kind == b"IHDR") is bool(bodies[b"IHDR"]):
            raise errors.UnprocessableImage("a PNG starts with its one IHDR chunk")
        if kind == b"IHDR":
            _check_header(body, limits)
        if kind in bodies:
            bodies[kind].append(body)
    if bodies[b"IHDR"][0][9] == _PALETTE and not bodies[b"PLTE"]:
        raise errors.UnprocessableImage("the PNG has no palette, and its colours need one")
    exif = b"".join(bodies.pop(b"eXIf"))
    pieces = [piece for kind, parts in bodies.items() if parts for piece in _chunk(kind, parts)]
    return Rebuilt("PNG", b"".join([MAGIC, *pieces, *_chunk(b"IEND", [])]), orientation_of(exif))


def _check_header(body: memoryview, limits: PictureLimits) -> None:
    if len(body) != 13:
        raise errors.UnprocessableImage("a PNG's IHDR chunk has 13 bytes")
    width, height = struct.unpack_from(">II", body)
    check_size(width, height, limits.png_pixels)


def _chunks(data: bytes, limits: PictureLimits) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and body of each chunk up to IEND; the rest of the file is not read."""
    view, at = memoryview(data), len(MAGIC)
    for _ in range(limits.png_chunks):
        if at + 12 > len(data):
            raise errors.UnprocessableImage("the PNG is truncated")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise errors.UnprocessableImage("the PNG is truncated")
        if not kind[0] & 0x20:
            _check_critical(kind, view[at + 4 : end])
        yield kind, view[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
    raise errors.UnprocessableImage(f"a PNG may have at most {limits.png_chunks} chunks")


def _check_critical(kind: bytes, summed: memoryview) -> None:
    if kind not in _CRITICAL:
        raise errors.UnprocessableImage("the PNG has a critical chunk that the standard does not define")
    if zlib.crc32(summed[:-4]) != int.from_bytes(summed[-4:]):
        raise errors.UnprocessableImage("a chunk of the PNG has a wrong checksum")


def _chunk(kind: bytes, parts: list[memoryview]) -> list[bytes | memoryview]:
    """Return one chunk in pieces, to be joined once: IDAT may have 16 MB."""
    head = struct.pack(">I4s", sum(map(len, parts)), kind)
    checksum = reduce(lambda crc, part: zlib.crc32(part, crc), parts, zlib.crc32(kind))
    return [head, *parts, struct.pack(">I", checksum)]
