"""Comparisons on their page: the words and numbers of the API, live, by keyboard and without JavaScript."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from analysis.verdicts import IN_WORDS
from models.data.digits import Digits
from tests.api import planted, work
from tests.web.looks import PHONE, faults, wide_elements
from tests.web.payloads import PAYLOADS
from tests.web.serving import Server

EDGES = "(each) => [each.getBoundingClientRect().left, each.getBoundingClientRect().right]"
MEANS = {"none": 0.92, "batch": 0.96, "layer": 0.95}
ARMS = [{"name": "none"}, {"name": "batch", "norm": "batch"}, {"name": "layer", "norm": "layer"}]


def accuracy(arm: str, seed: int, rate: float) -> float | None:
    """Test accuracies that tell arms apart; one run of layer diverges."""
    if (arm, seed) == ("layer", 6):
        return None
    return MEANS.get(arm, 0.9) + 0.001 * (seed * 7 % 5) * (arm != "none") - abs(rate - 0.1) / 5


@pytest.fixture(scope="module")
def planted_server(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api with comparisons that have ended; change nothing."""
    folder = tmp_path_factory.mktemp("compared")
    path = folder / "normserve.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    with Server(f"sqlite:///{path}", folder) as server:
        planted.comparison(server, accuracy, seeds=8, arms=ARMS, label="clear")
        planted.comparison(server, accuracy, seeds=3, label="few")
        planted.comparison(server, accuracy, seeds=2, label="grid", learning_rates=[0.05, 0.1, 0.2])
        arms = [{"name": payload} for payload in PAYLOADS]
        planted.comparison(server, lambda *_: None, seeds=2, arms=arms, label=PAYLOADS[0])
        yield server


@pytest.fixture(scope="module")
def found(planted_server: Server) -> dict[str, dict[str, Any]]:
    """The comparisons of that server by their labels."""
    return {each["label"]: each for each in planted_server.get("/comparisons").json()["items"]}


def address(server: Server, *shown: dict[str, Any], **query: str) -> str:
    ids = dict(zip(("comparison", "with"), (each["id"] for each in shown), strict=False))
    return f"{server.address}/ui/compare?{urlencode({**ids, **query})}"


def unescaped(markdown: str) -> str:
    return re.sub(r"\\(.)", r"\1", markdown)


def texts(of: Page | Locator, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in of.locator(selector).all_text_contents()]


@pytest.mark.parametrize("label", ["clear", "few", "grid"])
def test_the_verdict_is_that_of_the_report_word_for_word(
    planted_server: Server, page: Page, found: dict[str, Any], label: str
) -> None:
    report = unescaped(planted_server.get(found[label]["links"]["report.md"]).text)

    page.goto(address(planted_server, found[label]))

    concluded = report.partition("## What may be concluded\n\n")[2].partition("\n## ")[0].splitlines()
    not_concluded = (
        report.partition("## What may not be concluded\n\n")[2].partition("\n\n## ")[0].splitlines()
    )
    shown = texts(page, "#concluded-1 > p, #concluded-1 > ul:not(.beware) > li, #concluded-1 .folded li")
    assert shown == [line.removeprefix("- ") for line in concluded if line]
    others = texts(page, "#concluded-1 .beware li, #not-concluded-1 li")
    assert sorted(others) == sorted(line.removeprefix("- ") for line in not_concluded)
    alike = report.partition("## Were the arms treated alike?\n\n")[2].partition("\n\n")[0].splitlines()
    assert texts(page, "#alike-1 > p") == alike


def test_the_table_has_the_numbers_of_the_summary(
    planted_server: Server, page: Page, found: dict[str, Any]
) -> None:
    summary = planted_server.get(found["clear"]["links"]["summary"]).json()

    page.goto(address(planted_server, found["clear"]))

    rows = [texts(row, "th, td") for row in page.locator("#table-1 tbody tr").all()]
    assert [row[0].removesuffix(" baseline") for row in rows] == ["none", "batch", "layer"]
    for row, arm in zip(rows, summary["arms"], strict=True):
        of = arm["test_accuracy"]
        assert row[1] == str(arm["n"])
        assert row[2].startswith(f"{of['mean']:.4f} ± ")
        assert row[3:6] == [f"{of[name]:.4f}" for name in ("sd", "min", "max")]
        assert row[-1] == str(arm["n_diverged"])
    assert page.get_by_role("link", name="layer, seed 6").get_attribute("href") in {
        f"/ui/jobs/{job['id']}" for job in planted_server.get("/jobs?status=failed&limit=100").json()["items"]
    }
    expect(page.locator("#wrong-1 .why")).to_have_text("planted")


