"""The article's figures and tables: its arms with ten seeds on each net, and as the memo's code ran.

The comparisons are submitted over HTTP. Their summaries and figures are written to docs/, their tables to
docs/science.md, and a short table to README.md. Names of presets as arguments renew only those.
"""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
from running import service

from analysis.verdicts import IN_WORDS

README, DOCS = Path("README.md"), Path("docs")
SCIENCE = DOCS / "science.md"
MADE = {
    "article": "made",
    "article_as_written": "made",
    "article_conv": "made_nets",
    "article_lstm": "made_nets",
}
"""Presets, and the mark of the line that says when and on what their figures were made."""
NETS = {"article": "fully connected", "article_conv": "`conv`", "article_lstm": "`lstm`"}
"""The presets whose accuracies README.md shows side by side, and the heads of their columns."""
SEEDS = 10
HEADING = """\
| arm | seeds | diverged | test accuracy | test loss | steps to 0.95 | difference from none \
| Holm p | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|---|"""


def stored(preset: str) -> dict[str, Any]:
    """Return the summary of a preset in docs/."""
    found: dict[str, Any] = json.loads((DOCS / f"{preset}.json").read_text())
    return found


def run(client: httpx.Client, preset: str) -> str:
    """Submit a comparison and wait until it has ended; return its address."""
    asked = {"preset": preset, "seeds": SEEDS, "label": f"{preset}, {SEEDS} seeds"}
    links = client.post("/comparisons", json=asked).raise_for_status().json()["links"]
    while client.get(f"{links['self']}?wait=60").json()["status"] != "ended":
        pass
    return str(links["self"])


def save(client: httpx.Client, preset: str) -> dict[str, Any]:
    """Run a comparison and save its summary and figures in docs/; return the summary."""
    address = run(client, preset)
    summary = client.get(f"{address}/summary").raise_for_status()
    (DOCS / f"{preset}.json").write_bytes(summary.content + b"\n")
    for theme in ("light", "dark"):
        figure = client.get(f"{address}/plot.svg", params={"theme": theme}).raise_for_status()
        (DOCS / f"{preset}-{theme}.svg").write_bytes(figure.content)
    found: dict[str, Any] = summary.json()
    return found


def table(summary: dict[str, Any]) -> str:
    """Return a summary as a Markdown table; ± is half the width of the 95 % interval of the mean."""
    return "\n".join([HEADING, *(line(cells(*pair)) for pair in pairs(summary))])


def short_table(summaries: Mapping[str, dict[str, Any]]) -> str:
    """Return a Markdown table of the accuracies and verdicts of each arm, a column per net."""
    columns = [[short_cell(*pair) for pair in pairs(summaries[preset])] for preset in NETS]
    arms = [arm["arm"] for arm in summaries["article"]["arms"]]
    rows = [line(row) for row in zip(arms, *columns, strict=True)]
    return "\n".join([line(["arm", *NETS.values()]), f"|---|{'---|' * len(NETS)}", *rows])


def short_cell(arm: dict[str, Any], difference: dict[str, Any] | None) -> str:
    """Return an arm's accuracy and, unless it is the baseline, its verdict."""
    accuracy, verdict = itemgetter(3, 8)(cells(arm, difference))
    return f"{accuracy}, {verdict}" if difference else str(accuracy)


def pairs(summary: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Return each arm with its difference in test accuracy to the baseline, or None for the baseline."""
    found = {each["arm"]: each for each in summary["differences"] if each["metric"] == "test_accuracy"}
    return [(arm, found.get(arm["arm"])) for arm in summary["arms"]]


def cells(arm: dict[str, Any], difference: dict[str, Any] | None) -> list[str]:
    """Return the cells of an arm's row, in the order of HEADING."""
    arrived = arm["time_to"]["0.95"]["train"]
    steps = f"{arrived['mean']:.0f}" if arrived["mean"] else f"{arrived['n_censored']} not reached"
    own = [arm["arm"], arm["n"], arm["n_diverged"], mean_of(arm["test_accuracy"], 4)]
    own += [mean_of(arm["test_loss"], 3), steps]
    compared = ["–"] * 3
    if difference:
        low, high = difference["interval"]
        verdict = IN_WORDS[difference["verdict"]]
        compared = [f"{low:+.4f} to {high:+.4f}", f"{difference['p_holm']:.3f}", verdict]
    return [*map(str, own), *compared]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def mean_of(found: dict[str, Any], digits: int) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.{digits}f} ± {(high - low) / 2:.{digits}f}"


def put(page: Path, name: str, content: str) -> None:
    """Replace the text between the marks of this name in a page."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    replaced, times = marks.subn(lambda found: f"{found[1]}{content}\n{found[2]}", page.read_text())
    if times != 1:
        raise RuntimeError(f"{page} must have the marks of {name} once, not {times} times")
    page.write_text(replaced)


def main(presets: Sequence[str]) -> None:
    with service() as address, httpx.Client(base_url=address, timeout=120) as client:
        found = {preset: save(client, preset) for preset in presets}
        job = client.get("/jobs?limit=1").json()["items"][0]
    machine = f"torch {job['torch_version']}, {job['cpu_capability']}, {os.cpu_count()} cores"
    made = f"Made by `make figures` on {date.today():%Y-%m-%d}: {machine}."
    for preset, summary in found.items():
        put(SCIENCE, MADE[preset], made)
        put(SCIENCE, preset, table(summary))
    put(README, "article", short_table({preset: stored(preset) for preset in NETS}))
    print(made)


if __name__ == "__main__":
    main(sys.argv[1:] or [*MADE])
