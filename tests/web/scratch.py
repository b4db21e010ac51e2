"""A page with nothing but charts, under the policy of the pages; its files are those of the service."""

import json
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page, Route

from service.web.assets import asset, get_asset
from service.web.pages import HEADERS

HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Charts</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{icon}"><link rel="stylesheet" href="{palette}"><link rel="stylesheet" href="{base}">
<link rel="stylesheet" href="{chart}"><script type="module" src="{script}"></script></head>
<body><main><h1>Charts</h1><div class="card" id="host"></div></main></body></html>"""
SCRIPT = """
import { Chart } from "./chart.js";
import { showCurves } from "./curves.js";
import { look, lookOfSplit } from "./palette.js";
import { comparisonSource, jobSource } from "./sources.js";
const host = document.getElementById("host");
const withLook = (drawing) => ({
  ...drawing,
  groups: drawing.groups.map((group) => ({ ...group, look: look(group.method, group.nth ?? 0) })),
});
window.fresh = () => {
  window.chart = null;
  window.windows = [];
};
fresh();
window.draw = (drawing, view) => {
  window.chart ??= new Chart(host, { onWindow: (chosen) => window.windows.push(chosen) });
  window.chart.update(withLook(drawing), view);
};
window.timed = (drawing, view) => {
  const given = withLook(drawing);
  const start = performance.now();
  window.chart.update(given, view);
  host.getBoundingClientRect();
  return performance.now() - start;
};
window.show = (makers) => {
  const sources = makers.map(({ job, comparison }) => (job ? jobSource(job) : comparisonSource(comparison)));
  window.listeners = [];
  window.curves = showCurves(host, sources, { subscribe: (listener) => window.listeners.push(listener) });
};
Object.assign(window, { look, lookOfSplit });
document.documentElement.dataset.ready = "";
"""
NOWHERE = "http://127.0.0.1:9"


def open_scratch(page: Page, origin: str = NOWHERE, query: str = "") -> None:
    """Open the page at an origin; at none, its files come from this process."""
    address, script = f"{origin}/ui/scratch", asset("chart.js").replace("chart.js", "scratch.js")
    links = {name: asset(f"{name}.css") for name in ("palette", "base", "chart")}
    html = HTML.format(icon=asset("icon.svg"), script=script, **links)
    if origin == NOWHERE:
        page.route(f"{origin}/ui/static/**", _serve)
    page.route(
        f"{address}*", lambda route: route.fulfill(body=html, content_type="text/html", headers=HEADERS)
    )
    page.route(f"{origin}{script}", lambda route: route.fulfill(body=SCRIPT, content_type="text/javascript"))
    page.goto(address + query)
    page.wait_for_selector("html[data-ready]", state="attached")


def _serve(route: Route) -> None:
    found = get_asset(*route.request.url.split("/")[-2:])
    route.fulfill(body=bytes(found.body), content_type=found.media_type)


def group(key: str, values: Sequence[float | None], **others: Any) -> dict[str, Any]:
    """A group of a drawing, at the steps from 1 on; without a band unless one is given."""
    given = {"key": key, "label": key, "method": "none", "x": [*range(1, len(values) + 1)], "mean": values}
    return {**given, "n": None, "lo": None, "hi": None, "runs": [], "diverged": [], **others}


def drawing(*groups: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"title": "Train loss", "unit": "nats", "x": "step", "groups": groups, **others}


def draw(page: Page, shown: dict[str, Any], **view: Any) -> None:
    """Draw it, with what a view has."""
    page.evaluate("([shown, view]) => draw(shown, view)", [shown, view])


def points(page: Page, selector: str) -> list[list[list[float]]]:
    """The points of a path, in the values of the axes: a list for each uninterrupted part."""
    found: str = page.evaluate(
        """(selector) => JSON.stringify(
          document.querySelector(selector).getAttribute("d").split("M").filter(Boolean).map((part) =>
            part.replace("Z", "").split("L").map((pair) => {
              const [x, y] = pair.split(" ").map(Number);
              return [chart.frame.x.invert(x), chart.frame.y.invert(y)];
            })))""",
        selector,
    )
    parts: list[list[list[float]]] = json.loads(found)
    return parts


def rgb(colour: str) -> str:
    """Such as #0067b1, as a browser writes it."""
    return f"rgb({', '.join(str(part) for part in bytes.fromhex(colour[1:]))})"
