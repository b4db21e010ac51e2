"""What every page must be: accessible in both themes, and no wider than a phone."""

from collections.abc import Iterator
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, DESK = {"width": 375, "height": 812}, {"width": 1280, "height": 800}


def faults(page: Page) -> list[str]:
    """What axe finds, light on a desk and dark on a phone, and what makes the phone scroll sideways."""
    found = list(axe_faults(page, "light"))
    page.set_viewport_size(PHONE)  # type: ignore[arg-type] # a TypedDict of two ints
    found += [f"375 px: {each}" for each in (*axe_faults(page, "dark"), *wide_elements(page))]
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    return found


def axe_faults(page: Page, theme: Literal["light", "dark"]) -> Iterator[str]:
    page.emulate_media(color_scheme=theme)
    found: Any = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    for violation in found:
        places = [node["html"][:160] for node in violation["nodes"]]
        yield f"{theme}: {violation['id']}: {violation['help']}: {places}"


def wide_elements(page: Page) -> list[str]:
    """The elements that make the page scroll sideways."""
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll("body *")]
            .filter((each) => each.getBoundingClientRect().right > width + 0.5)
            .map((each) => each.outerHTML.slice(0, 160));
        }"""
    )
    return found
