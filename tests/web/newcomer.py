"""A newcomer's path with the keyboard alone: from the address of a service to what five nets see in a 7."""

import pytest
from playwright.sync_api import Locator, Page, expect

MOST_TABS = 60
PATIENCE_MS = 60_000
"""For pages that are the first to compute something: a process imports what it needs only then."""
ARMS = ["none", "weight", "weight+init", "batch", "layer"]
SEVEN = ["ArrowLeft"] * 7 + [" "] + ["ArrowRight"] * 14 + ["ArrowDown", "ArrowDown", "ArrowLeft"] * 7 + [" "]
"""From where the pen is on a new page, in the middle of the upper half."""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
    pytest.fail(f"{wanted} has not had the focus after {MOST_TABS} times Tab")


def follow_by_keyboard(page: Page, wanted: Locator) -> None:
    """Go to a button or link and press Enter."""
    tab_to(page, wanted)
    page.keyboard.press("Enter")


def start(page: Page, address: str) -> None:
    """Start the article's comparison on an empty service, and open its page."""
    page.goto(address)
    follow_by_keyboard(page, page.get_by_role("button", name="Start the article's comparison"))
    link = page.get_by_role("link", name="The article's comparison", exact=True)
    expect(link).to_be_visible()
    follow_by_keyboard(page, link)
    page.wait_for_url("**/ui/compare?*", timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("The article's comparison")


def draw_a_seven(page: Page) -> None:
    """Go to the nets of a comparison's page, draw a 7, and see a digit of each arm."""
    follow_by_keyboard(page, page.get_by_role("link", name="Draw a digit for all arms"))
    page.wait_for_url("**/ui/draw?*", timeout=PATIENCE_MS)
    paper = page.get_by_role("application", name="Paper to draw on")
    expect(paper).to_be_visible()
    tab_to(page, paper)
    for key in SEVEN:
        page.keyboard.press(key)
    expect(page.locator(".name")).to_have_text(ARMS)
    expect(page.locator(".seen-digit")).to_have_text(["7"] * len(ARMS), timeout=PATIENCE_MS)
    expect(page.locator("#message")).to_have_text("5 of 5 nets agree on 7.")
