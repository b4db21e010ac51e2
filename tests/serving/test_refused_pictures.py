"""Bytes that are no picture, or too large a one, are refused, and nothing else happens."""

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service import errors
from service.serving.formats.files import PictureLimits
from service.serving.pictures import decode
from tests.serving.picture_files import (
    GOOD_BMP,
    GOOD_GIF,
    GOOD_JPEG,
    GOOD_PNG,
    GOOD_WEBP,
    IEND,
    PIXEL,
    PNG_MAGIC,
    RAMP,
    animated,
    chunk,
    idat,
    ihdr,
    png,
    saved,
)

PROGRESSIVE = saved(RAMP, "JPEG", progressive=True)
LAST_SCAN = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
FIRST_FRAME = GOOD_JPEG.index(b"\xff\xc0")
FRAME = GOOD_JPEG[FIRST_FRAME : FIRST_FRAME + 13]


FRAME_OF_GIF = GOOD_GIF.index(b",", 781)
"""After the screen and 256 colours."""


def with_bytes(data: bytes, at: int, changed: bytes) -> bytes:
    return data[:at] + changed + data[at + len(changed) :]


def blank_bits(side: int) -> bytes:
    return png(ihdr(side, side, depth=1), idat(bytes((side // 8 + 1) * side)), IEND)


BEGINNINGS = [
    pytest.param(b"", id="0 bytes"),
    pytest.param(b"\x89", id="1 byte"),
    pytest.param(random.Random(0).randbytes(100_000), id="random"),
    pytest.param(b"PK\x03\x04" + bytes(500), id="zip"),
    pytest.param(b"%PDF-1.7\n" + bytes(500), id="pdf"),
    pytest.param(b"<!doctype html><title>x</title>", id="html"),
    pytest.param(b"\x7fELF\x02\x01\x01" + bytes(500), id="elf"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", id="svg"),
    pytest.param(b"<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>", id="svg entity"),
    pytest.param(b"data:image/png;base64,iVBORw0KGgo=", id="data url"),
    pytest.param(b"http://169.254.169.254/", id="http url"),
    pytest.param(b"8BPS\0\1" + bytes(500), id="psd"),
    pytest.param(b"SIMPLE  =                    T" + bytes(500), id="fits"),
    pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", id="eps"),
]


@pytest.mark.parametrize("data", BEGINNINGS)
def test_a_file_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(errors.UnprocessableImage, match="must be a PNG, JPEG, WebP, GIF or BMP"):
        decode(data)


@pytest.mark.parametrize(
    "kind",
    ["TIFF", "AVIF", "JPEG2000", "ICO", "TGA", "PCX", "PPM", "DDS", "ICNS", "EPS"],
)
def test_other_formats_that_pillow_reads_are_refused(kind: str) -> None:
    with pytest.raises(errors.UnprocessableImage, match="must be a PNG, JPEG, WebP, GIF or BMP"):
        decode(saved(Image.new("RGB", (32, 32), "red"), kind))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(blank_bits(2001), id="png just over 4 Mpx"),
        pytest.param(blank_bits(9000), id="png 9000x9000 1 bit"),
        pytest.param(blank_bits(13_000), id="png 13000x13000"),
        pytest.param(png(ihdr(20_000, 20_000), IEND), id="png 20000x20000 header"),
        pytest.param(png(ihdr(2**31 - 1, 2**31 - 1), IEND), id="png 2^31-1 squared"),
        pytest.param(png(ihdr(28, 2**31 - 1), IEND), id="png 28 x 2^31-1"),
        pytest.param(png(ihdr(10**6, 10**6), IEND), id="png 10^6 squared"),
        pytest.param(
            GOOD_JPEG[: FIRST_FRAME + 5] + b"\xff\xff\xff\xff" + GOOD_JPEG[FIRST_FRAME + 9 :],
            id="jpeg 65535x65535",
        ),
        pytest.param(
            saved(Image.new("RGB", (5000, 4000)), "JPEG", progressive=True), id="progressive 20 Mpx"
        ),
        pytest.param(GOOD_JPEG + bytes(12 * 2**20), id="jpeg over 12 MB"),
        pytest.param(with_bytes(GOOD_GIF, 6, b"\xff\xff\xff\xff"), id="gif 65535x65535"),
        pytest.param(with_bytes(GOOD_GIF, FRAME_OF_GIF + 1, b"\xff\xff\xff\xff"), id="gif frame far outside"),
        pytest.param(with_bytes(GOOD_BMP, 18, b"\xff\xff\xff\x7f" * 2), id="bmp 2^31-1 squared"),
        pytest.param(with_bytes(GOOD_BMP, 22, b"\0\0\0\x80"), id="bmp of the most negative height"),
        pytest.param(with_bytes(GOOD_WEBP, 21, b"\xff\xff\xff\x0f"), id="webp 16384x16384"),
        pytest.param(with_bytes(animated("WEBP"), 24, b"\xff" * 6), id="webp canvas of 2^24 squared"),
        pytest.param(saved(Image.new("L", (2001, 2000)), "WEBP"), id="webp just over 4 Mpx"),
    ],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(data: bytes) -> None:
    with pytest.raises(errors.ImageTooLarge):
        decode(data)


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        pytest.param(GOOD_PNG, PictureLimits(png_pixels=RAMP.size - 1), id="png"),
        pytest.param(GOOD_JPEG, PictureLimits(jpeg_pixels=RAMP.size - 1), id="jpeg"),
        pytest.param(GOOD_WEBP, PictureLimits(other_pixels=RAMP.size - 1), id="webp"),
        pytest.param(animated("WEBP"), PictureLimits(other_pixels=RAMP.size - 1), id="animated webp"),
        pytest.param(GOOD_GIF, PictureLimits(other_pixels=RAMP.size - 1), id="gif"),
        pytest.param(GOOD_BMP, PictureLimits(other_pixels=RAMP.size - 1), id="bmp"),
    ],
)
def test_the_limits_are_those_that_are_given(data: bytes, limits: PictureLimits) -> None:
    with pytest.raises(errors.ImageTooLarge, match="at most 1999 pixels"):
        decode(data, limits)


def test_pillows_own_limit_holds_however_high_ours_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)

    with pytest.raises(errors.ImageTooLarge, match="at most 1000 pixels"):
        decode(GOOD_PNG)


SPLIT = GOOD_PNG.index(b"IDAT")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(png(ihdr(0, 0), PIXEL, IEND), "no pixels", id="0x0"),
        pytest.param(PNG_MAGIC, "truncated", id="magic only"),
        pytest.param(GOOD_PNG[: SPLIT + 20], "truncated", id="truncated idat"),
        pytest.param(GOOD_PNG[: -len(IEND)], "truncated", id="missing iend"),
        pytest.param(GOOD_PNG[:-1], "truncated", id="iend cut"),
        pytest.param(
            GOOD_PNG[: SPLIT + 9] + b"\xaa" + GOOD_PNG[SPLIT + 10 :], "wrong checksum", id="bad crc in idat"
        ),
        pytest.param(png(PIXEL, ihdr(1, 1), IEND), "one IHDR", id="idat before ihdr"),
        pytest.param(png(ihdr(1, 1), ihdr(1, 1), PIXEL, IEND), "one IHDR", id="two ihdr"),
        pytest.param(png(IEND), "one IHDR", id="no ihdr"),
        pytest.param(png(chunk(b"IHDR", bytes(12)), IEND), "13 bytes", id="short ihdr"),
        pytest.param(png(ihdr(1, 1), IEND), "damaged", id="no idat"),
        pytest.param(png(ihdr(9, 9), PIXEL, IEND), "damaged", id="too few rows"),
        pytest.param(
            png(ihdr(1, 1), chunk(b"IDAT", b"no zlib stream"), IEND), "damaged", id="no zlib stream"
        ),
        pytest.param(png(ihdr(1, 1, depth=7), PIXEL, IEND), "damaged", id="7 bits"),
        pytest.param(png(ihdr(1, 1, colour=3), PIXEL, IEND), "palette", id="no palette"),
        pytest.param(
            png(ihdr(1, 1), chunk(b"CgBI", b""), PIXEL, IEND), "critical", id="unknown critical chunk"
        ),
        pytest.param(
            png(ihdr(1, 1), chunk(b"tEXt", b"") * 50_000, PIXEL, IEND), "chunks", id="50,000 chunks"
        ),
    ],
)
def test_a_damaged_png_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(errors.UnprocessableImage, match=reason):
        decode(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\xff\xd8\xff", "truncated", id="magic only"),
        pytest.param(GOOD_JPEG[:200], "truncated", id="cut after 200 bytes"),
        pytest.param(GOOD_JPEG[:-2], "truncated", id="no end"),
        pytest.param(GOOD_JPEG.replace(b"\xff\xc0", b"\xff\xe5"), "one frame", id="sof missing"),
        pytest.param(GOOD_JPEG.replace(b"\xff\xc0", b"\xff\xc9"), "Huffman", id="arithmetic coding"),
        pytest.param(PROGRESSIVE.replace(b"\xff\xc2", b"\xff\xca"), "Huffman", id="arithmetic progressive"),
        pytest.param(PROGRESSIVE[:-2] + LAST_SCAN * 40 + b"\xff\xd9", "at most 32 scans", id="50 scans"),
        pytest.param(PROGRESSIVE[:-2] + LAST_SCAN * 10_000 + b"\xff\xd9", "segments", id="10,000 scans"),
        pytest.param(
            b"\xff\xd8" + (b"\xff\xe5\xff\xff" + bytes(65_533)) * 50 + GOOD_JPEG[2:],
            "segments",
            id="50 x 64 KB APP",
        ),
        pytest.param(GOOD_JPEG.replace(b"\xff\xdb", b"\xff\xe5"), "damaged", id="no quantisation table"),
        pytest.param(GOOD_JPEG.replace(b"\xff\xda", b"\xff\xe5"), "one frame", id="no scan"),
        pytest.param(b"\xff\xd8" + GOOD_JPEG, "Huffman", id="two beginnings"),
        pytest.param(b"\xff\xd8\xff\xe5\0\1" + GOOD_JPEG[2:], "truncated", id="segment of length 1"),
        pytest.param(GOOD_JPEG[:2] + FRAME + GOOD_JPEG[2:], "one frame", id="two frames"),
        pytest.param(
            GOOD_JPEG[: FIRST_FRAME + 5] + bytes(4) + GOOD_JPEG[FIRST_FRAME + 9 :], "no pixels", id="0x0"
        ),
    ],
)
def test_a_damaged_jpeg_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(errors.UnprocessableImage, match=reason):
        decode(data)


