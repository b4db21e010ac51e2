"""The chart in a real Chromium: what it draws, says and lets people choose."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from analysis.palette import Style, style, style_of_split
from service.web.palette import METHODS, SPLITS
from tests.web.looks import DESK, faults
from tests.web.scratch import draw, drawing, group, open_scratch, points, rgb

NORMS = ("none", "weight", "batch", "layer", "rms")
BANDED = group(
    "batch",
    [0.5, 0.25, 0.125],
    **{"method": "batch", "x": [10, 20, 30], "n": [3, 3, 2]},
    **{"lo": [0.4, 0.2, None], "hi": [0.6, 0.3, None]},
    runs=[{"seed": 0, "y": [0.5, 0.3, 0.125]}, {"seed": 7, "y": [0.5, 0.2, None]}],
)
LINE = "[data-key='{}'] .chart-line"


pytestmark = pytest.mark.page


@pytest.fixture(scope="module")
def one_page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page for all tests of this file, and what it complains of."""
    complaints: list[str] = []
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    page = context.new_page()
    open_scratch(page)
    yield page, complaints
    context.close()


@pytest.fixture
def charts(one_page: tuple[Page, list[str]]) -> Iterator[Page]:
    page, complaints = one_page
    page.set_viewport_size(DESK)  # type: ignore[arg-type] # a TypedDict of two ints
    page.emulate_media(color_scheme="light", forced_colors="none")
    page.mouse.move(0, 0)
    page.evaluate("() => fresh()")
    yield page
    assert complaints == []


def near(values: Any) -> Any:
    return pytest.approx(np.array(values), abs=0.01)


def test_a_line_goes_through_its_values_and_stops_where_there_is_none(charts: Page) -> None:
    draw(charts, drawing(group("none", [4, 3, None, 2, 1])))

    found = points(charts, LINE.format("none"))

    assert [np.array(part) for part in found] == [near([[1, 4], [2, 3]]), near([[4, 2], [5, 1]])]


def test_band_and_single_runs_are_drawn_beside_the_mean(charts: Page) -> None:
    draw(charts, drawing(BANDED), runs=True)

    band = points(charts, "[data-key='batch'] .chart-band")
    single = points(charts, "[data-seed='7']")

    assert np.array(band[0]) == near([[10, 0.6], [20, 0.3], [20, 0.2], [10, 0.4]])
    assert np.array(single[0]) == near([[10, 0.5], [20, 0.2]])
    draw(charts, drawing(BANDED), runs=False)
    expect(charts.locator(".chart-run")).to_have_count(0)


def test_a_crowded_line_keeps_its_extremes(charts: Page) -> None:
    values = np.sin(np.arange(10_000) / 50)
    values[[1234, 5678]] = 5, -5

    draw(charts, drawing(group("none", values.tolist(), lo=values.tolist(), hi=values.tolist())))

    found = np.array(points(charts, LINE.format("none"))[0])
    assert len(found) < 5_000
    assert found[:, 1].max() == near(5)
    assert found[:, 1].min() == near(-5)
    assert found[[0, -1], 0] == pytest.approx([1, 10_000], abs=10)


def test_a_log_scale_leaves_out_what_it_cannot_show_and_says_so(charts: Page) -> None:
    lows = group("none", [100, 0, 1, 0.01], lo=[50, -1, -1, 0.01], hi=[200, 1, 2, 0.02])

    draw(charts, drawing(lows), log=True)

    found = points(charts, LINE.format("none"))
    assert [len(part) for part in found] == [1, 2]
    assert np.log(found[1])[:, 1] == near(np.log([1, 0.01]))
    expect(charts.locator(".chart-notes")).to_contain_text("leaves out 1 value that is not above 0")
    ticks = charts.locator(".chart-axes text").all_text_contents()
    assert {"0.01", "0.1", "1", "10", "100"} <= {*ticks}
    bottom = charts.evaluate("() => chart.frame.y.invert(chart.frame.bottom)")
    band = np.array(points(charts, ".chart-band")[0])
    assert band[:, 1].min() == pytest.approx(bottom, rel=0.01)


