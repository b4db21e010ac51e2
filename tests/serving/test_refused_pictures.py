"""Bytes that are no picture, or too large a one, are refused, and nothing else happens."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service import errors
from service.serving.pictures import PictureLimits, decode
from tests.serving.picture_files import (
    GOOD_JPEG,
    GOOD_PNG,
    IEND,
    PIXEL,
    PNG_MAGIC,
    RAMP,
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
def test_a_file_that_is_neither_png_nor_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(errors.UnprocessableImage, match="must be a PNG or a JPEG"):
        decode(data)


@pytest.mark.parametrize(
    "kind",
    ["GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "ICO", "TGA", "PCX", "PPM", "DDS", "ICNS", "EPS"],
)
def test_other_formats_that_pillow_reads_are_refused(kind: str) -> None:
    with pytest.raises(errors.UnprocessableImage, match="must be a PNG or a JPEG"):
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


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from([GOOD_PNG, saved(Image.fromarray(RAMP).quantize(4), "PNG"), GOOD_JPEG, PROGRESSIVE]),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4), st.integers(0, 8)), max_size=6),
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
