"""A pen for the page Draw, and what the page shows of what it has drawn."""

from base64 import b64encode
from collections.abc import Sequence

from playwright.sync_api import Locator, Page

Points = Sequence[tuple[int, int]]
SEVEN: Points = [(70, 70), (140, 66), (205, 70), (180, 120), (150, 170), (130, 225)]
ONE: Points = [(140, 50), (140, 230)]


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


def give(page: Page, event: str, content: bytes, media_type: str = "image/png") -> None:
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
