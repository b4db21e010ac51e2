"""The README's figures and tables: the article's arms with ten seeds, as meant and as the memo's code ran.

Both comparisons go through HTTP; their summaries and figures are left in docs/, their tables in README.md.
"""

import os
import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from running import service

README, DOCS = Path("README.md"), Path("docs")
PRESETS = ("article", "article_as_written")
SEEDS = 10
HEADING = """\
| arm | seeds | diverged | test accuracy | test loss | steps to 0.95 | less none | Holm p | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|---|"""


def run(client: httpx.Client, preset: str) -> str:
    """Train a comparison to its end; answer its address."""
    asked = {"preset": preset, "seeds": SEEDS, "label": f"{preset}, {SEEDS} seeds"}
    links = client.post("/comparisons", json=asked).raise_for_status().json()["links"]
    while client.get(links["self"]).json()["status"] != "ended":
        time.sleep(1)  # a comparison cannot be waited for, only asked
    return str(links["self"])


def keep(client: httpx.Client, preset: str) -> dict[str, Any]:
    """Leave a comparison's summary and figures in docs/; answer the summary."""
    address = run(client, preset)
    summary = client.get(f"{address}/summary").raise_for_status()
    (DOCS / f"{preset}.json").write_bytes(summary.content + b"\n")
    for theme in ("light", "dark"):
        figure = client.get(f"{address}/plot.svg", params={"theme": theme}).raise_for_status()
        (DOCS / f"{preset}-{theme}.svg").write_bytes(figure.content)
    found: dict[str, Any] = summary.json()
    return found


def table(summary: dict[str, Any]) -> str:
    """Write a summary as rows of Markdown; ± is the half of a 95 % interval of the mean."""
    told = {each["arm"]: each for each in summary["differences"] if each["metric"] == "test_accuracy"}
    rows = [row(arm, told.get(arm["name"])) for arm in summary["arms"]]
    return "\n".join([HEADING, *rows])


def row(arm: dict[str, Any], difference: dict[str, Any] | None) -> str:
    arrived = arm["time_to"]["0.95"]["train"]
    steps = f"{arrived['mean']:.0f}" if arrived["mean"] else f"{arrived['n_censored']} not reached"
    cells = [arm["name"], arm["n"], arm["n_diverged"], mean_of(arm["test_accuracy"], 4)]
    cells += [mean_of(arm["test_loss"], 3), steps]
    compared = ["–"] * 3
    if difference:
        low, high = difference["interval"]
        verdict = difference["verdict"].replace("_", " ")
        compared = [f"{low:+.4f} to {high:+.4f}", f"{difference['p_holm']:.3f}", verdict]
    return f"| {' | '.join(map(str, cells + compared))} |"


def mean_of(found: dict[str, Any], digits: int) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.{digits}f} ± {(high - low) / 2:.{digits}f}"


def between(text: str, name: str, content: str) -> str:
    """Replace what stands between the two marks of this name."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    replaced, times = marks.subn(lambda found: f"{found[1]}{content}\n{found[2]}", text)
    if times != 1:
        raise RuntimeError(f"the README has {times} places for {name}")
    return replaced


def main() -> None:
    with service() as address, httpx.Client(base_url=address, timeout=120) as client:
        found = {preset: table(keep(client, preset)) for preset in PRESETS}
        job = client.get("/jobs?limit=1").json()["items"][0]
    machine = f"torch {job['torch_version']}, {job['cpu_capability']}, {os.cpu_count()} cores"
    made = f"Made by `make figures` on {date.today():%Y-%m-%d}: {machine}."
    text = between(README.read_text(), "made", made)
    for preset, rows in found.items():
        text = between(text, preset, rows)
    README.write_text(text)
    print(made)


if __name__ == "__main__":
    main()
