"""Pictures on the page Draw: files, the clipboard, test digits; and the page without JavaScript."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from service.web.draw import another
from tests.pages import ROOT
from tests.web.pen import ONE, give, has_ink, pen, verdict
from tests.web.serving import Server

PICTURE = (ROOT / "docs/seven.png").read_bytes()


def as_avif() -> bytes:
    """The seven as an AVIF, which the API refuses and browsers read."""
    file = io.BytesIO()
    Image.open(io.BytesIO(PICTURE)).convert("RGB").save(file, "AVIF")
    return file.getvalue()


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(draw: Page, event: str) -> None:
    give(draw, event, PICTURE)

    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    expect(draw.locator("#applied li:visible").first).to_have_text("Read as dark ink on light")


def test_a_file_is_uploaded_and_drawing_replaces_it(draw: Page) -> None:
    draw.get_by_label("A photo or a file").set_input_files(
        {"name": "seven.avif", "mimeType": "image/avif", "buffer": as_avif()}
    )
    expect(verdict(draw)).to_have_text("5 of 5 nets agree on 7.")
    pen(draw, ONE)
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
    pen(draw, ONE)

    expect(draw.locator("#label")).to_be_hidden()
    expect(draw).not_to_have_url(re.compile("test_image"))


def test_a_blank_picture_is_said_to_be_blank(draw: Page, complaints: list[str]) -> None:
    file = io.BytesIO()
    Image.new("L", (50, 50), 255).save(file, "PNG")
    give(draw, "paste", file.getvalue())

    expect(verdict(draw)).to_have_text("The picture is blank")
    expect(draw.locator("#trouble")).to_contain_text("The picture has no ink")
    assert complaints.pop().startswith("error: Failed to load resource")


def test_random_without_javascript_leads_through_all_test_images() -> None:
    met, index = set[int](), 0
    while index not in met:
        met.add(index)
        index = another(index)

    assert len(met) == 10_000


def test_the_page_works_without_javascript(arms: Server, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{arms.address}/ui/draw")
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
        expect(page.locator("#trouble")).to_have_text("The file must be a PNG, JPEG, WebP, GIF or BMP.")
        page.get_by_text("change", exact=True).click()
        page.get_by_label("digits").check()
        page.get_by_role("button", name="Draw with these").click()
        page.get_by_role("link", name="Next").click()
        expect(page.locator("tr[data-net=digits] .seen-digit")).to_have_text("2")