def test_dots_and_bars_of_the_forest_plots_lie_at_the_intervals_of_the_summary(
    planted_server: Server, page: Page, found: dict[str, Any]
) -> None:
    differences = planted_server.get(found["clear"]["links"]["summary"]).json()["differences"]

    page.goto(address(planted_server, found["clear"]))

    for plot, metric in zip(page.locator(".forest").all(), ("test_accuracy", "test_loss"), strict=True):
        ticks = plot.locator("text.tick[text-anchor=middle]").all()
        ends = {float(tick.text_content() or ""): middle(tick) for tick in (ticks[0], ticks[-1])}
        (low, left), (high, right) = sorted(ends.items())
        for each in (each for each in differences if each["metric"] == metric):
            group = plot.locator(f"g[data-arm='{each['arm']}']")
            spots = [*group.locator(".bar").first.evaluate(EDGES), middle(group.locator(".dot path"))]
            values = [low + (spot - left) * (high - low) / (right - left) for spot in spots]
            pixel = (high - low) / (right - left)
            assert values == pytest.approx([*each["interval"], each["mean"]], abs=1.5 * pixel)
        verdicts = [IN_WORDS[each["verdict"]] for each in differences if each["metric"] == metric]
        assert [text.partition(" · ")[2] for text in texts(plot, ".found")] == verdicts
    described = page.locator(".forest desc").first.text_content() or ""
    assert differences[0]["sentence"] in described


def middle(element: Locator) -> float:
    box: list[float] = element.evaluate(EDGES)
    return sum(box) / 2


@pytest.mark.parametrize(
    ("labels", "query"),
    [(["clear", "few"], {}), (["grid"], {"learning_rate": "0.1"}), (PAYLOADS[:1], {})],
    ids=["two", "one rate", "payloads"],
)
def test_a_comparison_is_accessible_in_both_themes_and_fits_a_phone(
    planted_server: Server, page: Page, found: dict[str, Any], labels: list[str], query: dict[str, str]
) -> None:
    page.goto(address(planted_server, *(found[label] for label in labels), **query))
    expect(page.locator(".chart-canvas")).to_have_count(len(labels))
    page.evaluate(
        "() => document.querySelectorAll('#compared details').forEach((each) => (each.open = true))"
    )

    assert faults(page) == []


def test_the_list_leads_to_each_comparison(planted_server: Server, page: Page) -> None:
    page.goto(f"{planted_server.address}/ui/compare")

    assert faults(page) == []
    assert texts(page, ".comparisons tbody th") == [PAYLOADS[0], "grid", "few", "clear"]
    page.get_by_role("link", name="few").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("few")


def test_the_list_follows_the_runs_that_are_trained(empty: Server, page: Page) -> None:
    created = empty.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()
    page.goto(f"{empty.address}/ui/compare")
    expect(page.locator("#connection")).to_have_text("Live")
    first, second = planted.waiting(empty, created)

    def train(job: dict[str, Any]) -> None:
        planted.end(empty, job, 0.9)  # at once: nobody sees it running

    train(first)
    expect(page.locator(".comparisons .how-far")).to_contain_text("1 of 2 runs")
    train(second)
    expect(page.locator(".comparisons .state")).to_have_text("ended")
    newer = empty.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1, "label": "newer"}).json()
    work.claimed(empty, planted.waiting(empty, newer)[0]["id"])

    expect(page.locator(".comparisons tbody th")).to_have_text(["newer", "none, batch"])


def test_names_are_text(planted_server: Server, page: Page, found: dict[str, Any]) -> None:
    page.goto(address(planted_server, found[PAYLOADS[0]]))
    expect(page.locator(".chart-canvas")).to_be_visible()

    names = [name.removesuffix(" baseline") for name in texts(page, "#table-1 tbody th")]
    assert names == [" ".join(payload.split()) for payload in PAYLOADS]
    assert page.title() == f"{PAYLOADS[0]} · normserve"


