"""The page Draw, in Chromium and with nets that were really trained: pen, pictures, verdict, errors."""

import json
import re
import subprocess
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from models.data.digits import Digits
from models.specs.comparison import Preset
from service.serving.intake.ground import Polarity
from service.serving.intake.reports import Doubt, Treatment
from service.web.drawing import APPLIED, POLARITIES, UNCHANGED, WARNINGS
from service.web.lines import PRESETS
from service.web.nets import Chosen, NetChoice
from tests.api import planted, work
from tests.web.looks import PHONE, faults
from tests.web.payloads import PAYLOADS
from tests.web.pen import ONE, SEVEN, Points, has_ink, pen, points_on, verdict
from tests.web.serving import Server

ARMS = ["none", "weight", "weight+init", "batch", "layer"]


def comparison_id(server: Server) -> str:
    found: str = server.get("/comparisons").json()["items"][0]["id"]
    return found


def test_five_arms_read_what_the_mouse_draws(draw: Page) -> None:
    expect(verdict(draw)).to_have_text("Draw a digit, and 5 nets say what they see.")
    pen(draw, SEVEN)

    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    expect(draw.locator("#spoken")).to_contain_text("5 of 5 nets agree on 7.")
    expect(draw.locator(".name")).to_have_text(ARMS)
    expect(draw.locator(".seen-digit")).to_have_text(["7"] * 5)
    expect(draw.locator(".note")).to_have_text(["step 300"] * 5)
    rows = draw.get_by_role("row").all()[1:]
    for row in rows:
        shares = [
            float(text.removesuffix(" %")) for text in row.locator("td[data-digit]").all_text_contents()
        ]
        assert (len(shares), max(shares)) == (10, shares[7])
        assert abs(sum(shares) - 100) < 1
    expect(draw.get_by_alt_text("The 28×28 image that the nets see")).to_be_visible()
    expect(draw.locator("#applied li:visible")).to_have_text(
        ["Read as light ink on dark", "scaled to 20 pixels", "centred by its weight"]
    )
    draw.get_by_text("change", exact=True).click()
    assert faults(draw) == []


def test_the_keyboard_draws_and_its_cursor_is_no_ink(draw: Page) -> None:
    draw.get_by_role("application", name="Paper to draw on").focus()
    press = draw.keyboard.press
    for key in ["ArrowLeft"] * 7:
        press(key)

    expect(draw.locator("#cursor")).to_be_visible()
    expect(draw.locator("#pen")).to_have_text("25 % from the left, 25 % from the top")
    assert not has_ink(draw)
    press(" ")
    expect(draw.locator("#pen")).to_have_text("Pen down")
    for key in ["ArrowRight"] * 14:
        press(key)
    draw.keyboard.down("ArrowLeft")
    for _ in range(7):
        draw.keyboard.press("ArrowDown")
    draw.keyboard.up("ArrowLeft")
    for key in ["ArrowDown"] * 7:
        press(key)
    press(" ")

    expect(draw.locator("#pen")).to_have_text("Pen up")
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    assert has_ink(draw)
    press("Control+z")
    assert not has_ink(draw)


def test_a_finger_draws_and_does_not_scroll(arms: Server, browser: Browser) -> None:
    with browser.new_context(viewport=PHONE, has_touch=True) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{arms.address}/ui/draw")
        devices = context.new_cdp_session(page)
        for n, (x, y) in enumerate(points_on(page, SEVEN)):
            event = {"type": "touchMove" if n else "touchStart", "touchPoints": [{"x": x, "y": y}]}
            devices.send("Input.dispatchTouchEvent", event)
        devices.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        expect(verdict(page)).to_have_text("5 of 5 nets agree on 7.")
        expect(verdict(page)).to_be_in_viewport()
        assert page.evaluate("() => scrollY") == 0


def test_undo_and_clear_change_what_the_nets_see(draw: Page) -> None:
    undo, clear = draw.get_by_role("button", name="Undo"), draw.get_by_role("button", name="Clear")
    expect(undo).to_be_disabled()
    pen(draw, SEVEN)
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    pen(draw, [(30, 140), (250, 140)])
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 4.")

    undo.click()
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    clear.click()
    expect(draw.get_by_text("Draw something")).to_be_visible()
    expect(draw.locator(".seen-digit")).to_have_text(["–"] * 5)
    expect(clear).to_be_disabled()
    undo.click()
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")