def test_smoothing_is_the_debiased_average_with_the_raw_line_behind(charts: Page) -> None:
    raw = np.random.default_rng(0).normal(1, 0.2, 200)
    gapped = [None if place in {50, 51} else value for place, value in enumerate(raw.tolist())]
    sparse = group("test", [1.0, 0.5, 0.2], x=[1, 100, 200])

    draw(charts, drawing(group("train", gapped), sparse), smoothing=0.9)

    known = np.delete(raw, [50, 51])
    weights = [0.9 ** np.arange(n)[::-1] for n in range(1, len(known) + 1)]
    expected = [known[: len(each)] @ each / each.sum() for each in weights]
    smooth = charts.evaluate("() => chart.series[0].line")
    assert [value for value in smooth if value is not None] == pytest.approx(expected)
    assert [smooth[50], smooth[51]] == [None, None]
    behind = points(charts, "[data-key='train'] .chart-behind")
    assert np.array(behind[0])[:, 1] == near(raw[:50])
    assert np.array(points(charts, LINE.format("test"))[0])[:, 1] == near([1, 0.5, 0.2])
    expect(charts.locator(".chart-notes")).to_contain_text("Not smoothed, because too few points: test.")


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("fraction", [0.925, 0.95]),
        ("fraction", [0.95, 0.9537]),
        ("fraction", [0.1, 0.98]),
        ("nats", [0.0001, 0.00037]),
        ("nats", [1e5, 3e5]),
        ("nats", [2e33, 3e35]),
    ],
)
def test_ticks_have_all_their_digits(charts: Page, unit: str, values: list[float]) -> None:
    draw(charts, drawing(group("none", values), unit=unit))

    places = charts.locator(".chart-grid").evaluate_all(
        "(lines) => lines.map((line) => chart.frame.y.invert(Number(line.getAttribute('y1'))))"
    )
    texts = charts.locator(".chart-grid + text").all_text_contents()
    shown = [float(text.replace(",", "")) for text in texts]
    assert len(texts) >= 3
    assert shown == pytest.approx(places)
    assert unit != "fraction" or len({len(text) for text in texts}) == 1


def test_the_mouse_shows_the_values_of_all_lines(charts: Page) -> None:
    sparse = group("none", [0.9, 0.8], x=[10, 30])
    draw(charts, drawing(BANDED, sparse, unit="fraction"))
    place = charts.evaluate("() => [chart.frame.x(21), chart.frame.y(0.5)]")

    charts.locator(".chart-canvas").hover(position={"x": place[0], "y": place[1]})

    tip = charts.locator(".chart-tip")
    assert tip.inner_text().split() == [
        *("step", "20", "none", "0.9000", "step", "10"),
        *("batch", "0.2500", "0.2000", "–", "0.3000"),
    ]
    expect(charts.locator(".chart-cursor circle")).to_have_count(2)
    charts.get_by_role("heading", name="Charts").hover()
    expect(tip).to_be_hidden()


def test_the_keyboard_moves_the_cursor_and_says_the_values(charts: Page) -> None:
    diverged = group("none", [0.9, 0.8, None], x=[10, 20, 30], diverged=[{"seed": 0, "x": 25}])
    draw(charts, drawing(BANDED, diverged, unit="fraction"))
    voice = charts.get_by_role("status")
    charts.get_by_role("application", name="Train loss").focus()
    said = []

    for key in ("ArrowRight", "ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home"):
        charts.keyboard.press(key)
        said.append(voice.inner_text())

    first = "step 10: batch 0.5000, 0.4000 to 0.6000; none 0.9000"
    second = "step 20: batch 0.2500, 0.2000 to 0.3000; none 0.8000"
    last = "step 30: batch 0.1250; none NaN"
    assert said == [first, second, last, last, second, first]
    charts.keyboard.press("Escape")
    expect(charts.locator(".chart-tip")).to_be_hidden()


def test_the_table_has_the_data(charts: Page) -> None:
    draw(charts, drawing(BANDED, group("none", [0.9], x=[20])))

    charts.get_by_text("Data as a table").click()

    heads = ["step", "batch mean", "batch low", "batch high", "batch n", "none"]
    expect(charts.locator("thead th")).to_have_text(heads)
    rows = charts.locator("tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.querySelector('data')?.value ?? ''))"
    )
    assert rows == [
        ["10", "0.5", "0.4", "0.6", "3", ""],
        ["20", "0.25", "0.2", "0.3", "3", "0.9"],
        ["30", "0.125", "", "", "2", ""],
    ]


def test_names_at_the_ends_of_lines_do_not_overlap(charts: Page) -> None:
    close = [
        group(f"{norm}, arm {place}", [1, 0.5 + place / 1000], method=norm, nth=place)
        for norm in NORMS
        for place in range(3)
    ]

    draw(charts, drawing(*close))

    labels = charts.locator(".chart-labels g text")
    boxes = sorted(
        labels.evaluate_all("(all) => all.map((each) => [each.getBBox().y, each.getBBox().height])")
    )
    assert len(boxes) == 15
    assert all(below[0] >= above[0] + above[1] - 1 for above, below in pairwise(boxes))
    charts.set_viewport_size({"width": 375, "height": 800})
    expect(labels).to_have_count(0)
    expect(charts.locator(".chart-legend li")).to_have_text([each["label"] for each in close])