def test_two_are_side_by_side_on_scales_that_can_be_read_and_below_one_another_on_a_phone(
    planted_server: Server, page: Page, found: dict[str, Any]
) -> None:
    page.goto(address(planted_server, found["clear"]))
    page.get_by_label("Another comparison").select_option(found["few"]["id"])
    page.get_by_role("button", name="Show beside").click()

    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query)["with"] == [found["few"]["id"]])
    expect(page.locator(".chart-canvas")).to_have_count(2)
    ticks = [texts(plot, "text.tick") for plot in page.locator(".forest").all()]
    assert ticks[0] != ticks[2]  # a run of layer diverged: on its scale, the others would be flat
    expect(page.locator(".forests > div").first).to_contain_text("This plot has its own scale")
    axes = [texts(chart, ".chart-axes text") for chart in page.locator(".chart-canvas").all()]
    assert axes[0] == axes[1]
    assert len(texts(page, ".headline")) == 2
    first, second = boxes(page)
    assert (first["y"] == second["y"], first["x"] < second["x"]) == (True, True)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    first, second = boxes(page)
    assert (first["y"] < second["y"], first["x"] == second["x"]) == (True, True)


def boxes(page: Page) -> list[Any]:
    return [card.bounding_box() for card in page.locator(".verdict").all()]


def test_the_state_of_the_curves_is_in_the_address(
    planted_server: Server, page: Page, found: dict[str, Any]
) -> None:
    page.goto(address(planted_server, found["clear"], metric="train_loss", log="1"))
    page.get_by_label("Each seed").check()
    expect(page.locator(".chart-run").first).to_be_attached()
    page.reload()

    expect(page.get_by_label("Metric")).to_have_value("train_loss")
    expect(page.get_by_label("Each seed")).to_be_checked()
    assert parse_qs(urlsplit(page.url).query) == {
        "comparison": [found["clear"]["id"]],
        "metric": ["train_loss"],
        "log": ["1"],
        "runs": ["1"],
    }


