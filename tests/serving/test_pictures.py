"""The bytes of a picture become a small upright grey one on white."""

import numpy as np
import pytest
from PIL import Image

from service.serving.pictures import DEFAULT_LIMITS, declared_pixels, decode
from tests.serving.picture_files import (
    GOOD_BMP,
    GOOD_GIF,
    GOOD_JPEG,
    GOOD_PNG,
    GOOD_WEBP,
    IEND,
    PIXEL,
    RAMP,
    animated,
    chunk,
    idat,
    ihdr,
    png,
    saved,
)

ORIENTATION = 0x0112


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def test_a_grey_png_keeps_its_pixels() -> None:
    picture = decode(GOOD_PNG)

    assert (picture.dtype, picture.tolist()) == (np.dtype(np.uint8), RAMP.tolist())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved(Image.fromarray(RAMP).convert("RGB"), "PNG"), id="rgb"),
        pytest.param(saved(Image.fromarray(RAMP).convert("RGBA"), "PNG"), id="rgba"),
        pytest.param(saved(Image.fromarray(RAMP).convert("LA"), "PNG"), id="la"),
        pytest.param(saved(Image.fromarray(RAMP).convert("P"), "PNG"), id="palette"),
        pytest.param(saved(RAMP.astype(np.uint16) * 257, "PNG"), id="16 bit"),
        pytest.param(GOOD_PNG + b"<html>" * 150_000, id="trailing bytes"),
        pytest.param(
            saved(RAMP, "PNG", save_all=True, append_images=[Image.new("L", (50, 40), 9)]), id="apng"
        ),
        pytest.param(GOOD_PNG.replace(IEND, chunk(b"iCCP", b"nonsense") + IEND), id="bad icc profile"),
    ],
)
def test_every_kind_of_png_shows_the_same_picture(data: bytes) -> None:
    assert decode(data).tolist() == RAMP.tolist()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD_WEBP, id="webp"),
        pytest.param(saved(Image.fromarray(RAMP).convert("RGBA"), "WEBP", lossless=True), id="webp alpha"),
        pytest.param(
            saved(RAMP, "WEBP", lossless=True, icc_profile=b"x" * 7, xmp=b"<x/>", exif=b"II*\0"),
            id="webp with metadata",
        ),
        pytest.param(animated("WEBP"), id="animated webp"),
        pytest.param(GOOD_WEBP + b"<html>" * 100, id="webp and more"),
        pytest.param(GOOD_GIF, id="gif"),
        pytest.param(saved(RAMP, "GIF", interlace=0, comment=b"x" * 2000), id="gif with a comment"),
        pytest.param(animated("GIF"), id="animated gif"),
        pytest.param(GOOD_GIF[:-1], id="gif without an end"),
        pytest.param(GOOD_BMP, id="bmp"),
        pytest.param(saved(Image.fromarray(RAMP).convert("RGB"), "BMP"), id="bmp of 24 bits"),
        pytest.param(saved(Image.fromarray(RAMP).convert("RGBA"), "BMP"), id="bmp of 32 bits"),
        pytest.param(saved(Image.fromarray(RAMP).convert("P"), "BMP"), id="bmp with a palette"),
        pytest.param(GOOD_BMP + bytes(5000), id="bmp and more"),
    ],
)
def test_webp_gif_and_bmp_show_the_same_first_frame(data: bytes) -> None:
    assert decode(data).tolist() == RAMP.tolist()
    assert declared_pixels(data) == RAMP.size


