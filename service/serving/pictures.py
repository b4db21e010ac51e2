"""Convert the bytes of a PNG or JPEG to a small grey picture; limits are checked before any pixel is decoded.

Pillow gets a rebuilt file with the pixels of the first frame and nothing else:
its readers of EXIF, APNG, MPO, ICC and text chunks never see a client's bytes,
and a truncated file is refused although Pillow would accept it.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import Image

from service import errors

LONGEST_SIDE = 384
LONGEST_SIDE_OF_MANY = 1152
LIGHT_INK = 160
"""Ink lighter than this, 0 to 255, would vanish on white."""
HEAD_BYTES = 48 * 1024
HEAD_SEGMENTS = 100

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PALETTE = 3

# In a scan's data 0xFF is followed by 0x00 or a restart marker, so this finds only real markers.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_SOF, _SOS, _EOI, _APP1 = {0xC0, 0xC1, 0xC2}, 0xDA, 0xD9, 0xE1
_JPEG_TABLES = {0xC4, 0xDB, 0xDD, 0xE0, 0xEE}
_JPEG_METADATA = {*range(0xE0, 0xF0), 0xFE} - _JPEG_TABLES

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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


DEFAULT_LIMITS = PictureLimits()


@dataclass(frozen=True)
class _Rebuilt:
    """A valid file of one frame, and its EXIF orientation."""

    format: str
    data: bytes
    orientation: int


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
    except (OSError, SyntaxError, ValueError, IndexError, TypeError, AssertionError, struct.error) as error:
        raise errors.UnprocessableImage("the data of the picture are damaged") from error


def declared_pixels(data: bytes, limits: PictureLimits = DEFAULT_LIMITS) -> int:
    """Return the pixels that a picture's header declares, without reading more; 0 for what is no picture.

    A JPEG whose header has no size within the first 48 KB or 100 segments counts as the largest.
    """
    head = data[:HEAD_BYTES]
    if head.startswith(_PNG_MAGIC):
        width, height = struct.unpack_from(">II", head.ljust(24, b"\0"), 16)
        return int(min(width * height, limits.png_pixels))
    if not head.startswith(b"\xff\xd8\xff"):
        return 0
    pixels = limits.jpeg_pixels
    with suppress(errors.UnprocessableImage):
        for marker, start, end in islice(_jpeg_segments(head, limits), HEAD_SEGMENTS):
            if marker in _SOF:
                height, width = struct.unpack_from(">HH", head[start:end].ljust(9, b"\0"), 5)
                pixels = min(width * height, limits.jpeg_pixels)
    return int(pixels)


def _rebuild(data: bytes, limits: PictureLimits) -> _Rebuilt:
    if data.startswith(_PNG_MAGIC):
        return _rebuild_png(data, limits)
    if data.startswith(b"\xff\xd8\xff"):
        return _rebuild_jpeg(data, limits)
    raise errors.UnprocessableImage("the file must be a PNG or a JPEG")


def _check_size(width: int, height: int, limit: int) -> None:
    if width == 0 or height == 0:
        raise errors.UnprocessableImage("the picture has no pixels")
    # Above its own limit Pillow only warns, and all threads share one warning filter.
    allowed = min(limit, Image.MAX_IMAGE_PIXELS or limit)
    if width * height > allowed:
        raise errors.ImageTooLarge(f"the picture may have at most {allowed} pixels")


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


def _shrunk(rebuilt: _Rebuilt, longest_side: int) -> Image.Image:
    with Image.open(io.BytesIO(rebuilt.data), formats=(rebuilt.format,)) as image:
        scale = longest_side / max(image.size)
        image.draft("L", (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        grey = _grey(image)
    grey.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    return grey


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _orientation(exif: bytes) -> int:
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


def _rebuild_png(data: bytes, limits: PictureLimits) -> _Rebuilt:
    bodies: dict[bytes, list[memoryview]] = {b"IHDR": [], b"PLTE": [], b"tRNS": [], b"IDAT": [], b"eXIf": []}
    for kind, body in _png_chunks(data, limits):
        if (kind == b"IHDR") is bool(bodies[b"IHDR"]):
            raise errors.UnprocessableImage("a PNG starts with its one IHDR chunk")
        if kind == b"IHDR":
            _check_png_header(body, limits)
        if kind in bodies:
            bodies[kind].append(body)
    if bodies[b"IHDR"][0][9] == _PALETTE and not bodies[b"PLTE"]:
        raise errors.UnprocessableImage("the PNG has no palette, and its colours need one")
    exif = b"".join(bodies.pop(b"eXIf"))
    pieces = [piece for kind, parts in bodies.items() if parts for piece in _png_chunk(kind, parts)]
    return _Rebuilt("PNG", b"".join([_PNG_MAGIC, *pieces, *_png_chunk(b"IEND", [])]), _orientation(exif))


def _check_png_header(body: memoryview, limits: PictureLimits) -> None:
    if len(body) != 13:
        raise errors.UnprocessableImage("a PNG's IHDR chunk has 13 bytes")
    width, height = struct.unpack_from(">II", body)
    _check_size(width, height, limits.png_pixels)


def _png_chunks(data: bytes, limits: PictureLimits) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and body of each chunk up to IEND; the rest of the file is not read."""
    view, at = memoryview(data), len(_PNG_MAGIC)
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
    if kind not in _PNG_CRITICAL:
        raise errors.UnprocessableImage("the PNG has a critical chunk that the standard does not define")
    if zlib.crc32(summed[:-4]) != int.from_bytes(summed[-4:]):
        raise errors.UnprocessableImage("a chunk of the PNG has a wrong checksum")


