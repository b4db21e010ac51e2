"""Figures of comparisons: equal bytes on every machine, hostile names, missing values, many arms."""

import hashlib
import os
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from analysis.curves import Curve, mean_curve
from analysis.plots import Line, Mark, Panel, draw

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
GREEN, OTHER_GREEN = "#00805b", "#004f38"  # of batch, in the light theme
HOSTILE = [
    "$x$",
    r"$\frac{1}{",
    "<b>",
    "</text><script>alert(1)</script>",
    "&amp;\"'",
    "]]>",
    "--><!--",
    "_a",
    "é ‖v‖ µ",
    "東京",
    "🙂",
    " ",
    "W" * 80,
]

KINDS: Any = list(product(("light", "dark"), ("png", "svg")))
every_kind = pytest.mark.parametrize(("theme", "image_format"), KINDS)


def line(means: Any, label: str = "arm", method: str = "batch", spread: float = 0.01) -> Line:
    mean = np.array(means, float)
    n = np.isfinite(mean).astype(np.int64)
    return Line(label, method, np.arange(1, len(mean) + 1), Curve(n, mean, mean - spread, mean + spread))


def comparison(n_arms: int = 3, n_steps: int = 1000) -> list[Panel]:
    """Accuracies at ten steps and noisy losses at all of them, the same for every caller."""
    random = np.random.default_rng(0)
    accuracies = random.normal(0.95, 0.01, (n_arms, 5, 10))
    losses = 0.1 + random.random((n_arms, 5, n_steps))
    methods = ["none", "weight+init", "batch"]
    arms = [(f"arm {place}", methods[place % 3]) for place in range(n_arms)]
    steps = np.arange(1, n_steps + 1)
    return [
        Panel(
            "Test accuracy",
            [
                Line(*arm, np.linspace(n_steps // 10, n_steps, 10).astype(np.int64), mean_curve(runs, "ci95"))
                for arm, runs in zip(arms, accuracies, strict=True)
            ],
        ),
        Panel(
            "Train loss",
            [Line(*arm, steps, mean_curve(runs, "sd")) for arm, runs in zip(arms, losses, strict=True)],
        ),
    ]


def one_panel(*lines: Line) -> ET.Element:
    return parsed(draw([Panel("Test accuracy", lines)], "Title", "light", "svg"))


def parsed(svg: bytes) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 # our own


def texts(svg: ET.Element) -> list[str]:
    return [element.text or "" for element in svg.iter(f"{SVG}text")]


def panel_of(svg: ET.Element, nth: int = 1) -> ET.Element:
    found = svg.find(f".//{SVG}g[@id='axes_{nth}']")
    assert found is not None
    return found


def pieces(svg: ET.Element, colour: str = GREEN) -> list[int]:
    """How many points each unbroken piece of the means of a colour has."""
    drawn = [
        path.get("d", "")
        for path in panel_of(svg).iter(f"{SVG}path")
        if f"fill: none; stroke: {colour}" in path.get("style", "") and "opacity" not in path.get("style", "")
    ]
    return [piece.count("L") + 1 for path in drawn for piece in path.split("M")[1:]]


def markers(svg: ET.Element, colour: str = GREEN) -> int:
    styles = [use.get("style", "") for use in panel_of(svg).iter(f"{SVG}use")]
    return sum(f"fill: {colour}" in style and "opacity" not in style for style in styles)


def png_size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    known = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=known, cwd=folder, capture_output=True, text=True, check=False)


def digests() -> list[str]:
    """The digest of a figure of each kind."""
    figures = [draw(comparison(), "Title", *kind) for kind in KINDS]
    return [hashlib.sha256(figure).hexdigest() for figure in figures]


DIGESTS_ELSEWHERE = "from tests.analysis.test_plots import digests; print(*digests())"


@pytest.mark.slow
def test_equal_input_gives_equal_bytes_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("ytick.direction: in\nlegend.labelspacing: 3\nfont.size: 30\n")

    elsewhere = python(DIGESTS_ELSEWHERE, tmp_path)

    assert (elsewhere.stdout.split(), elsewhere.stderr) == (digests(), "")


def test_drawing_is_silent_where_only_its_own_folder_is_writable(tmp_path: Path) -> None:
    done = python(DIGESTS_ELSEWHERE, ROOT, HOME="/dev/null", MPLCONFIGDIR=str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")


def test_matplotlib_is_imported_by_the_first_figure_only() -> None:
    done = python("import sys, analysis.plots; print('matplotlib' in sys.modules)", ROOT)

    assert done.stdout == "False\n"


@pytest.mark.parametrize("image_format", ["png", "svg"])
def test_light_differs_from_dark(image_format: Any) -> None:
    light, dark = (draw(comparison(), "Title", theme, image_format) for theme in ("light", "dark"))

    assert light != dark


def test_threads_that_draw_at_once_get_what_they_get_alone() -> None:
    kinds: list[Any] = list(product(("light", "dark"), ("png", "svg"))) * 2
    alone = [draw(comparison(n_steps=50), "Title", *kind) for kind in kinds]

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda kind: draw(comparison(n_steps=50), "Title", *kind), kinds))

    assert together == alone


