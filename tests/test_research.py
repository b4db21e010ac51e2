"""The study in docs/research.md runs as it is shown, with fewer steps, seeds and rates."""

import os
import subprocess
import sys
from operator import itemgetter
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from tests.pages import Page
from tests.process import Service

PAGE = Page("docs/research.md")
[STUDY], [SHOWN] = PAGE.blocks("python"), PAGE.blocks("text")
[READER] = Page("docs/science.md").blocks("python")
NORMS = ["none", "weight", "batch", "layer", "rms", "group"]
SIZE = "STEPS, SEEDS, RATES = 200, 8, [0.3, 1.0, 3.0]"
SMALLER = "STEPS, SEEDS, RATES = 20, 2, [0.3, 3.0]"
ADDRESS = "http://127.0.0.1:8000"


def test_the_study_has_at_most_40_lines() -> None:
    assert len([line for line in STUDY.text.splitlines() if line]) <= 40


def test_the_study_has_its_size_and_its_address_once() -> None:
    assert (STUDY.text.count(SIZE), STUDY.text.count(ADDRESS)) == (1, 1)


def test_the_study_prints_its_tables_draws_its_curves_and_reads_its_weights(
    service: Service, tmp_path: Path
) -> None:
    study = STUDY.text.replace(SIZE, SMALLER).replace(ADDRESS, str(service.client.base_url).rstrip("/"))
    (tmp_path / "study.py").write_text(study)
    (tmp_path / "reader.py").write_text(READER.text)

    done = subprocess.run(
        [sys.executable, "study.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )

    assert done.returncode == 0, done.stderr
    _, _, *lines = done.stdout.splitlines()
    accuracies, read = lines[: len(NORMS)], lines[len(NORMS) :]
    assert [*table(accuracies)] == NORMS
    np.testing.assert_allclose([*table(accuracies).values()], expected(runs(service)), rtol=0, atol=0.00051)
    assert read == [f"{norm} differs from the service by less than 1e-6: True" for norm in NORMS]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert words(done.stdout) == words(SHOWN.text)


def runs(service: Service) -> list[dict[str, Any]]:
    """The runs of the newest comparison."""
    [newest] = service.client.get("/comparisons?limit=1").json()["items"]
    found: list[dict[str, Any]] = service.client.get(f"{newest['links']['self']}/runs").json()["runs"]
    return found


def expected(found: list[dict[str, Any]]) -> list[list[float]]:
    """Each arm's test accuracies at the rate that is best on validation images, and that rate."""
    return [at_best_rate([run for run in found if run["arm"] == norm]) for norm in NORMS]


def at_best_rate(found: list[dict[str, Any]]) -> list[float]:
    by_rate: dict[float, list[dict[str, Any]]] = {}
    for run in found:
        by_rate.setdefault(run["learning_rate"], []).append(run)
    best = max(by_rate, key=lambda rate: mean(run["validation_accuracy"] for run in by_rate[rate]))
    by_seed = sorted(by_rate[best], key=itemgetter("seed"))
    return [*(run["test_accuracy"] for run in by_seed), best]


def table(lines: list[str]) -> dict[str, list[float]]:
    """The numbers of each row by its name."""
    return {name: [float(number) for number in numbers] for name, *numbers in map(str.split, lines)}


def words(output: str) -> list[str]:
    """The first word of each line."""
    return [line.split()[0] for line in output.strip().splitlines()]
