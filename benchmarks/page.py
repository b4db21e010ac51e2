"""How soon pages show something, how much their files weigh, and how long charts take to draw, in Chromium.

The api runs in this process on SQLite, with a trained-like comparison; a chart is timed from new data to its
layout. Each figure is the median and the worst of its repetitions.
"""

import gzip
import logging
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from playwright.sync_api import Browser, Page

from service.store import schema
from service.store.database import Database
from tests.api import planted
from tests.web.browser import chromium
from tests.web.looks import DESK
from tests.web.scratch import drawing, group, open_scratch
from tests.web.serving import Server

VISITS, DRAWINGS, WARMING = 7, 15, 3
CASES = {"25 runs x 1,000 points": (5, 5, 1_000), "5 runs x 10,000 points": (5, 1, 10_000)}
"""Arms, seeds and points."""
PAGES = ("/ui/jobs",)
AIMS = {"first contentful paint": "300 ms", "static files": "40 kB gz", "a chart": "150 ms"}
METHODS = ("none", "weight", "weight+init", "batch", "layer")
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def summed_up(milliseconds: Sequence[float]) -> str:
    return f"median {statistics.median(milliseconds):.0f} ms, worst {max(milliseconds):.0f} ms"


def print_figure(what: str, found: str, aim: str) -> None:
    print(f"{what}: {found} (aim {AIMS[aim]})", flush=True)


def curves(n_arms: int, n_seeds: int, n_points: int) -> dict[str, Any]:
    """Losses of all runs, with their mean and standard deviation."""
    steps = np.arange(1, n_points + 1)
    noise = np.random.default_rng(0).normal(0, 0.05, (n_arms, n_seeds, n_points))
    losses = 2.3 * np.exp(-steps / n_points * 5) + 0.2 + noise
    groups = []
    for arm in range(n_arms):
        mean, sd = losses[arm].mean(0), losses[arm].std(0)
        band = {"lo": (mean - sd).tolist(), "hi": (mean + sd).tolist(), "n": [n_seeds] * n_points}
        runs = [{"seed": seed, "y": values.tolist()} for seed, values in enumerate(losses[arm])]
        groups.append(group(METHODS[arm], mean.tolist(), method=METHODS[arm], runs=runs, **band))
    return drawing(*groups)


def measure_charts(browser: Browser) -> None:
    page = browser.new_page(viewport=DESK)  # type: ignore[arg-type] # a TypedDict of two ints
    open_scratch(page)
    for what, size in CASES.items():
        shown = curves(*size)
        page.evaluate("(shown) => draw(shown, { runs: true })", shown)
        times = [page.evaluate("(shown) => timed(shown, { runs: true })", shown) for _ in range(DRAWINGS)]
        print_figure(f"a chart of {what}", summed_up(times[WARMING:]), "a chart")
    page.close()


def measure_visits(browser: Browser, server: Server, path: str) -> None:
    visits = [visit(browser, server.address + path) for _ in range(VISITS)]
    paints = [paint for paint, _ in visits]
    print_figure(
        f"{path}: first contentful paint, nothing cached", summed_up(paints), "first contentful paint"
    )
    print_figure(f"{path}: static files", f"{visits[0][1] / 1000:.1f} kB gz", "static files")


def visit(browser: Browser, address: str) -> tuple[float, int]:
    """The time of the first paint in milliseconds, and the compressed bytes of the static files."""
    context = browser.new_context(viewport=DESK)  # type: ignore[arg-type] # a TypedDict of two ints
    page = context.new_page()
    weights: list[int] = []
    page.on(
        "response",
        lambda response: weights.append(weight(response)) if "/ui/static/" in response.url else None,
    )
    page.goto(address, wait_until="load")
    page.wait_for_function(PAINT)
    paint = painted(page)
    context.close()
    return paint, sum(weights)


def painted(page: Page) -> float:
    found: float = page.evaluate(PAINT)
    return found


def weight(response: Any) -> int:
    return len(gzip.compress(response.body()))


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        measure_charts(browser)
        url = f"sqlite:///{folder}/normserve.db"
        database = Database(url)
        schema.upgrade(database.engine)
        database.close()
        with Server(url, Path(folder)) as server:
            planted.comparison(server, lambda _arm, seed, _rate: 0.9 + seed / 1000, seeds=5)
            for path in PAGES:
                measure_visits(browser, server, path)
        browser.close()


if __name__ == "__main__":
    main()