def _png_chunk(kind: bytes, parts: list[memoryview]) -> list[bytes | memoryview]:
    """Return one chunk in pieces, to be joined once: IDAT may have 16 MB."""
    head = struct.pack(">I4s", sum(map(len, parts)), kind)
    checksum = reduce(lambda crc, part: zlib.crc32(part, crc), parts, zlib.crc32(kind))
    return [head, *parts, struct.pack(">I", checksum)]


def _rebuild_jpeg(data: bytes, limits: PictureLimits) -> _Rebuilt:
    if len(data) > limits.jpeg_bytes:
        raise errors.ImageTooLarge(f"a JPEG may have at most {limits.jpeg_bytes} bytes")
    segments = list(_jpeg_segments(data, limits))
    markers = [marker for marker, _, _ in segments]
    frames = [data[start:end] for marker, start, end in segments if marker in _SOF]
    if len(frames) != 1 or _SOS not in markers:
        raise errors.UnprocessableImage("the JPEG must have one frame with its scans")
    _check_jpeg_frame(frames[0], markers.count(_SOS), limits)
    first_scan = markers.index(_SOS)
    head = [data[start:end] for marker, start, end in segments[:first_scan] if marker not in _JPEG_METADATA]
    scans = data[segments[first_scan][1] : segments[-1][2]]
    notes = [data[start + 4 : end] for marker, start, end in segments[:first_scan] if marker == _APP1]
    exif = next((note[6:] for note in notes if note.startswith(b"Exif\0\0")), b"")
    return _Rebuilt("JPEG", b"".join([b"\xff\xd8", *head, scans]), _orientation(exif))


def _check_jpeg_frame(frame: bytes, n_scans: int, limits: PictureLimits) -> None:
    height, width = struct.unpack_from(">HH", frame.ljust(9, b"\0"), 5)
    _check_size(width, height, limits.jpeg_pixels)
    if n_scans > limits.jpeg_scans:
        raise errors.UnprocessableImage(f"a JPEG may have at most {limits.jpeg_scans} scans")
    sampling = [(factor >> 4) * (factor & 15) for factor in frame[11::3]]
    held = 2 * width * height * sum(sampling) // max(*sampling, 1, 1)
    if n_scans > 1 and held > limits.jpeg_coefficient_bytes:
        raise errors.ImageTooLarge("a progressive JPEG with that many pixels needs too much memory")


def _jpeg_segments(data: bytes, limits: PictureLimits) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment of the first picture, up to EOI."""
    at, metadata_bytes = 2, 0
    for _ in range(limits.jpeg_segments):
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            raise errors.UnprocessableImage("the JPEG is truncated")
        marker, start, at = found[1][0], found.start(), found.end()
        if marker != _EOI:
            at = _jpeg_segment_end(data, marker, at)
        yield marker, start, at
        if marker == _EOI:
            return
        metadata_bytes += at - start if marker in _JPEG_METADATA else 0
        if metadata_bytes > limits.jpeg_metadata_bytes:
            break
    raise errors.UnprocessableImage("the JPEG has too many segments besides its picture")


def _jpeg_segment_end(data: bytes, marker: int, at: int) -> int:
    if marker not in _SOF | _JPEG_TABLES | _JPEG_METADATA | {_SOS}:
        raise errors.UnprocessableImage("the JPEG must be baseline or progressive, with Huffman coding")
    end = at + int.from_bytes(data[at : at + 2])
    if end < at + 2 or end > len(data):
        raise errors.UnprocessableImage("the JPEG is truncated")
    return end