def test_a_lossy_webp_is_nearly_the_same() -> None:
    image = Image.fromarray(RAMP).convert("RGBA")
    image.putalpha(255 - 2 * (np.asarray(image)[0, 0, 3] // 255))

    pictures = [decode(saved(each, "WEBP", quality=95)).astype(int) for each in (RAMP, image)]

    assert [np.abs(each - RAMP).max() <= 5 for each in pictures] == [True, True]


def test_a_frame_that_is_smaller_than_its_animation_has_its_place() -> None:
    clear = Image.new("RGBA", (50, 40))
    clear.paste((0, 0, 0, 255), (10, 20, 30, 35))
    frames = {"save_all": True, "append_images": [Image.new("RGBA", (50, 40), "red")], "lossless": True}

    pictures = [decode(saved(clear, kind, **frames)) for kind in ("WEBP", "GIF")]

    expected = np.full((40, 50), 255)
    expected[20:35, 10:30] = 0
    assert [each.tolist() for each in pictures] == [expected.tolist()] * 2


def test_the_transparent_colour_of_a_gif_is_white() -> None:
    assert decode(saved(np.array([[7, 9]], np.uint8), "GIF", transparency=7)).tolist() == [[255, 9]]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_a_one_bit_picture_is_black_and_white(kind: str) -> None:
    data = saved(Image.fromarray(np.array([[True, False, True]])), kind)

    assert decode(data).tolist() == [[255, 0, 255]]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD_JPEG, id="grey"),
        pytest.param(saved(Image.fromarray(RAMP).convert("RGB"), "JPEG", quality=95), id="colour"),
        pytest.param(saved(Image.fromarray(RAMP).convert("CMYK"), "JPEG", quality=95), id="cmyk"),
        pytest.param(saved(RAMP, "JPEG", quality=95, progressive=True), id="progressive"),
        pytest.param(saved(RAMP, "JPEG", quality=95, restart_marker_rows=1), id="restart markers"),
        pytest.param(GOOD_JPEG + b"\xff\xda" * 5_000, id="trailing bytes"),
        pytest.param(
            saved(
                Image.fromarray(RAMP).convert("RGB"),
                "MPO",
                quality=95,
                save_all=True,
                append_images=[Image.new("RGB", (50, 40), "red")],
            ),
            id="mpo",
        ),
    ],
)
def test_every_kind_of_jpeg_shows_the_same_first_frame(data: bytes) -> None:
    np.testing.assert_allclose(decode(data).astype(int), RAMP, atol=5)


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP")])
def test_transparent_pixels_are_white_whatever_their_colour(mode: str, kind: str) -> None:
    image = Image.fromarray(RAMP).convert(mode)
    image.putalpha(Image.fromarray(np.where(RAMP > 90, 255, 0).astype(np.uint8)))

    assert decode(saved(image, kind, lossless=True)).tolist() == np.where(RAMP > 90, RAMP, 255).tolist()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved(np.array([[7, 9]], np.uint8), "PNG", transparency=7), id="grey"),
        pytest.param(saved(np.array([[7, 9]], np.uint16) * 257, "PNG", transparency=7 * 257), id="16 bit"),
        pytest.param(
            png(
                ihdr(2, 1, colour=3),
                chunk(b"PLTE", bytes([7] * 3 + [9] * 3)),
                chunk(b"tRNS", b"\0"),
                idat(b"\0\0\1"),
                IEND,
            ),
            id="palette",
        ),
    ],
)
def test_the_transparent_colour_of_a_png_is_white(data: bytes) -> None:
    assert decode(data).tolist() == [[255, 9]]


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        pytest.param(1, RAMP, id="upright"),
        pytest.param(2, RAMP[:, ::-1], id="mirrored"),
        pytest.param(3, RAMP[::-1, ::-1], id="upside down"),
        pytest.param(4, RAMP[::-1], id="flipped"),
        pytest.param(5, RAMP.T, id="transposed"),
        pytest.param(6, np.rot90(RAMP, -1), id="needs a quarter right"),
        pytest.param(7, RAMP[::-1, ::-1].T, id="transversed"),
        pytest.param(8, np.rot90(RAMP), id="needs a quarter left"),
        pytest.param(9, RAMP, id="not an orientation"),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_stands_upright_as_its_exif_says(kind: str, orientation: int, expected: np.ndarray) -> None:
    data = saved(RAMP, kind, exif=turned(orientation), quality=95)

    np.testing.assert_allclose(decode(data).astype(int), expected, atol=5)


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(b"II*\0", id="cut"),
        pytest.param(b"MM\0*\xff\xff\xff\xff", id="directory outside"),
        pytest.param(b"MM\0*\0\0\0\x08\xff\xff\x01\x12", id="entries cut"),
        pytest.param(b"neither order", id="no byte order"),
    ],
)
def test_damaged_exif_leaves_a_picture_as_it_is(exif: bytes) -> None:
    assert decode(png(ihdr(1, 1), chunk(b"eXIf", exif), PIXEL, IEND)).tolist() == [[128]]


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        pytest.param((1, 1), (1, 1), id="1x1"),
        pytest.param((27, 29), (29, 27), id="27x29"),
        pytest.param((384, 100), (100, 384), id="just small enough"),
        pytest.param((2000, 1), (1, 384), id="2000x1"),
        pytest.param((1, 2000), (384, 1), id="1x2000"),
        pytest.param((1920, 1080), (216, 384), id="1920x1080"),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_shrunk_until_its_longest_side_is_384(
    kind: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    picture = decode(saved(Image.new("L", size, 77), kind))

    assert picture.tolist() == np.full(shape, 77).tolist()


def test_shrinking_averages_over_areas() -> None:
    checkers = (np.indices((768, 768)).sum(0) % 2 * 200).astype(np.uint8)

    assert decode(saved(checkers, "PNG")).tolist() == np.full((384, 384), 100).tolist()


def test_a_palette_index_beyond_the_palette_is_black() -> None:
    data = png(ihdr(2, 1, colour=3), chunk(b"PLTE", b"\xff\xff\xff"), idat(b"\0\0\x09"), IEND)

    assert decode(data).tolist() == [[255, 0]]


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (GOOD_PNG, 2000),
        (GOOD_JPEG, 2000),
        (GOOD_PNG[:24], 2000),
        (png(ihdr(2**31 - 1, 2**31 - 1)), DEFAULT_LIMITS.png_pixels),
        (b"\xff\xd8" + b"\xff\xe1\xff\xff" + bytes(2**16 - 3) + GOOD_JPEG[2:], DEFAULT_LIMITS.jpeg_pixels),
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100 + GOOD_JPEG[2:], DEFAULT_LIMITS.jpeg_pixels),
        (b"\xff\xd8\xff", DEFAULT_LIMITS.jpeg_pixels),
        (b"RIFF\xff\xff\xff\xffWEBP", DEFAULT_LIMITS.other_pixels),
        (b"GIF89a\xff\xff\xff\xff", DEFAULT_LIMITS.other_pixels),
        (b"BM" + bytes(12) + b"\x28\0\0\0" + b"\xff\xff\xff\x7f" * 2, DEFAULT_LIMITS.other_pixels),
        (b"BM", 0),
        (b"II*\0", 0),
        (b"", 0),
    ],
    ids=[
        *("png", "jpeg", "head", "huge", "late", "many segments", "cut off"),
        *("webp without a size", "huge gif", "huge bmp", "bmp cut off", "another format", "empty"),
    ],
)
def test_the_pixels_of_a_picture_are_in_its_header(data: bytes, pixels: int) -> None:
    assert declared_pixels(data) == pixels
