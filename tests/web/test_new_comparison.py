"""The form of a new comparison: arms of a visitor's choice, with the settings that they share."""

import json
import re

from playwright.sync_api import Browser, Page, expect

from models.specs.facts import NORMS
from service.api.comparisons.schemas import ComparisonSubmission
from service.web.comparison_form import FORM, SHARED, body_of, draft
from tests.web.looks import faults
from tests.web.serving import Server

ARTICLE = ["none", "weight", "weight+init", "batch", "layer"]


def test_norms_are_chosen_and_compared_without_javascript(empty: Server, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{empty.address}/ui/compare")
        page.get_by_role("link", name="New comparison").click()
        for arm in ARTICLE[1:]:
            page.get_by_role("checkbox", name=arm, exact=True).uncheck()
        page.get_by_role("checkbox", name="rms+init").check()
        page.get_by_label("Seeds").fill("3")
        page.get_by_label("Learning rates").fill("0.3")
        page.get_by_label("Steps").fill("50")
        page.locator("summary", has_text="Net").click()
        page.get_by_label("N units").fill("32")

        page.get_by_role("button", name="Estimate").click()
        expect(page.locator("#cost")).to_contain_text(
            "It would train 6 small nets, each of the 2 arms with 3 seeds, for 50 steps"
        )
        assert empty.get("/comparisons").json()["items"] == []
        command = page.locator(".command pre").text_content() or ""
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url("**/ui/compare?comparison=cmp_*")

    [found] = empty.get("/comparisons").json()["items"]
    assert (found["arms"], found["baseline"], found["seeds"]) == (["none", "rms+init"], "none", [0, 1, 2])
    [job] = empty.get("/jobs?norm=rms&seed=2").json()["items"]
    assert (job["init"], job["learning_rate"], job["steps"], job["n_units"]) == (True, 0.3, 50, 32)
    body = json.loads(command[command.index("{") : command.rindex("}") + 1])
    assert body["base"] == {"steps": 50, "n_units": 32, "learning_rate": 0.3}


def test_the_form_has_every_norm_and_begins_with_the_articles_arms(empty: Server, page: Page) -> None:
    page.goto(f"{empty.address}/ui/compare/new")

    expect(page.get_by_role("checkbox", checked=True)).to_have_count(len(ARTICLE))
    expect(page.locator(".arms [type=checkbox]")).to_have_count(2 * len(NORMS))
    assert faults(page) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/ui/compare?comparison=cmp_*")
    [found] = empty.get("/comparisons").json()["items"]
    assert (found["arms"], len(found["seeds"])) == (ARTICLE, 8)


def test_what_is_wrong_with_a_comparison_is_shown_at_its_field(
    empty: Server, page: Page, complaints: list[str]
) -> None:
    page.goto(f"{empty.address}/ui/compare/new")
    page.get_by_label("Learning rates").fill("0.1, fast")
    page.locator("summary", has_text="Training").click()
    page.get_by_label("Batch size").fill("9999")

    page.get_by_role("button", name="Compare").click()

    wrong = page.locator(".field .wrong")
    expect(wrong).to_have_text(
        [re.compile("Learning rates must be a number"), re.compile("Batch size .* 4096")]
    )
    expect(page.get_by_label("Learning rates")).to_be_focused()
    expect(page.get_by_label("Learning rates")).to_have_value("0.1, fast")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(len(ARTICLE))
    page.get_by_label("Learning rates").fill("0.1, 0.3")
    page.get_by_label("Batch size").fill("1")
    page.get_by_role("button", name="Compare").click()
    expect(wrong).to_have_text("Batch size must be at least 2 for statistics over a batch.")
    for arm in ARTICLE:
        page.get_by_role("checkbox", name=arm, exact=True).uncheck()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("group", name="Arms")).to_have_accessible_description(
        re.compile("at least one arm")
    )
    expect(page.get_by_role("checkbox", name="none", exact=True)).to_be_focused()
    assert faults(page) == []
    assert empty.get("/comparisons").json()["items"] == []
    assert [each for each in complaints if "422" not in each] == []
    complaints.clear()


def test_a_form_that_is_sent_twice_starts_one_comparison(empty: Server) -> None:
    form = {"arm-batch": "true", "arm-none": "true", "seeds": "1", "learning_rates": "0.1 0.2", "once": "0"}

    answers = [empty.post("/ui/compare/new", data=form) for _ in range(2)]

    [found] = empty.get("/comparisons").json()["items"]
    place = f"/ui/compare?comparison={found['id']}"
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [(303, place)] * 2
    assert (found["arms"], found["learning_rates"], found["jobs"]) == (["none", "batch"], [0.1, 0.2], 4)


def test_the_form_of_a_comparison_has_every_field_with_its_docs() -> None:
    fields = [each for group in FORM[1:] for each in group.fields]

    own = {*ComparisonSubmission.model_fields} - {"preset", "arms", "base"}
    assert sorted(each.name for each in fields) == sorted([*own, *SHARED])
    assert [each.name for each in fields if not each.docs] == []
    filled = {name: value for name, value in draft().values.items() if value != "False"}
    assert ComparisonSubmission.model_validate(body_of(filled)).arm_names() == ARTICLE
    assert body_of(filled)["base"] == {}
