"""Pictures of the pages with a trained comparison, in both themes, on a desk and on a phone.

They go to docs/pages, and with them the four that the README shows: a small view of each page.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page
from running import service

from tests.web.browser import chromium
from tests.web.looks import DESK, PHONE, wide_elements

FOLDER = Path(__file__).parents[1] / "docs/pages"
VIEWPORTS = {"desk": DESK, "phone": PHONE}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
COMPARISON = {"preset": "article", "seeds": 8}
IN_README = ("jobs", "job", "compare", "draw")
COLOURS = 256
DIVERGES = {
    "norm": "weight",
    "init": True,
    "learning_rate": 8,
    "seed": 1,
    "label": "rate too high",
}


def delete_all(client: httpx.Client) -> None:
    """Delete the jobs that warmed up the workers."""
    for job in client.get("/jobs").raise_for_status().json()["items"]:
        client.delete(f"/jobs/{job['id']}").raise_for_status()


def train(client: httpx.Client) -> dict[str, str]:
    """Train what the pages show; return their paths by name."""
    job = client.post("/jobs", json=DIVERGES).raise_for_status().json()
    comparison = client.post("/comparisons", json=COMPARISON).raise_for_status().json()
    while finished(client, comparison["id"])["status"] == "running":
        pass
    run = client.get("/jobs", params={"comparison_id": comparison["id"], "norm": "batch"}).json()["items"][0]
    query = f"comparison={comparison['id']}"
    return {
        "jobs": "/ui/jobs",
        "job": f"/ui/jobs/{run['id']}",
        "diverged": f"/ui/jobs/{job['id']}",
        "compare": f"/ui/compare?{query}",
        "comparisons": "/ui/compare",
        "new": "/ui/compare/new",
        "draw": f"/ui/draw?{query}&test_image=0",
    }


def finished(client: httpx.Client, comparison_id: str) -> dict[str, Any]:
    """Wait for a change of the comparison, at most 20 seconds."""
    shown: dict[str, Any] = client.get(f"/comparisons/{comparison_id}", params={"wait": 20}).json()
    return shown


def picture(page: Page, address: str, name: str, full_page: bool = True) -> None:
    """Save a page when its curves and pictures are there; refuse one that scrolls sideways."""
    page.goto(address, wait_until="load")
    page.wait_for_function("() => document.querySelectorAll('[aria-busy=true]').length === 0")
    page.wait_for_timeout(500)
    if found := wide_elements(page):
        raise SystemExit(f"{name} scrolls sideways: {found}")
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, full_page=full_page)
    reduce_colours(path)
    print(f"docs/pages/{name}.png", flush=True)


def reduce_colours(path: Path) -> None:
    """Store a picture with a palette: it has less than half the bytes and looks the same."""
    with Image.open(path) as image:
        # Of the methods, this one keeps the rare colours of lines as well as cards and page apart.
        found = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        found.save(path, optimize=True)


def views(browser: Browser) -> Iterator[tuple[str, Page]]:
    """Yield a page for each viewport and theme, with their names."""
    for size, viewport in VIEWPORTS.items():
        for theme in THEMES:
            context = browser.new_context(
                viewport=viewport,  # type: ignore[arg-type] # a TypedDict of two ints
                color_scheme=theme,
                reduced_motion="reduce",
            )
            yield f"{size}-{theme}", context.new_page()
            context.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with service() as address, httpx.Client(base_url=address, timeout=30) as client, chromium() as browser:
        delete_all(client)
        paths = train(client)
        for view, page in views(browser):
            for name in IN_README if view == "desk-light" else ():
                picture(page, address + paths[name], name, full_page=False)
            for name, path in paths.items():
                picture(page, address + path, f"{name}-{view}")
        browser.close()


if __name__ == "__main__":
    main()