def test_lines_of_one_method_differ_in_dash_marker_and_colour(charts: Page) -> None:
    draw(charts, drawing(*(group(f"arm {nth}", [1, 2], method="batch", nth=nth) for nth in range(4))))

    looks = charts.locator(".chart-lines g").evaluate_all(
        """(all) => all.map((each) => [getComputedStyle(each.querySelector(".chart-line")).stroke,
          each.querySelector(".chart-line").getAttribute("stroke-dasharray"),
          each.querySelector(".chart-marker").getAttribute("d").replace(/[\\d.]+ [\\d.]+/g, "")])"""
    )

    assert len({str(look) for look in looks}) == 4


def test_pages_and_figures_have_one_palette(charts: Page) -> None:
    arms = [(method, nth) for method in METHODS for nth in range(3)]
    splits = [(split, method) for method in METHODS for split in SPLITS]

    shown = charts.evaluate("(all) => all.map(([method, nth]) => look(method, nth))", arms)
    of_splits = charts.evaluate("(all) => all.map(([split, method]) => lookOfSplit(split, method))", splits)

    names = ("marker", "hollow")
    expected = [style(method, nth, "light") for method, nth in arms]
    assert [(each["dash"], *(each[name] for name in names)) for each in shown] == [
        (_dash(each), *(getattr(each, name) for name in names)) for each in expected
    ]
    fields = ("marker", "hollow", "faint", "rings")
    lines = [style_of_split(split, method, "light") for split, method in splits]
    assert [(each["dash"], *(each[name] for name in fields)) for each in of_splits] == [
        (_dash(each), *(getattr(each, name) for name in fields)) for each in lines
    ]
    colours = charts.evaluate(
        """(all) => all.map(({ colour }) => {
          document.body.style.color = colour;
          return getComputedStyle(document.body).color;
        })""",
        [*shown, *of_splits],
    )
    charts.evaluate("() => document.body.style.removeProperty('color')")
    assert colours == [rgb(each.colour) for each in (*expected, *lines)]


def _dash(look: Style) -> str:
    return " ".join(f"{length:g}" for length in look.dash[1] or ())


def test_a_run_that_diverged_ends_in_a_red_square(charts: Page) -> None:
    stopped = group("batch", [1, 2, None, None], method="batch", diverged=[{"seed": 3, "x": 3}])
    several = group("none", [1, 1, 1, 1], diverged=[{"seed": 0, "x": 2}, {"seed": 1, "x": 4}])

    draw(charts, drawing(stopped, several))

    squares = charts.locator(".chart-stop")
    first = squares.first.evaluate(
        "(each) => [each.x, each.y].map((side, i) => chart.frame['xy'[i]].invert(side.baseVal.value + 4))"
    )
    assert (first, squares.count()) == (near([3, 2]), 3)
    assert squares.first.text_content() == "batch, seed 3: NaN at step 3"
    shown = charts.locator(".chart-stop-text")
    assert shown.all_text_contents() == ["NaN at step 3", "2 runs NaN, first at step 2"]
    colours = (
        "(each) => [getComputedStyle(each).fill, getComputedStyle(chart.element).getPropertyValue('--alarm')]"
    )
    assert squares.first.evaluate(colours)[0] == "rgb(207, 34, 46)"
    assert len(points(charts, LINE.format("batch"))[0]) == 2


def test_a_run_that_diverged_before_the_first_value_is_marked_at_the_height_of_its_line(charts: Page) -> None:
    early = group("batch", [2, 3, 3], x=[10, 20, 30], diverged=[{"seed": 0, "x": 4}, {"seed": 1, "x": 25}])

    draw(charts, drawing(early))

    first = charts.locator(".chart-stop").first.evaluate(
        "(each) => [each.x, each.y].map((side, i) => chart.frame['xy'[i]].invert(side.baseVal.value + 4))"
    )
    assert first == near([4, 2])
    expect(charts.locator(".chart-notes")).to_have_text(
        "After a NaN, a mean is of the runs that are left: batch."
    )


def test_charts_beside_each_other_share_a_scale_unless_one_would_be_flat_on_it(charts: Page) -> None:
    notes, shown = charts.locator(".chart-notes"), drawing(group("none", [0.9, 0.95]))
    highest = "() => chart.frame.y.invert(chart.frame.top)"

    draw(charts, shown, beside=[group("batch", [0.1, 1.05])])
    flat, said = charts.evaluate(highest), notes.text_content() or ""
    draw(charts, shown, beside=[group("batch", [0.8, 1.05])])

    assert flat < 1
    assert said.startswith("This chart has its own scale")
    assert charts.evaluate(highest) > 1.05
    expect(notes).to_have_text("")


