"""The page Draw, in Chromium and with nets that were really trained: pen, pictures, verdict, errors."""

import io
import json
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from models.data.digits import Digits
from tests.api import planted, work
from tests.pages import ROOT
from tests.web.looks import PHONE, faults
from tests.web.serving import Server

ARMS = ["none", "weight", "weight+init", "batch", "layer"]
SEVEN = (ROOT / "docs/seven.png").read_bytes()
PAYLOAD = '<img src=x onerror="nothing()">'
Points = Sequence[tuple[int, int]]
STROKES_OF_7: Points = [(70, 70), (140, 66), (205, 70), (180, 120), (150, 170), (130, 225)]
STROKES_OF_1: Points = [(140, 50), (140, 230)]


@pytest.fixture(scope="module")
def trained(
    migrated_sqlite: Path, digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An api with a comparison of five arms, of which the nets with seed 1 exist, and a served name."""
    folder = tmp_path_factory.mktemp("draw")
    path = shutil.copy(migrated_sqlite, folder / "normserve.db")
    base = {"steps": 300, "eval_every": 300, "checkpoint_every": 300, "n_units": 32}
    with Server(f"sqlite:///{path}", folder) as server:
        created = server.post(
            "/comparisons", json={"preset": "article", "seeds": [0, 1], "base": base}
        ).json()
        jobs = [job for job in planted.waiting(server, created) if job["seed"] == 1]
        for job in jobs:
            work.train(server, digits, job["id"])
        server.put("/models/digits", json={"job": jobs[0]["id"]})
        yield server


@pytest.fixture
def draw(trained: Server, page: Page) -> Page:
    page.goto(f"{trained.address}/ui/draw")
    return page


def comparison_id(server: Server) -> str:
    found: str = server.get("/comparisons").json()["items"][0]["id"]
    return found


def points_on(page: Page, points: Points) -> list[tuple[float, float]]:
    """Where points of the canvas are on the page."""
    box = page.locator("#paper").bounding_box()
    assert box
    scale = box["width"] / 280
    return [(box["x"] + x * scale, box["y"] + y * scale) for x, y in points]


def pen(page: Page, points: Points) -> None:
    """Draw a stroke with the mouse."""
    places = points_on(page, points)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def verdict(page: Page) -> Locator:
    return page.locator("#message")


def has_ink(page: Page) -> bool:
    found: bool = page.evaluate(
        """() => {
          const canvas = document.getElementById("paper");
          const empty = document.createElement("canvas");
          empty.width = empty.height = canvas.width;
          return canvas.toDataURL() !== empty.toDataURL();
        }"""
    )
    return found


def data_transfer(page: Page, event: str, content: bytes, media_type: str = "image/png") -> None:
    """Paste or drop a file."""
    page.evaluate(
        """([event, content, type]) => {
          const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "picture", { type }));
          const given = { bubbles: true, cancelable: true, clipboardData: data, dataTransfer: data };
          const made = event === "paste" ? new ClipboardEvent(event, given) : new DragEvent(event, given);
          document.body.dispatchEvent(made);
        }""",
        [event, b64encode(content).decode(), media_type],
    )


def test_five_arms_read_what_the_mouse_draws(draw: Page) -> None:
    expect(verdict(draw)).to_have_text("Draw a digit, and 5 nets say what they see.")
    pen(draw, STROKES_OF_7)

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
        assert (len(shares), max(shares), round(sum(shares))) == (10, shares[7], 100)
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


def test_a_finger_draws_and_does_not_scroll(trained: Server, browser: Browser) -> None:
    with browser.new_context(viewport=PHONE, has_touch=True) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{trained.address}/ui/draw")
        devices = context.new_cdp_session(page)
        for n, (x, y) in enumerate(points_on(page, STROKES_OF_7)):
            event = {"type": "touchMove" if n else "touchStart", "touchPoints": [{"x": x, "y": y}]}
            devices.send("Input.dispatchTouchEvent", event)
        devices.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        expect(verdict(page)).to_have_text("5 of 5 nets agree on 7.")
        expect(verdict(page)).to_be_in_viewport()
        assert page.evaluate("() => scrollY") == 0


def test_undo_and_clear_change_what_the_nets_see(draw: Page) -> None:
    undo, clear = draw.get_by_role("button", name="Undo"), draw.get_by_role("button", name="Clear")
    expect(undo).to_be_disabled()
    pen(draw, STROKES_OF_7)
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    pen(draw, [(20, 250), (260, 250)])
    expect(verdict(draw)).not_to_have_text("5 of 5 nets agree on 7.")

    undo.click()
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    clear.click()
    expect(draw.get_by_text("Draw something")).to_be_visible()
    expect(draw.locator(".seen-digit")).to_have_text(["–"] * 5)
    expect(clear).to_be_disabled()
    undo.click()
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")


def as_bitmap() -> bytes:
    """The seven as a BMP, which the API refuses and browsers read."""
    file = io.BytesIO()
    Image.open(io.BytesIO(SEVEN)).convert("RGB").save(file, "BMP")
    return file.getvalue()


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(draw: Page, event: str) -> None:
    data_transfer(draw, event, SEVEN)

    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    expect(draw.locator("#applied li:visible").first).to_have_text("Read as dark ink on light")


def test_a_file_is_uploaded_and_drawing_replaces_it(draw: Page) -> None:
    draw.get_by_label("A photo or a file").set_input_files(
        {"name": "seven.bmp", "mimeType": "image/bmp", "buffer": as_bitmap()}
    )
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    pen(draw, STROKES_OF_1)
    expect(verdict(draw)).to_contain_text(re.compile("(agree on|see) 1"))
    draw.get_by_label("A photo or a file").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )

    expect(verdict(draw)).to_have_text("That is no picture")


def test_a_test_digit_is_shown_with_its_label_and_is_in_the_address(draw: Page) -> None:
    draw.get_by_role("button", name="Show").click()
    expect(draw.locator("#label")).to_have_text("Test digit 0 is labelled 7.")
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    expect(draw.locator("#applied li:visible").last).to_have_text("already like MNIST, so unchanged")
    draw.get_by_role("link", name="Next").click()
    expect(draw.locator("#label")).to_have_text("Test digit 1 is labelled 2.")
    expect(draw).to_have_url(re.compile(r"test_image=1$"))
    draw.reload()
    expect(draw.locator("#label")).to_have_text("Test digit 1 is labelled 2.")
    assert has_ink(draw)
    draw.evaluate("() => { Math.random = () => 0.0002; }")
    draw.get_by_role("link", name="Random").click()
    expect(draw.locator("#label")).to_have_text("Test digit 2 is labelled 1.")
    pen(draw, STROKES_OF_1)

    expect(draw.locator("#label")).to_be_hidden()
    expect(draw).not_to_have_url(re.compile("test_image"))


def test_a_late_response_never_replaces_a_newer_one(draw: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    draw.route("**/predict?*", hold_the_first)
    pen(draw, STROKES_OF_1)
    draw.get_by_role("button", name="Clear").click()
    pen(draw, STROKES_OF_7)
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


def test_a_blank_picture_is_said_to_be_blank(draw: Page, complaints: list[str]) -> None:
    file = io.BytesIO()
    Image.new("L", (50, 50), 255).save(file, "PNG")
    data_transfer(draw, "paste", file.getvalue())

    expect(verdict(draw)).to_have_text("The picture is blank")
    expect(draw.locator("#trouble")).to_contain_text("The picture has no ink")
    assert complaints.pop().startswith("error: Failed to load resource")


def test_a_lost_connection_is_shown_and_comes_back(draw: Page, complaints: list[str]) -> None:
    draw.context.set_offline(True)
    pen(draw, STROKES_OF_7)
    expect(draw.get_by_text("The server does not respond; trying again.").first).to_be_visible()
    draw.context.set_offline(False)

    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    expect(draw.locator("#trouble")).to_be_hidden()
    assert all("ERR_INTERNET_DISCONNECTED" in each for each in complaints)
    complaints.clear()


def test_the_page_works_without_javascript(trained: Server, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{trained.address}/ui/draw")
        expect(page.get_by_text("Drawing needs JavaScript")).to_be_visible()
        expect(page.locator("#paper")).to_be_hidden()
        page.get_by_label("A photo or a file").set_input_files(ROOT / "docs/seven.png")
        page.get_by_role("button", name="Read it").click()
        expect(verdict(page)).to_have_text("5 of 5 nets agree on 7.")
        expect(page.locator(".seen-digit")).to_have_text(["7"] * 5)
        expect(page.locator("#applied li:visible").first).to_have_text("Read as dark ink on light")
        page.get_by_role("link", name="Next").click()
        expect(page.locator("#label")).to_have_text("Test digit 1 is labelled 2.")
        page.get_by_label("A photo or a file").set_input_files(ROOT / "README.md")
        page.get_by_role("button", name="Read it").click()
        expect(page.locator("#trouble")).to_have_text("The file must be a PNG or a JPEG.")
        page.get_by_text("change", exact=True).click()
        page.get_by_label("digits").check()
        page.get_by_role("button", name="Draw with these").click()
        page.get_by_role("link", name="Next").click()
        expect(page.locator("tr[data-net=digits] .seen-digit")).to_have_text("2")


def test_a_net_in_training_says_its_step_and_one_without_a_checkpoint_says_why(
    trained: Server, digits: Digits, page: Page
) -> None:
    running = work.begun(trained, digits, norm="layer", checkpoint_every=1, label=PAYLOAD)
    body = {"arms": [{"name": PAYLOAD}], "seeds": [0], "label": PAYLOAD}
    waiting = trained.post("/comparisons", json=body).json()
    page.goto(f"{trained.address}/ui/draw?job={running['id']}&model=digits")
    pen(page, STROKES_OF_7)

    expect(page.locator(".name")).to_have_text(["digits", PAYLOAD])
    expect(page.locator(".note").last).to_have_text(re.compile(r"still in training, at step \d+"))
    page.goto(f"{trained.address}/ui/draw?comparison={waiting['id']}")
    expect(page.locator(".name")).to_have_text([PAYLOAD])
    expect(page.locator(".chooser summary")).to_contain_text(PAYLOAD)
    expect(page.locator(".note")).to_have_text("the run is queued and has no checkpoint")
    assert faults(page) == []
    for each in (running["links"]["self"], waiting["links"]["self"]):
        trained.post(f"{each}/cancel")
        assert trained.delete(each).is_success


def test_the_seed_is_chosen_by_the_address(trained: Server) -> None:
    found = trained.get(f"/ui/draw?comparison={comparison_id(trained)}&seed=0")

    assert "article comparison, seed 0" in found.text
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
