"""Any picture of a digit becomes what MNIST looks like; a picture of MNIST stays as it is."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw
from scipy import ndimage

from models.data.originals import VENDORED
from service import errors
from service.serving.intake.digits import normalise
from service.serving.intake.reports import IntakeReport
from service.serving.pictures import declared_pixels, decode
from tests.serving import scenes

FILE = VENDORED / "t10k-images-idx3-ubyte.gz"
DIGITS = np.frombuffer(gzip.decompress(FILE.read_bytes())[16:], np.uint8).reshape(-1, 28, 28)
SEVEN = [(70, 50), (150, 70), (90, 210)]


def drawn(*strokes: list[tuple[int, int]], pen: int = 22, shift: int = 0, side: int = 280) -> np.ndarray:
    image = Image.new("L", (side, side))
    for stroke in strokes:
        moved = [(x + shift, y + shift) for x, y in stroke]
        ImageDraw.Draw(image).line(moved, fill=255, width=pen, joint="curve")
    return np.asarray(image)


def reopened(grey: np.ndarray, kind: str, **options: object) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, kind, **options)
    return decode(file.getvalue())


def bytes_of(grey: np.ndarray) -> np.ndarray:
    return np.rint(normalise(grey).image * 255).astype(np.uint8)


def lit(grey: np.ndarray, ink: int, darkest: int, lightest: int) -> np.ndarray:
    ground = np.linspace(darkest, lightest, grey.shape[1])
    return (ground + (ink - ground) * (grey / 255)).astype(np.uint8)


CANVAS = drawn(SEVEN)
EXPECTED = normalise(CANVAS).image


@pytest.mark.parametrize("index", range(200))
def test_a_picture_of_mnist_passes_bit_for_bit(index: int) -> None:
    intake = normalise(DIGITS[index])

    np.testing.assert_array_equal(intake.image, DIGITS[index] / np.float32(255))
    assert (intake.report.polarity, intake.report.applied) == ("light_on_dark", ())


def test_an_image_is_28_by_28_of_float32_from_0_to_1() -> None:
    assert (EXPECTED.shape, EXPECTED.dtype, EXPECTED.min(), EXPECTED.max()) == (
        (28, 28),
        np.dtype(np.float32),
        0,
        1,
    )


@pytest.mark.slow
@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_digit_of_mnist_comes_back_from_a_shifted_dark_on_white_picture(kind: str, index: int) -> None:
    shifted = 255 - np.pad(DIGITS[index], ((3, 40), (30, 2)))

    image = normalise(reopened(shifted, kind, quality=100)).image

    np.testing.assert_allclose(image, DIGITS[index] / 255, atol=0.02)


@pytest.mark.parametrize(
    "grey",
    [
        pytest.param(255 - CANVAS, id="dark on white"),
        pytest.param(drawn(SEVEN, shift=50), id="off-centre"),
        pytest.param(drawn([(140, 100), (300, 140), (180, 420)], pen=44, side=560), id="large"),
        pytest.param(lit(CANVAS, 40, 200, 200), id="pencil on grey"),
        pytest.param(lit(CANVAS, 20, 120, 250), id="unevenly lit paper"),
        pytest.param(lit(CANVAS, 250, 0, 90), id="unevenly lit board"),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_same_digit_gives_nearly_the_same_image(kind: str, grey: np.ndarray) -> None:
    image = normalise(reopened(grey, kind, quality=90)).image

    assert float(np.abs(image - EXPECTED).mean()) < 0.01


def test_a_transparent_png_shows_its_ink_on_white() -> None:
    image = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    image.putalpha(Image.fromarray(CANVAS))
    file = io.BytesIO()
    image.save(file, "PNG")

    intake = normalise(decode(file.getvalue()))

    np.testing.assert_array_equal(intake.image, EXPECTED)
    assert intake.report.polarity == "dark_on_light"


def test_a_photo_taken_sideways_gives_the_upright_digit() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = np.rot90(255 - CANVAS)

    image = normalise(reopened(sideways, "JPEG", exif=exif)).image

    assert float(np.abs(image - EXPECTED).mean()) < 0.01


@pytest.mark.slow
def test_a_phone_photo_of_12_megapixels_gives_the_upright_digit() -> None:
    data = scenes.phone_photo(np.rint(EXPECTED * 255).astype(np.uint8), np.random.default_rng(3))

    grey = decode(data)
    intake = normalise(grey)

    assert (3e6 < len(data) < 5e6, declared_pixels(data), grey.shape) == (True, 12_000_000, (384, 288))
    assert float(np.abs(intake.image - EXPECTED).mean()) < 0.02
    assert intake.doubts == ()


def test_noise_leaves_no_trace_outside_the_digit() -> None:
    noise = np.random.default_rng(0).normal(0, 8, CANVAS.shape)
    noisy = np.clip(lit(CANVAS, 60, 200, 200) + noise, 0, 255).astype(np.uint8)

    image = normalise(noisy).image

    reach = ndimage.maximum_filter(EXPECTED, 3) > 0
    assert np.count_nonzero(image[~reach]) == 0


def test_specks_are_dropped() -> None:
    dirty = CANVAS.copy()
    for row, column in ((20, 250), (250, 240), (30, 20)):
        dirty[row : row + 4, column : column + 4] = 255

    intake = normalise(dirty)

    np.testing.assert_array_equal(intake.image, EXPECTED)
    assert intake.report.applied == ("despeckled", "resized", "centred")


@pytest.mark.parametrize("pen", [1, 2, 4, 8])
def test_a_thin_pen_is_thickened_to_that_of_mnist(pen: int) -> None:
    intake = normalise(drawn(SEVEN, pen=pen))

    again = normalise(bytes_of(drawn(SEVEN, pen=pen)))
    assert intake.report.applied == ("thickened", "resized", "centred")
    assert intake.report.stroke_px < 1.6 < again.report.stroke_px


@pytest.mark.parametrize(
    ("grey", "report"),
    [
        pytest.param(
            drawn([(100, 50), (100, 229)], pen=20),
            IntakeReport("light_on_dark", ("resized", "centred"), (91, 50, 111, 230), 1.96, ()),
            id="whole",
        ),
        pytest.param(
            255 - drawn([(50, 0), (50, 199)], pen=20),
            IntakeReport(
                "dark_on_light",
                ("inverted", "resized", "centred"),
                (41, 0, 61, 200),
                1.94,
                ("touches_border",),
            ),
            id="touching the border",
        ),
        pytest.param(
            drawn([(60, 50), (60, 229)], [(120, 50), (120, 229)], pen=20),
            IntakeReport(
                "light_on_dark", ("resized", "centred"), (51, 50, 71, 230), 2.14, ("several_parts",)
            ),
            id="several parts",
        ),
    ],
)
def test_the_report_says_what_was_done(grey: np.ndarray, report: IntakeReport) -> None:
    assert normalise(grey).report == report


@pytest.mark.parametrize(
    "grey",
    [
        pytest.param(np.zeros((280, 280), np.uint8), id="black"),
        pytest.param(np.full((280, 280), 255, np.uint8), id="white"),
        pytest.param(np.full((28, 28), 128, np.uint8), id="grey"),
        pytest.param(np.zeros((28, 28), np.uint8), id="black 28x28"),
        pytest.param(np.full((1, 1), 200, np.uint8), id="one pixel"),
        pytest.param(np.tile(np.linspace(120, 240, 384).astype(np.uint8), (384, 1)), id="light falling off"),
        pytest.param(
            np.random.default_rng(0).normal(180, 10, (384, 384)).clip(0, 255).astype(np.uint8),
            id="noisy paper",
        ),
        pytest.param(np.random.default_rng(0).integers(0, 256, (384, 384), dtype=np.uint8), id="noise"),
        pytest.param(lit(CANVAS, 190, 200, 200), id="ink as light as paper"),
    ],
)
def test_a_picture_without_ink_is_blank(grey: np.ndarray) -> None:
    with pytest.raises(errors.BlankImage):
        normalise(grey)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "box"),
    [
        pytest.param((27, 29), (20, 20), id="27x29"),
        pytest.param((1, 384), (2, 20), id="thin"),
        pytest.param((384, 1), (20, 2), id="tall"),
        pytest.param((5, 5), (20, 20), id="5x5"),
    ],
)
def test_odd_shapes_are_boxed_like_all_others(shape: tuple[int, int], box: tuple[int, int]) -> None:
    grey = np.zeros(shape, np.uint8)
    grey[shape[0] * 2 // 5 : -(-shape[0] * 3 // 5), shape[1] * 2 // 5 : -(-shape[1] * 3 // 5)] = 255

    ink = normalise(grey).image > 0

    assert (ink.any(1).sum(), ink.any(0).sum()) == box


def test_a_box_of_21_is_no_picture_of_mnist() -> None:
    grey = np.zeros((28, 28), np.uint8)
    grey[4:25, 13:16] = 255

    assert normalise(grey).report.applied == ("resized", "centred")


def test_the_faintest_tip_of_a_stroke_still_reaches_the_edge_of_the_box() -> None:
    grey = np.zeros((50, 50), np.uint8)
    grey[5:35, 18:24] = 255
    grey[3:5, 20] = 1

    assert np.count_nonzero(normalise(grey).image.any(1)) == 20


corners = st.tuples(st.integers(40, 240), st.integers(40, 240))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(stroke=st.lists(corners, min_size=3, max_size=6, unique=True), pen=st.integers(2, 24))
def test_an_image_given_back_is_not_changed_again(stroke: list[tuple[int, int]], pen: int) -> None:
    once = bytes_of(drawn(stroke, pen=pen))

    np.testing.assert_array_equal(bytes_of(once), once)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(stroke=st.lists(corners, min_size=3, max_size=6, unique=True), pen=st.integers(2, 24))
def test_the_box_is_20_and_the_mass_is_centred_as_far_as_the_frame_allows(
    stroke: list[tuple[int, int]], pen: int
) -> None:
    image = bytes_of(drawn(stroke, pen=pen))

    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert all(off_centre_only_at_the_edge(image))


def off_centre_only_at_the_edge(image: np.ndarray) -> tuple[bool, bool]:
    centre = np.floor(np.array(ndimage.center_of_mass(image)) + 0.5)
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    return (
        bool(centre[0] == 14 or rows[0] == 0 or rows[-1] == 27),
        bool(centre[1] == 14 or columns[0] == 0 or columns[-1] == 27),
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(grey=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_any_array_gives_an_image_or_is_blank(grey: np.ndarray) -> None:
    assert outcome(grey) in {"image", "blank-image"}


def outcome(grey: np.ndarray) -> str:
    try:
        image = normalise(grey).image
    except errors.NormserveError as error:
        return error.code
    return "image" if image.shape == (28, 28) and image.min() >= 0 and image.max() <= 1 else "wrong"