def test_a_late_response_never_replaces_a_newer_one(draw: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    draw.route("**/predict?*", hold_the_first)
    pen(draw, ONE)
    draw.get_by_role("button", name="Clear").click()
    pen(draw, SEVEN)
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    with draw.expect_response("**/predict?*"):
        held[0].continue_()
        pen(draw, [(130, 224), (130, 225)])

    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")


@pytest.mark.parametrize(
    ("strokes", "warning"),
    [
        ([[(60, 60), (60, 220)], [(210, 60), (210, 220)]], "There seem to be several digits"),
        ([[(140, 140), (140, 280)]], "The ink touches the edge"),
        ([[(60, 60), (220, 220)], [(220, 60), (60, 220)], [(140, 40), (140, 240)]], "does not look like"),
    ],
    ids=["two digits", "at the edge", "a star"],
)
def test_warnings_are_in_words(draw: Page, strokes: list[Points], warning: str) -> None:
    for stroke in strokes:
        pen(draw, stroke)

    expect(draw.locator("#warnings li:visible", has_text=warning)).to_be_visible()
    expect(draw.locator("#spoken")).to_contain_text(warning)


def test_a_lost_connection_is_shown_and_comes_back(draw: Page, complaints: list[str]) -> None:
    draw.context.set_offline(True)
    pen(draw, SEVEN)
    expect(draw.get_by_text("The server does not respond; trying again.").first).to_be_visible()
    draw.context.set_offline(False)

    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    expect(draw.locator("#trouble")).to_be_hidden()
    assert all("ERR_INTERNET_DISCONNECTED" in each for each in complaints)
    complaints.clear()


def test_a_net_in_training_says_its_step_and_one_without_a_checkpoint_says_why(
    arms: Server, digits: Digits, page: Page
) -> None:
    running = work.begun(arms, digits, norm="layer", checkpoint_every=1, label=PAYLOADS[0])
    body = {"arms": [{"name": each} for each in PAYLOADS], "seeds": [0], "label": PAYLOADS[1]}
    waiting = arms.post("/comparisons", json=body).json()
    page.goto(f"{arms.address}/ui/draw?job={running['id']}&model=digits")
    pen(page, SEVEN)

    expect(page.locator(".name")).to_have_text(["digits", PAYLOADS[0]])
    expect(page.locator(".note").last).to_have_text(re.compile(r"still in training, at step \d+"))
    page.goto(f"{arms.address}/ui/draw?comparison={waiting['id']}")
    expect(page.locator(".name")).to_have_text(PAYLOADS)
    expect(page.locator(".chooser summary")).to_contain_text(PAYLOADS[1])
    expect(page.locator(".note")).to_have_text(["the run is queued and has no checkpoint"] * len(PAYLOADS))
    assert faults(page) == []
    for each in (running["links"]["self"], waiting["links"]["self"]):
        arms.post(f"{each}/cancel")
        assert arms.delete(each).is_success


def test_an_arm_that_is_added_gets_a_row_without_a_reload(empty: Server, page: Page, digits: Digits) -> None:
    body = {"arms": [{"name": "first"}], "base": work.SHORT, "seeds": 1}
    created = empty.post("/comparisons", json=body).json()
    work.train(empty, digits, planted.waiting(empty, created)[0]["id"])
    page.goto(f"{empty.address}/ui/draw")
    pen(page, SEVEN)
    expect(page.locator(".note")).to_have_text(["step 20"])

    empty.post(f"{created['links']['self']}/extend", json={"arms": [{"name": "second", "norm": "batch"}]})
    pen(page, ONE)

    expect(page.locator(".name")).to_have_text(["first", "second"])
    expect(page.locator(".note")).to_have_text(["step 20", "the run is queued and has no checkpoint"])
    page.reload()
    expect(page.locator("#missing li")).to_have_text("second, because its run waits for a worker.")
    work.train(empty, digits, planted.waiting(empty, created)[0]["id"])
    pen(page, SEVEN)
    expect(page.locator(".note")).to_have_text(["step 20", "step 20"])
    expect(page.locator("#missing")).to_be_hidden()


def test_the_page_starts_with_nets_of_all_arms_and_says_which_arms_of_others_have_none(
    arms: Server, page: Page, digits: Digits
) -> None:
    created = arms.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()
    none, batch = planted.waiting(arms, created)
    work.train(arms, digits, none["id"])
    planted.end(arms, batch, None)

    page.goto(f"{arms.address}/ui/draw")
    expect(page.locator(".name")).to_have_text(ARMS)
    page.goto(f"{arms.address}/ui/draw?comparison={created['id']}")

    expect(page.locator("#missing p")).to_have_text("1 of 2 arms cannot read a digit:")
    reason = "batch, because its run failed (NaN at step 60) before it had a checkpoint."
    expect(page.locator("#missing li")).to_have_text(reason)
    assert faults(page) == []
    assert arms.delete(created["links"]["self"]).is_success


def test_the_page_has_words_for_all_that_an_intake_may_report() -> None:
    assert POLARITIES.keys() == {*get_args(Polarity)}
    assert APPLIED.keys() == {UNCHANGED, *get_args(Treatment)}
    assert WARNINGS.keys() == {*get_args(Doubt)}


def test_the_pages_have_a_name_for_each_preset() -> None:
    assert PRESETS.keys() == {*get_args(Preset)}


def test_the_verdict_has_the_names_of_jobs() -> None:
    nets = [NetChoice("digits", "digits", "none", ""), NetChoice("job_1", "WN, seed 0", "weight", "")]

    assert Chosen("", nets, "mnist", []).named("1 of 2 nets see 7; job_1: 9.") == (
        "1 of 2 nets see 7; WN, seed 0: 9."
    )


def test_the_seed_is_chosen_by_the_address(arms: Server) -> None:
    found = arms.get(f"/ui/draw?comparison={comparison_id(arms)}&seed=0")

    assert "The article&#39;s comparison, seed 0" in found.text
    assert found.text.count("the run is queued and has no checkpoint") == len(ARMS)


def test_the_command_of_the_foot_reads_a_digit_with_these_nets(draw: Page) -> None:
    draw.get_by_text("The same with curl").click()
    command = draw.get_by_label("Command").first.inner_text()

    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)

    found: dict[str, Any] = json.loads(done.stdout)
    assert ([arm["arm"] for arm in found["arms"]], found["votes"][0]["digit"]) == (ARMS, 7)


def test_without_a_net_the_page_leads_to_training(empty: Server, page: Page) -> None:
    page.goto(f"{empty.address}/ui/draw")

    expect(page.get_by_role("heading", name="No net has been trained yet")).to_be_visible()
    expect(page.get_by_role("link", name="Start training")).to_have_attribute("href", "/")
    assert faults(page) == []
    assert empty.get("/ui/draw?comparison=cmp_0").status_code == 404