def test_a_grid_shows_each_arm_at_its_best_rate_or_all_at_one(
    planted_server: Server, page: Page, found: dict[str, Any]
) -> None:
    robust = planted_server.get(found["grid"]["links"]["robustness"]).json()
    page.goto(address(planted_server, found["grid"]))

    rows = [texts(row, "td.number") for row in page.locator("#robustness-1 tbody tr").all()]
    assert rows == [[f"{rate['mean']:.4f}" for rate in arm["rates"]] for arm in robust["arms"]]
    page.get_by_role("link", name="0.2", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("grid, learning rate 0.2")
    assert texts(page, "#table-1 tbody td:nth-child(2)") == ["0.2", "0.2"]


def test_the_commands_at_the_foot_give_what_the_page_shows(
    planted_server: Server, page: Page, found: dict[str, Any]
) -> None:
    page.goto(address(planted_server, found["grid"], learning_rate="0.2", metric="test_loss"))

    commands = [shlex.split(text) for text in page.locator(".command pre").all_text_contents()]
    gets = [words[-1] for words in commands if "-d" not in words]
    assert [planted_server.get(url).status_code for url in gets] == [200] * 3
    assert planted_server.get(gets[1]).json()["metric"] == "test_loss"
    assert next(words[-2:] for words in commands if "-d" in words) == [
        '{"seeds": [2, 3, 4, 5]}',
        f"{planted_server.address}/comparisons/{found['grid']['id']}/extend",
    ]


def test_many_runs_that_went_wrong_are_counted_and_led_to(
    planted_server: Server, found: dict[str, Any]
) -> None:
    each = found[PAYLOADS[0]]

    page = planted_server.get(address(planted_server, each)).text

    assert page.count('class="why"') == 12
    assert f'<a href="/ui/jobs?comparison_id={each["id"]}">and 12 more</a>' in page


def test_settings_are_shown_once_for_all_arms_and_per_arm_where_they_differ(empty: Server) -> None:
    arms = [{"name": "none"}, {"name": "batch", "norm": "batch", "learning_rate": 8}]
    created = empty.post("/comparisons", json={"arms": arms, "seeds": 1}).json()

    page, report = empty.get(address(empty, created)).text, empty.get(created["links"]["report.md"]).text

    shared = "dense net, 1 hidden layer of 128 units, data set mnist, optimizer sgd, batch size 128"
    assert f"All arms: {shared}, 1,000 steps." in page
    assert [f'class="own">learning rate {rate}<' in page for rate in ("0.1", "8")] == [True, True]
    assert "They differ in the learning rate: none 0.1, batch 8." in report


@pytest.mark.slow
def test_a_page_that_has_not_changed_is_not_sent_again(planted_server: Server, found: dict[str, Any]) -> None:
    first = planted_server.get(address(planted_server, found["few"]))

    again = planted_server.get(
        address(planted_server, found["few"]), headers={"if-none-match": first.headers["etag"]}
    )

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_seeds_are_added_by_keyboard_once(empty: Server, page: Page) -> None:
    created = planted.comparison(empty, accuracy, seeds=2)
    page.goto(address(empty, created))
    page.get_by_label("More seeds").focus()

    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Enter")

    page.wait_for_url(address(empty, created))
    expect(page.locator("#progress-1")).to_contain_text("4 of 10 runs have ended")
    jobs = planted.waiting(empty, created)
    assert sorted((job["arm"], job["seed"]) for job in jobs) == [
        (arm, seed) for arm in ("batch", "none") for seed in (2, 3, 4)
    ]
    again = empty.post(f"/ui/compare/{created['id']}/extend", data={"more": "3", "after": "1"})
    assert (again.status_code, len(planted.waiting(empty, created))) == (303, 6)


@pytest.mark.parametrize("more", ["", "0", "many", "1001", "600"])
def test_a_number_of_seeds_that_is_refused_is_shown_at_its_field(
    empty: Server, page: Page, complaints: list[str], more: str
) -> None:
    created = planted.comparison(empty, accuracy, seeds=1)
    page.goto(address(empty, created))
    page.get_by_label("More seeds").evaluate("(field) => field.form.noValidate = true")
    page.get_by_label("More seeds").fill(more)

    page.get_by_role("button", name="Extend").click()

    field = page.get_by_label("More seeds")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value(more)
    expect(field).to_have_accessible_description(re.compile("must|at most|number|integer"))
    assert empty.get(created["links"]["self"]).json()["jobs"] == 2
    assert complaints.pop().startswith("error: Failed to load resource")


@pytest.mark.slow
def test_it_all_works_without_javascript(browser: Browser, empty: Server) -> None:
    created = planted.comparison(empty, accuracy, seeds=2, label="first")
    planted.comparison(empty, accuracy, seeds=2, label="second")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{empty.address}/ui/compare")
    page.get_by_role("link", name="first").click()

    assert len(texts(page, "#table-1 tbody tr")) == 2
    expect(page.locator(".forest").first).to_be_visible()
    expect(page.get_by_role("img", name="Curves of first")).to_be_visible()
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#progress-1")).to_contain_text("4 of 12 runs have ended")
    page.get_by_role("button", name="Cancel what has not ended").click()
    expect(page.locator("#wrong-1 li")).to_have_count(8)
    page.get_by_text("Delete …").click()
    page.get_by_role("button", name="Delete this comparison").click()
    assert page.url == f"{empty.address}/ui/compare"
    assert texts(page, ".comparisons tbody th") == ["second"]
    assert empty.get(created["links"]["self"]).status_code == 404
    context.close()


def test_a_page_fills_while_its_runs_are_trained(empty: Server, page: Page, digits: Digits) -> None:
    body = {"arms": planted.TWO_ARMS["arms"], "base": work.SHORT, "seeds": 2}
    created = empty.post("/comparisons", json=body).json()
    page.goto(address(empty, created))
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator(".headline")).to_have_text("No run has a result so far.")
    row = page.locator("#table-1 tbody tr").first.element_handle()
    page.get_by_text("What may not be concluded").click()

    first, *others = planted.waiting(empty, created)
    work.train(empty, digits, first["id"])
    expect(page.locator("#progress-1")).to_contain_text("1 of 4 runs have ended")
    expect(page.locator("#table-1 tbody tr").first.locator("td").first).to_have_text("1")
    assert faults(page) == []
    for job in others:
        work.train(empty, digits, job["id"])

    expect(page.locator("#progress-1")).to_have_text(re.compile("all runs have ended"))
    summary = empty.get(created["links"]["summary"]).json()
    means = [f"{arm['test_accuracy']['mean']:.4f}" for arm in summary["arms"]]
    expect(page.locator("#table-1 .mean")).to_have_text([re.compile(f"^{mean}") for mean in means])
    expect(page.locator(".chart-lines .chart-line")).to_have_count(2)
    expect(page.locator("#connection")).to_be_hidden()
    assert row.evaluate("(each) => each.isConnected")
    expect(page.locator("#not-concluded-1")).to_be_visible()
    assert wide_elements(page) == []
