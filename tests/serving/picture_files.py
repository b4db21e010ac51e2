"""Builders of picture files, whole and damaged ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RAMP = np.add.outer(np.arange(0, 120, 3), np.arange(0, 100, 2)).astype(np.uint8)  # (40, 50)
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def saved(picture: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png(*chunks: bytes) -> bytes:
    return PNG_MAGIC + b"".join(chunks)


def idat(rows: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(rows))


IEND = chunk(b"IEND", b"")
PIXEL = idat(b"\0\x80")
GOOD_PNG = saved(RAMP, "PNG")
GOOD_JPEG = saved(RAMP, "JPEG", quality=95)


def animated(kind: str) -> bytes:
    """Two frames, of which the first is the ramp."""
    frames = [Image.fromarray(RAMP).convert("RGB"), Image.new("RGB", (50, 40), "red")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True, loop=0)


GOOD_WEBP = saved(RAMP, "WEBP", lossless=True)
GOOD_GIF = saved(RAMP, "GIF")
GOOD_BMP = saved(RAMP, "BMP")
