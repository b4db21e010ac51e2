"""The curves of a job and of a comparison on a page: their numbers, controls, address, files and life."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from playwright.sync_api import Page, expect

from analysis.palette import style
from service.comparing.curves import ArmHistories, read_curves
from service.comparing.state import read_state
from tests.web.looks import faults
from tests.web.scratch import open_scratch, rgb
from tests.web.serving import Server


@pytest.fixture
def compared(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/comparisons").json()["items"][0]
    return {"url": found["links"]["self"], "steps": 100, "id": found["id"]}


@pytest.fixture
def trained_job(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/jobs", params={"sort": "created_at"}).json()["items"][0]
    return {"url": found["links"]["self"], "steps": found["steps"], "method": "weight+init"}


def show(page: Page, server: Server, query: str = "", **source: Any) -> None:
    open_scratch(page, server.address, query)
    page.evaluate("(source) => show([source])", source)
    page.wait_for_function("() => window.curves.loaded[0].length && curves.charts[0].length")


def drawn(page: Page, chart: int = 0) -> list[dict[str, Any]]:
    """What a chart draws, by its own account."""
    found: list[dict[str, Any]] = page.evaluate(
        """(chart) => curves.charts[0][chart].series.map(({ label, x, line, lo, hi, n, runs, diverged }) =>
             ({ label, x, line, lo, hi, n, runs, diverged }))""",
        chart,
    )
    return found


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def test_the_page_draws_the_numbers_and_the_looks_of_the_figure(
    server: Server, page: Page, compared: dict[str, Any]
) -> None:
    show(page, server, "?metric=train_loss&band=sd&runs=1", comparison=compared)

    with server.app.state.parts.database.reading() as session:
        state = read_state(session, compared["id"], None)
        of_figure = read_curves(session, state, "train_loss", "sd", 300)
    names = {"label": "arm", "x": "x", "line": "mean", "lo": "low", "hi": "high", "n": "n", "runs": "runs"}
    assert [[each[ours] for ours in names] for each in drawn(page)] == [
        [each[theirs] for theirs in names.values()] for each in map(_as_json, of_figure)
    ]
    assert drawn(page)[1]["diverged"] == [{"seed": 2, "x": 60}]
    expect(page.locator(".chart-stop-text")).to_have_text("NaN at step 60")
    strokes = page.locator(".chart-lines .chart-line").evaluate_all(
        "(all) => all.map((each) => getComputedStyle(each).stroke)"
    )
    assert strokes == [rgb(style(arm.method, 0, "light").colour) for arm in of_figure]


def _as_json(arm: ArmHistories) -> Any:
    return orjson.loads(orjson.dumps(arm.document(with_runs=True), option=orjson.OPT_SERIALIZE_NUMPY))


def test_the_curves_of_a_job_are_its_rows(server: Server, page: Page, trained_job: dict[str, Any]) -> None:
    show(page, server, "?x=seconds", job=trained_job)

    rows = server.get(f"{trained_job['url']}/metrics").json()["items"]
    for chart, kind in enumerate(("loss", "accuracy")):
        for line in drawn(page, chart):
            metric = f"{line['label']}_{kind}"
            known = [(row["elapsed_seconds"], row[metric]) for row in rows if row[metric] is not None]
            assert [*zip(line["x"], line["line"], strict=True)] == known
    assert page.locator(".chart-title").all_text_contents() == ["Loss", "Accuracy"]
    expect(page.locator(".chart-unit").first).to_have_text("training time in seconds")


def test_controls_change_the_curves_and_the_address(
    server: Server, page: Page, compared: dict[str, Any]
) -> None:
    show(page, server, "?tag=kept", comparison=compared)

    page.get_by_label("Metric").select_option("train_loss")
    page.get_by_label("Band").select_option("minmax")
    page.get_by_label("Each seed").check()
    page.get_by_label("Log scale for losses").check()
    page.get_by_label("Smoothing").fill("0.9")
    expect(page.locator(".chart-run")).to_have_count(6)

    wanted = {
        "tag": "kept",
        "metric": "train_loss",
        "band": "minmax",
        "runs": "1",
        "log": "1",
        "smoothing": "0.9",
    }
    assert query_of(page.url) == wanted
    expect(page.locator(".chart-title")).to_have_text("Train loss")
    expect(page.locator(".chart-behind")).to_have_count(2)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.evaluate("(comparison) => show([{ comparison }])", compared)
    expect(page.locator(".chart-run")).to_have_count(6)
    expect(page.get_by_label("Smoothing")).to_have_value("0.9")
    expect(page.get_by_role("status").first).to_have_text("")


def test_a_window_is_asked_for_with_more_points(
    server: Server, page: Page, trained_job: dict[str, Any]
) -> None:
    show(page, server, job=trained_job)

    with page.expect_request(lambda request: "start_step=101" in request.url):
        page.get_by_label("From step").fill("101")
    with page.expect_request(lambda request: "start_step=101&end_step=130" in request.url):
        page.get_by_label("To step").fill("130")
    page.wait_for_function("() => curves.charts[0][0].series[0].x.length === 30")

    assert drawn(page)[0]["x"] == [*range(101, 131)]
    assert query_of(page.url) == {"from": "101", "to": "130"}
    page.get_by_label("To step").fill("100")
    expect(page.locator(".curves-problem")).to_have_text(re.compile("^The window is empty: step 101"))
    page.locator(".chart-canvas").first.focus()
    page.keyboard.press("Escape")
    page.wait_for_function("() => curves.charts[0][0].series[0].x.length === 1000")
    assert query_of(page.url) == {}
    expect(page.get_by_label("From step")).to_have_value("")
    expect(page.get_by_role("button", name="All steps")).to_be_disabled()


def test_a_window_in_seconds_is_one_of_steps(server: Server, page: Page, trained_job: dict[str, Any]) -> None:
    show(page, server, "?x=seconds", job=trained_job)

    seconds = drawn(page)[0]["x"]
    page.evaluate("(ends) => curves.charts[0][1].zoom(...ends)", [seconds[199], seconds[99]])

    page.wait_for_function("() => curves.charts[0][0].series[0].x.length === 101")
    assert query_of(page.url) == {"x": "seconds", "from": "100", "to": "200"}


@pytest.mark.parametrize("kind", ["comparison", "job"])
def test_files_have_the_parameters_of_the_chart(
    server: Server, page: Page, compared: dict[str, Any], trained_job: dict[str, Any], kind: str
) -> None:
    source = {"comparison": compared, "job": trained_job}[kind]
    show(page, server, "?metric=test_loss&band=sd&from=10&to=90", **{kind: source})

    found = page.locator(".curves-links a").evaluate_all(
        "(all) => all.map((each) => [each.textContent, each.href])"
    )

    types = {"PNG": "image/png", "SVG": "image/svg+xml", "CSV": "text/csv", "JSON": "application/json"}
    window = {"start_step": "10", "end_step": "90"}
    own = {"metric": "test_loss", "band": "sd"} if kind == "comparison" else {}
    links = dict(found)
    assert types.keys() <= links.keys()
    for name, media_type in types.items():
        response = server.get(links[name])
        assert (response.status_code, response.headers["content-type"].split(";")[0]) == (200, media_type)
        assert query_of(links[name]).items() >= {**window, **own}.items()


def test_markdown_has_the_figure_and_the_newest_values(
    server: Server, page: Page, compared: dict[str, Any]
) -> None:
    show(page, server, "?band=sd", comparison=compared)

    page.get_by_text("Markdown to paste").click()

    text = page.get_by_label("Markdown to paste")
    expect(text).to_have_value(re.compile("batch"))
    figure = f"{server.address}{compared['url']}/plot.svg?metric=test_accuracy&band=sd"
    assert text.input_value().splitlines() == [
        f"![Test accuracy]({figure})",
        "",
        "|  | step | runs | test accuracy | band |",
        "| --- | --- | --- | --- | --- |",
        "| none | step 100 | 3 | 0.9010 | 0.9000 to 0.9020 |",
        "| batch | step 100 | 2 | 0.9405 | 0.9398 to 0.9412 |",
    ]


def test_rows_of_a_stream_are_drawn_once_each(
    server: Server, page: Page, trained_job: dict[str, Any]
) -> None:
    show(page, server, job={**trained_job, "steps": 1010})
    rows = server.get(f"{trained_job['url']}/metrics", params={"start_step": 998}).json()["items"]
    new = {**rows[-1], "step": 1001, "train_loss": 0.5, "test_loss": None}

    page.evaluate("(items) => listeners[0]('metrics', { items })", [*rows, new])
    page.evaluate("() => listeners[0]('metrics', { items: [] })")

    train = drawn(page)[0]
    assert train["x"] == [*range(1, 1002)]
    assert (train["line"][-1], train["line"][-2]) == (0.5, rows[-1]["train_loss"])
    failed = {"failure": {"code": "diverged", "step": 1002}}
    page.evaluate("(failed) => listeners[0]('status', failed)", failed)
    page.evaluate("(items) => listeners[0]('metrics', { items })", [{**new, "step": 1002}])
    expect(page.locator(".chart-stop-text").first).to_have_text("NaN at step 1,002")


def test_progress_of_a_comparison_loads_its_curves_again(
    server: Server, page: Page, compared: dict[str, Any]
) -> None:
    show(page, server, comparison=compared)

    with page.expect_response(lambda response: "/curves?" in response.url) as response:
        page.evaluate("() => [1, 2, 3].forEach(() => listeners[0]('comparison', {}))")

    assert response.value.ok


def test_what_cannot_be_loaded_is_said(server: Server, page: Page, complaints: list[str]) -> None:
    open_scratch(page, server.address)
    page.evaluate("() => show([{ comparison: { url: '/comparisons/cmp_x', steps: 10 } }])")

    expect(page.locator(".curves-problem")).to_contain_text("The curves could not be loaded: ")
    complaints.clear()


def test_curves_are_accessible_and_fit_a_phone(
    server: Server, page: Page, compared: dict[str, Any], trained_job: dict[str, Any]
) -> None:
    show(page, server, "?runs=1", comparison=compared)
    assert faults(page) == []

    show(page, server, "?smoothing=0.9", job=trained_job)
    page.get_by_text("Markdown to paste").click()
    assert faults(page) == []