def test_a_drag_asks_for_its_window_and_a_double_click_for_all(charts: Page) -> None:
    draw(charts, drawing(group("none", [1.0] * 100)))
    box = charts.locator(".chart-canvas").bounding_box()
    assert box
    ends = charts.evaluate("() => [20.2, 60.4].map((step) => chart.frame.x(step))")

    charts.mouse.move(box["x"] + ends[1], box["y"] + 100)
    charts.mouse.down()
    charts.mouse.move(box["x"] + ends[0], box["y"] + 120, steps=3)
    expect(charts.locator(".chart-selection rect")).to_have_count(1)
    charts.mouse.up()
    charts.mouse.dblclick(box["x"] + ends[0], box["y"] + 100)

    [window, whole] = charts.evaluate("() => windows")
    assert (window, whole) == (near([20.2, 60.4]), None)
    expect(charts.locator(".chart-selection rect")).to_have_count(0)


def test_keys_ask_for_a_window(charts: Page) -> None:
    draw(charts, drawing(group("none", [1.0] * 100)))
    charts.locator(".chart-canvas").focus()

    for key in ("Home", "PageDown", "Shift+PageDown", "Shift+ArrowRight", "Enter"):
        charts.keyboard.press(key)
    draw(charts, drawing(group("none", [1.0] * 100)), window=[12, 22])
    charts.keyboard.press("Escape")

    assert charts.evaluate("() => windows") == [[11, 22], None]
    assert points(charts, LINE.format("none"))
    ticks = charts.locator(".chart-axis + text").all_text_contents()
    assert {"12", "20"} <= {*ticks}


def test_new_data_keeps_the_cursor_and_the_focus(charts: Page) -> None:
    draw(charts, drawing(group("none", [4, 3, 2])))
    canvas = charts.locator(".chart-canvas")
    canvas.focus()
    charts.keyboard.press("Home")
    charts.keyboard.press("ArrowRight")
    before = canvas.element_handle()

    draw(charts, drawing(group("none", [4, 3, 2, 1, 0.5])))

    assert charts.locator(".chart-tip").inner_text().split() == ["step", "2", "none", "3.000"]
    expect(canvas).to_be_focused()
    assert canvas.evaluate("(now, before) => now === before", before)
    charts.keyboard.press("End")
    expect(charts.get_by_role("status")).to_have_text("step 5: none 0.5000")


def test_without_values_a_chart_says_so(charts: Page) -> None:
    draw(charts, drawing(group("none", [])))
    expect(charts.locator(".chart-empty")).to_have_text("No values yet")

    draw(charts, drawing(group("none", [None, None])), window=[1, 2])
    expect(charts.locator(".chart-empty")).to_have_text("No values in this window")
    charts.locator(".chart-canvas").focus()
    charts.keyboard.press("ArrowRight")
    expect(charts.locator(".chart-tip")).to_be_hidden()

    draw(charts, drawing(group("none", [3])))
    expect(charts.locator(".chart-lines .chart-marker")).to_have_count(1)


def test_names_are_text(charts: Page) -> None:
    hostile = "<img src=x onerror=alert(1)>"

    draw(charts, drawing(group("a", [1, 2], label=hostile), group("b", [2, 1]), title=hostile))
    charts.locator(".chart-canvas").focus()
    charts.keyboard.press("End")
    charts.get_by_text("Data as a table").click()

    shown = charts.locator(".chart").text_content() or ""
    assert shown.count(hostile) >= 4
    assert charts.locator("img").count() == 0


def test_a_chart_is_accessible_and_fits_a_phone(charts: Page) -> None:
    long = group("weight_mean_only_batch+init of a long name", [0.9, 0.8, 0.7], method="weight")
    draw(charts, drawing(BANDED, long, unit="fraction"), runs=True)
    charts.locator(".chart-canvas").focus()
    charts.keyboard.press("End")
    charts.get_by_text("Data as a table").click()

    assert faults(charts) == []


def test_forced_colours_keep_every_line_visible(charts: Page) -> None:
    draw(charts, drawing(BANDED, group("none", [0.9, 0.8], x=[10, 30], diverged=[{"seed": 1, "x": 30}])))
    charts.emulate_media(forced_colors="active")

    colours = charts.locator(".chart-line").evaluate_all(
        "(all) => all.map((each) => getComputedStyle(each).stroke)"
    )
    text = charts.evaluate("() => getComputedStyle(document.body).color")

    assert {*colours} == {text}


def test_the_chart_follows_its_width(charts: Page) -> None:
    draw(charts, drawing(group("none", np.exp(-np.arange(50) / 9).tolist())))

    charts.set_viewport_size({"width": 600, "height": 700})
    charts.wait_for_function("() => chart.frame.width < 600")

    [line] = points(charts, LINE.format("none"))
    assert np.array(line)[:, 1] == near(np.exp(-np.arange(50) / 9))
    assert charts.evaluate("() => chart.canvas.getBoundingClientRect().width === chart.frame.width")
