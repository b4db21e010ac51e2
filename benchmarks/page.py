"""How fast the pages are in Chromium: first paint, files, charts, predictions while drawing, and news.

The api runs in this process on SQLite, with five trained arms. A chart is timed from new data to its layout,
a stored step from its commit to its number on the page. Each figure is the median and the worst of its
repetitions.
"""

import gzip
import logging
import statistics
import time
from collections.abc import Sequence
from typing import Any

import drawing as pen
import numpy as np
import structlog
from playwright.sync_api import Browser, Page

from models.specs.metrics import MetricRow
from tests.api import work
from tests.web.browser import chromium
from tests.web.looks import DESK
from tests.web.scratch import drawing, group, open_scratch
from tests.web.serving import Server

VISITS, DRAWINGS, STEPS, WARMING = 7, 15, 15, 3
SECONDS_BETWEEN_STEPS = 0.83  # so that steps come at any time between two flushes of the page
CASES = {"25 runs x 1,000 points": (5, 5, 1_000), "5 runs x 10,000 points": (5, 1, 10_000)}
"""Arms, seeds and points."""
AIMS = {
    "first contentful paint": "300 ms",
    "static files": "40 kB gz",
    "a chart": "150 ms",
    "a committed step": "400 ms",
}
METHODS = ("none", "weight", "weight+init", "batch", "layer")
NOTE_STEPS = """\
() => {
  const step = document.getElementById("step");
  window.seen = {};
  const note = () => (window.seen[step.textContent] ??= performance.timeOrigin + performance.now());
  new MutationObserver(note).observe(step, { childList: true, characterData: true, subtree: true });
}"""
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
    name = path.partition("?")[0].partition("/job_")[0] + ("/{id}" if "/job_" in path else "")
    print_figure(
        f"{name}: first contentful paint, nothing cached", summed_up(paints), "first contentful paint"
    )
    print_figure(f"{name}: static files", f"{visits[0][1] / 1000:.1f} kB gz", "static files")


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


def measure_news(browser: Browser, server: Server) -> None:
    """Measure the time from the commit of a step to its number on the page of its job."""
    job = work.submitted(server, steps=STEPS)
    attempt = work.claimed(server, job["id"])
    page = browser.new_page(viewport=DESK)  # type: ignore[arg-type] # a TypedDict of two ints
    page.goto(f"{server.address}/ui/jobs/{job['id']}")
    page.wait_for_function("() => document.getElementById('connection').dataset.state === 'live'")
    page.evaluate(NOTE_STEPS)
    times = []
    for step in range(1, STEPS + 1):
        work.record(server, attempt, MetricRow(step, 1 / step, 0.5, None, None, None, None, step / 10))
        committed = 1000 * time.time()
        page.wait_for_function("(step) => step in window.seen", arg=str(step))
        times.append(page.evaluate("(step) => window.seen[step]", str(step)) - committed)
        time.sleep(SECONDS_BETWEEN_STEPS)
    page.close()
    print_figure("a committed step on the page of its job", summed_up(times[WARMING:]), "a committed step")


def pages_of(server: Server) -> list[str]:
    """Return the paths of the four pages."""
    job, comparison = (server.get(path).json()["items"][0]["id"] for path in ("/jobs", "/comparisons"))
    of_comparison = f"comparison={comparison}"
    return ["/ui/jobs", f"/ui/jobs/{job}", f"/ui/compare?{of_comparison}", f"/ui/draw?{of_comparison}"]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with chromium() as browser:
        measure_charts(browser)
        with pen.trained_server() as server:
            for path in pages_of(server):
                measure_visits(browser, server, path)
            pen.measure(browser, server)
            measure_news(browser, server)
        browser.close()


if __name__ == "__main__":
    main()