def test_settings_of_matplotlib_do_not_outlive_a_figure() -> None:
    before = dict(mpl.rcParams)

    draw(comparison(), "Title", "dark", "svg")

    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_is_shown_as_it_is(name: str) -> None:
    svg = parsed(draw([Panel(name, [line([0.9, 0.95], name)])], f"Title {name}", "light", "svg"))

    assert texts(svg).count(name) == 2
    assert list(svg.iter(f"{SVG}script")) == []


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_that_the_font_cannot_show_is_drawn_without_a_warning(name: str) -> None:
    assert draw([Panel(name, [line([0.9, 0.95], name)])], name, "dark", "png")


def test_unprintable_characters_are_replaced() -> None:
    svg = one_panel(line([0.9, 0.95], "a\x00\n\ud800\uffffb"))

    assert "a����b" in texts(svg)


def test_names_that_look_the_same_stay_two_arms() -> None:
    svg = one_panel(line([0.9, 0.95], "東京"), line([0.8, 0.85], "大阪"))

    assert texts(svg)[-2:] == ["東京", "大阪"]


def test_an_arm_has_one_entry_and_one_look_in_all_panels() -> None:
    panels = [Panel("Loss", [line([1, 2], "a"), line([2, 3], "b")]), Panel("Accuracy", [line([1, 2], "b")])]

    svg = parsed(draw(panels, "Title", "light", "svg"))

    assert [text for text in texts(svg) if text in {"a", "b"}] == ["a", "b"]
    second = ET.tostring(panel_of(svg, 2), "unicode")
    assert (GREEN in second, OTHER_GREEN in second) == (False, True)


@pytest.mark.parametrize(
    ("means", "found"),
    [
        ([0.5, 0.7, 0.6, 0.8], [4]),
        ([0.5, 0.7, np.nan, np.nan], [2]),
        ([0.5, 0.7, np.nan, 0.6, 0.8, 0.7], [2, 3]),
        ([np.nan, 0.7, 0.6, np.inf, 0.8, 0.7], [2, 2]),
    ],
    ids=["whole", "tail", "hole", "start"],
)
def test_a_line_is_interrupted_where_it_has_no_value(means: list[float], found: list[int]) -> None:
    svg = one_panel(line(means))

    assert pieces(svg) == found
    assert markers(svg) == sum(found)


def test_runs_that_all_diverge_end_the_line_and_its_band() -> None:
    histories = np.array([[1.0, 2.0, np.nan], [2.0, np.nan, np.nan]])

    svg = one_panel(Line("arm", "batch", np.arange(3), mean_curve(histories, "ci95")))

    assert pieces(svg) == [2]


def test_a_hole_stays_a_hole_when_a_line_is_thinned() -> None:
    means = np.linspace(0.1, 0.9, 40_000)
    means[20_000] = np.nan

    svg = one_panel(line(means))

    assert len(pieces(svg)) == 2


@pytest.mark.parametrize("spread", [0.01, np.nan], ids=["band", "no band"])
def test_a_single_point_is_a_marker(spread: float) -> None:
    svg = one_panel(line([0.9], spread=spread))

    assert markers(svg) == 1


@pytest.mark.parametrize(("n_points", "found"), [(30, 30), (31, 6), (1000, 6)])
def test_few_points_have_a_marker_each_and_many_a_handful(n_points: int, found: int) -> None:
    svg = one_panel(line(np.linspace(0.1, 0.9, n_points)))

    assert markers(svg) == found


def test_a_point_alone_among_many_has_a_marker() -> None:
    means = np.full(200, np.nan)
    means[::2] = 0.5

    svg = one_panel(line(means))

    assert markers(svg) == 100


