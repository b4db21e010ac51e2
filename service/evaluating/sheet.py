"""A sheet of the images that a net misclassifies, as one PNG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from analysis.palette import CARD, COLOURS, FAINT, INK, Theme
from models.specs.datasets import COUNTS, DATASETS, SplitName
from service.evaluating.evaluation import Misclassified
from service.serving.classifying import Classified
from service.serving.gallery import Gallery
from service.serving.predictor import Subject

MAX_IMAGES = 200
WIDTH = 1400
MARGIN, HEADING = 32, 130
SIDE = 112  # of an image: 28 pixels, four times as large
GAP = 20  # between images, and between their labels
ROW = SIDE + 66
ARROW = 26
TITLE, LABEL, SMALL = 30, 22, 17  # sizes of text
PAPER: dict[Theme, str] = {"light": "#f0f2f5", "dark": "#0d1117"}
"""The background of an image."""
PREDICTED = {theme: colours[0] for theme, colours in COLOURS["weight+init"].items()}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows."""

    title: str
    subtitle: str
    found: Sequence[Misclassified]
    images: Sequence[NDArray[np.uint8]]
    """Each (28, 28), light ink on black."""
    class_names: Sequence[str]


def make_sheet(
    subject: Subject,
    classified: Classified,
    split: SplitName,
    found: Sequence[Misclassified],
    gallery: Gallery,
) -> Sheet:
    """Collect what a sheet of these images shows; raise DatasetUnavailable if they cannot be read."""
    dataset = subject.train_spec().dataset
    n_wrong = int((~classified.is_right()).sum())
    return Sheet(
        title=f"{n_wrong:,} of {COUNTS[split]:,} {split} images are misclassified",
        subtitle=f"{subject.job_id} after step {subject.step:,}; below each image: true and predicted class, "
        "and the probability of the predicted one",
        found=found,
        images=[gallery.image(dataset, split, each.index)[0] for each in found],
        class_names=DATASETS[dataset].classes,
    )


def draw_sheet(sheet: Sheet, theme: Theme) -> bytes:
    """Draw the images in rows under a title; equal input gives equal bytes."""
    title, label, small = map(_font, (TITLE, LABEL, SMALL))
    column = max(SIDE, *(_width(label, *_names(sheet, each)) for each in sheet.found), 0) + GAP
    n_columns = (WIDTH - 2 * MARGIN + GAP) // math.ceil(column)
    n_rows = math.ceil(len(sheet.found) / n_columns)
    picture = Image.new("RGB", (WIDTH, HEADING + n_rows * ROW + MARGIN // 2), CARD[theme])
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN), sheet.title, INK[theme], title)
    draw.text((MARGIN, MARGIN + 46), sheet.subtitle, FAINT[theme], small)
    pitch = (WIDTH - 2 * MARGIN + GAP) / n_columns
    for place, (each, pixels) in enumerate(zip(sheet.found, sheet.images, strict=True)):
        middle = round(MARGIN + (place % n_columns + 0.5) * pitch - GAP / 2)
        top = HEADING + place // n_columns * ROW
        picture.paste(_ink(pixels, theme), (middle - SIDE // 2, top))
        _write(draw, (middle, top + SIDE + 19), _names(sheet, each), label, theme)
        draw.text((middle, top + SIDE + 42), f"{each.probability:.3f}", FAINT[theme], small, "mm")
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _names(sheet: Sheet, found: Misclassified) -> tuple[str, str]:
    return sheet.class_names[found.true], sheet.class_names[found.predicted]


def _width(font: Font, true: str, predicted: str) -> float:
    return font.getlength(true) + ARROW + font.getlength(predicted)


def _ink(pixels: NDArray[np.uint8], theme: Theme) -> Image.Image:
    """Enlarge an image, in the colours of the theme."""
    large = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    paper = Image.new("RGB", large.size, PAPER[theme])
    paper.paste(INK[theme], mask=large)
    return paper


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], names: tuple[str, str], font: Font, theme: Theme
) -> None:
    """Write true → predicted, centred at this point."""
    (x, y), (true, predicted) = at, names
    left = x - _width(font, true, predicted) / 2
    arrow = left + font.getlength(true)
    draw.text((left, y), true, INK[theme], font, "lm")
    _draw_arrow(draw, arrow + 5, arrow + ARROW - 5, y, FAINT[theme])
    draw.text((arrow + ARROW, y), predicted, PREDICTED[theme], font, "lm")


def _draw_arrow(draw: ImageDraw.ImageDraw, left: float, right: float, y: float, colour: str) -> None:
    # Pillow's own font has no arrow.
    draw.line([(left, y), (right - 1, y)], colour, 2)
    draw.line([(right - 6, y - 5), (right, y), (right - 6, y + 5)], colour, 2, joint="curve")


def _font(size: int) -> Font:
    return ImageFont.load_default(size)