WEBP_OF_NOTHING = b"RIFF\x04\0\0\0WEBP"
BLOCKS = b"!\xfe" + b"\x01x" * 60_000 + b"\0"
SHORT_GIF = GOOD_GIF[: FRAME_OF_GIF + 11] + b"\x04\x00\x01\x02\x03\0;"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        *(pytest.param(GOOD_WEBP[:n], "truncated", id=f"{n} bytes of a webp") for n in (12, 15, 20, 30, -1)),
        *(pytest.param(animated("WEBP")[:n], "truncated", id=f"{n} bytes of an animation") for n in (40, -1)),
        *(pytest.param(GOOD_GIF[:n], "truncated", id=f"{n} bytes of a gif") for n in (6, 12, 300, 790, -2)),
        *(pytest.param(GOOD_BMP[:n], "truncated", id=f"{n} bytes of a bmp") for n in (2, 53, 500, -1)),
        pytest.param(WEBP_OF_NOTHING, "truncated", id="webp without chunks"),
        pytest.param(b"RIFF\x0c\0\0\0WEBPICCP\0\0\0\0", "no picture", id="webp without a picture"),
        pytest.param(b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0", "damaged", id="webp without a bitstream"),
        pytest.param(b"RIFF\x0c\0\0\0WEBPVP8X\0\0\0\0", "damaged", id="webp with a short head"),
        pytest.param(animated("WEBP").replace(b"ANMF", b"XXXX"), "no frame", id="webp without frames"),
        pytest.param(with_bytes(GOOD_WEBP, 40, bytes(60)), "damaged", id="webp with zeros"),
        pytest.param(with_bytes(GOOD_GIF, 3, b"88a"), "version", id="gif of another version"),
        pytest.param(GOOD_GIF[:FRAME_OF_GIF] + b";", "no frame", id="gif without a frame"),
        pytest.param(GOOD_GIF[:FRAME_OF_GIF] + b"x" * 99, "damaged", id="gif with text"),
        pytest.param(with_bytes(GOOD_GIF, FRAME_OF_GIF + 5, bytes(4)), "no pixels", id="gif frame of 0x0"),
        pytest.param(GOOD_GIF[:FRAME_OF_GIF] + BLOCKS + b";", "too many blocks", id="gif of 60,000 blocks"),
        pytest.param(SHORT_GIF, "damaged", id="gif with few pixels"),
        pytest.param(with_bytes(GOOD_GIF, FRAME_OF_GIF + 10, b"\x0d"), "damaged", id="gif with long codes"),
        pytest.param(with_bytes(GOOD_BMP, 18, bytes(4)), "no pixels", id="bmp of width 0"),
        pytest.param(with_bytes(GOOD_BMP, 18, b"\xff" * 4), "no pixels", id="bmp of width -1"),
        pytest.param(with_bytes(GOOD_BMP, 30, b"\x01"), "uncompressed", id="bmp of runs"),
        pytest.param(with_bytes(GOOD_BMP, 30, b"\x05"), "uncompressed", id="bmp with a png"),
        pytest.param(with_bytes(GOOD_BMP, 28, b"\x07"), "damaged", id="bmp of 7 bits"),
        pytest.param(with_bytes(GOOD_BMP, 14, b"\x29"), "damaged", id="bmp with another header"),
    ],
)
def test_a_damaged_webp_gif_or_bmp_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(errors.UnprocessableImage, match=reason):
        decode(data)


