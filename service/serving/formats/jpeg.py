"""JPEG: the first frame with its tables and scans, in a file of its own."""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from service import errors
from service.serving.formats.files import PictureLimits, Rebuilt, check_size, orientation_of

MAGIC = b"\xff\xd8\xff"
HEAD_SEGMENTS = 100

# In a scan's data 0xFF is followed by 0x00 or a restart marker, so this finds only real markers.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_SOF, _SOS, _EOI, _APP1 = {0xC0, 0xC1, 0xC2}, 0xDA, 0xD9, 0xE1
_TABLES = {0xC4, 0xDB, 0xDD, 0xE0, 0xEE}
_METADATA = {*range(0xE0, 0xF0), 0xFE} - _TABLES


def declared_pixels(head: bytes, limits: PictureLimits) -> int:
    """Return the pixels that the first bytes of a JPEG declare.

    One without a size in its first 100 segments counts as the largest.
    """
    pixels = limits.jpeg_pixels
    with suppress(errors.UnprocessableImage):
        for marker, start, end in islice(_segments(head, limits), HEAD_SEGMENTS):
            if marker in _SOF:
                height, width = struct.unpack_from(">HH", head[start:end].ljust(9, b"\0"), 5)
                pixels = min(width * height, limits.jpeg_pixels)
    return int(pixels)


def rebuild(data: bytes, limits: PictureLimits) -> Rebuilt:
    """Return the first picture without its metadata; raise UnprocessableImage or ImageTooLarge."""
    if len(data) > limits.jpeg_bytes:
        raise errors.ImageTooLarge(f"a JPEG may have at most {limits.jpeg_bytes} bytes")
    segments = list(_segments(data, limits))
    markers = [marker for marker, _, _ in segments]
    frames = [data[start:end] for marker, start, end in segments if marker in _SOF]
    if len(frames) != 1 or _SOS not in markers:
        raise errors.UnprocessableImage("the JPEG must have one frame with its scans")
    _check_frame(frames[0], markers.count(_SOS), limits)
    first_scan = markers.index(_SOS)
    head = [data[start:end] for marker, start, end in segments[:first_scan] if marker not in _METADATA]
    scans = data[segments[first_scan][1] : segments[-1][2]]
    notes = [data[start + 4 : end] for marker, start, end in segments[:first_scan] if marker == _APP1]
    exif = next((note[6:] for note in notes if note.startswith(b"Exif\0\0")), b"")
    return Rebuilt("JPEG", b"".join([b"\xff\xd8", *head, scans]), orientation_of(exif))


def _check_frame(frame: bytes, n_scans: int, limits: PictureLimits) -> None:
    height, width = struct.unpack_from(">HH", frame.ljust(9, b"\0"), 5)
    check_size(width, height, limits.jpeg_pixels)
    if n_scans > limits.jpeg_scans:
        raise errors.UnprocessableImage(f"a JPEG may have at most {limits.jpeg_scans} scans")
    sampling = [(factor >> 4) * (factor & 15) for factor in frame[11::3]]
    held = 2 * width * height * sum(sampling) // max(*sampling, 1, 1)
    if n_scans > 1 and held > limits.jpeg_coefficient_bytes:
        raise errors.ImageTooLarge("a progressive JPEG with that many pixels needs too much memory")


def _segments(data: bytes, limits: PictureLimits) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment of the first picture, up to EOI."""
    at, metadata_bytes = 2, 0
    for _ in range(limits.jpeg_segments):
        found = _MARKER.search(data, at)
        if found is None:
            raise errors.UnprocessableImage("the JPEG is truncated")
        marker, start, at = found[1][0], found.start(), found.end()
        if marker != _EOI:
            at = _segment_end(data, marker, at)
        yield marker, start, at
        if marker == _EOI:
            return
        metadata_bytes += at - start if marker in _METADATA else 0
        if metadata_bytes > limits.jpeg_metadata_bytes:
            break
    raise errors.UnprocessableImage("the JPEG has too many segments besides its picture")


def _segment_end(data: bytes, marker: int, at: int) -> int:
    if marker not in _SOF | _TABLES | _METADATA | {_SOS}:
        raise errors.UnprocessableImage("the JPEG must be baseline or progressive, with Huffman coding")
    end = at + int.from_bytes(data[at : at + 2])
    if end < at + 2 or end > len(data):
        raise errors.UnprocessableImage("the JPEG is truncated")
    return end