@pytest.mark.parametrize(
    ("means", "has_log_axis"),
    [([2.0, 0.5, 0.019], True), ([2.0, 0.5, 0.021], False), ([2.0, 0.5, 0.0], False), ([-2.0, -0.01], False)],
    ids=["decades", "no decades", "zero", "negative"],
)
def test_means_over_decades_have_a_log_axis(means: list[float], has_log_axis: bool) -> None:
    svg = one_panel(line(means, spread=0.02))

    assert ("0.1" in texts(svg)) == has_log_axis


@pytest.mark.parametrize("value", [3.4e38, 1e-45, 0.0, -1.0])
def test_extreme_values_are_drawn(value: float) -> None:
    assert pieces(one_panel(line([value, value / 2]))) == [2]


@pytest.mark.parametrize("lines", [[], [line([])], [line([np.nan] * 3)]], ids=["none", "empty", "all NaN"])
@every_kind
def test_an_empty_panel_is_drawn(lines: list[Line], theme: Any, image_format: Any) -> None:
    assert draw([Panel("Loss", lines)], "Title", theme, image_format)


@pytest.mark.parametrize("lines", [[], [line([])], [line([np.nan] * 3)]], ids=["none", "empty", "all NaN"])
def test_an_empty_panel_says_so(lines: list[Line]) -> None:
    assert "no values yet" in texts(one_panel(*lines))


@pytest.mark.parametrize(
    ("n_panels", "size"),
    [(1, (1120, 766)), (2, (1800, 766)), (3, (1800, 1390)), (4, (1800, 1390))],
)
def test_panels_are_in_rows_of_two(n_panels: int, size: tuple[int, int]) -> None:
    png = draw([Panel("Loss", [line([1, 2])])] * n_panels, "Title", "light", "png")

    assert png_size(png) == size


def test_an_svg_is_as_wide_as_a_png_of_half_its_pixels() -> None:
    svg = parsed(draw(comparison(), "Title", "light", "svg"))

    assert svg.get("width") == "675pt"  # 900 pixels of CSS


@every_kind
def test_fifty_arms_stay_within_bounds(theme: Any, image_format: Any) -> None:
    image = draw(comparison(50), "Title", theme, image_format)

    assert len(image) < 2_000_000


def test_the_legend_of_fifty_arms_is_complete_and_below_the_panels() -> None:
    panels = comparison(50)

    svg = parsed(draw(panels, "Title", "light", "svg"))

    below = [element for element in svg.iter(f"{SVG}text") if (element.text or "").startswith("arm ")]
    names = [element.text or "" for element in below]
    assert sorted(names) == sorted(each.label for each in panels[0].lines)
    heights = [float(element.get("y", "nan")) for element in below]
    steps = [float(each.get("y", "nan")) for each in svg.iter(f"{SVG}text") if each.text == "step"]
    assert max(steps) < min(heights) < max(heights) < float(svg.get("viewBox", "").split()[3])


def test_a_figure_grows_with_its_legend() -> None:
    few, many = (png_size(draw(comparison(n), "Title", "light", "png")) for n in (3, 50))

    assert few[1] < many[1] < 1.5 * few[1]


def test_holes_everywhere_keep_an_svg_within_bounds() -> None:
    means = np.where(np.arange(100_000) % 2, 0.5, np.nan)

    svg = draw([Panel("Loss", [line(means, f"arm {n}") for n in range(5)])], "Title", "light", "svg")

    assert len(svg) < 2_000_000


@every_kind
def test_a_mark_names_its_step_beside_a_square(theme: Any, image_format: Any) -> None:
    marked, bare = (
        draw([Panel("Loss", [line([3, 2, np.nan])], marks)], "Title", theme, image_format)
        for marks in ([Mark(3, "diverged at step 3")], [])
    )

    assert marked != bare
    assert image_format == "png" or "diverged at step 3" in texts(parsed(marked))


def test_the_lines_of_a_job_differ_in_looks_within_one_colour() -> None:
    splits: list[Any] = ["train", "test", "validation"]
    lines = [replace(line([3, 2, 1]), label=split, split=split) for split in splits]

    svg = one_panel(*lines)

    assert texts(svg)[-3:] == splits
    assert (pieces(svg), markers(svg)) == ([3], 3)  # of test, the only line that is whole, opaque and filled