SEEDS = [
    *(GOOD_PNG, GOOD_JPEG, GOOD_WEBP, GOOD_GIF, GOOD_BMP, PROGRESSIVE),
    *(animated(kind) for kind in ("PNG", "WEBP", "GIF", "MPO")),
    saved(Image.fromarray(RAMP).convert("CMYK"), "JPEG"),
    saved(RAMP.astype(np.uint16) * 257, "PNG"),
    saved(Image.fromarray(RAMP).quantize(4), "PNG", transparency=b"\0\x80"),
    *(saved(Image.fromarray(RAMP).convert("1"), kind) for kind in ("PNG", "GIF", "BMP")),
    saved(Image.fromarray(RAMP).quantize(4), "GIF", transparency=1),
    saved(Image.fromarray(RAMP).convert("RGBA"), "BMP"),
    saved(Image.fromarray(RAMP).convert("RGBA"), "WEBP", quality=50, exif=b"II*\0"),
]
"""Pictures of all kinds: to be changed at random places, most of them near the beginning."""
PLACES = st.one_of(st.integers(0, 80), st.integers(700, 860), st.integers(0, 4000))


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(PLACES, st.binary(max_size=4), st.integers(0, 8)), max_size=6),
)
def test_mutated_files_give_a_picture_or_one_of_our_errors(
    seed: bytes, edits: list[tuple[int, bytes, int]]
) -> None:
    assert outcome(mutated(seed, edits)) in {"picture", "unprocessable-image", "image-too-large"}


@settings(max_examples=300, deadline=None)
@given(
    header=st.binary(min_size=5, max_size=5), bodies=st.lists(st.binary(max_size=40), min_size=3, max_size=3)
)
def test_well_summed_png_chunks_of_nonsense_give_a_picture_or_one_of_our_errors(
    header: bytes, bodies: list[bytes]
) -> None:
    kinds = zip([b"PLTE", b"tRNS", b"eXIf"], bodies, strict=True)
    data = png(
        chunk(b"IHDR", struct.pack(">II", 3, 2) + header),
        *(chunk(*pair) for pair in kinds),
        idat(bytes(99)),
        IEND,
    )

    assert outcome(data) in {"picture", "unprocessable-image", "image-too-large"}


def mutated(data: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    for at, inserted, n_removed in edits:
        data = data[:at] + inserted + data[at + n_removed :]
    return data


def outcome(data: bytes) -> str:
    try:
        decode(data)
    except errors.NormserveError as error:
        return error.code
    return "picture"
