"""What a run is expected to take in memory, against what it takes in a worker."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.specs.memory import MAX_RUN_BYTES
from tests.fixtures import Figure
from tests.peak_memory import random_spec

pytestmark = pytest.mark.slow

FACTOR = 1.25
KEPT_BYTES = 48 * 2**20
"""How much of the blocks that threads have freed the allocator keeps, in one run and not in the next."""


def test_no_accepted_spec_is_expected_to_take_more_than_the_budget() -> None:
    rng = random.Random(0)

    specs = [random_spec(rng) for _ in range(2_000)]

    accepted = [spec.run_bytes() for spec in specs if spec]
    assert 500 < len(accepted) < 2_000
    assert max(accepted) <= MAX_RUN_BYTES


def peaks(url: str, cache: Path, seed: int, count: int, most_flops: float) -> list[tuple[int, int, Any]]:
    """Train random specs; answer the bytes that each took and was expected to take, and the spec."""
    arguments = map(str, (url, cache, seed, count, most_flops))
    command = [sys.executable, "-m", "tests.peak_memory", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def over(found: list[tuple[int, int, Any]]) -> list[tuple[int, Any]]:
    """Those that took more than they may."""

    def most(expected: int) -> float:
        return min(FACTOR * expected + KEPT_BYTES, MAX_RUN_BYTES)

    return [(peak, spec) for peak, expected, spec in found if peak > most(expected)]


@pytest.mark.usefixtures("digits")
def test_runs_take_no_more_memory_than_expected(sqlite_url: str, mnist_cache: Path) -> None:
    found = peaks(sqlite_url, mnist_cache, 6, 6, 1e10)

    assert [spec["net"] for *_, spec in found] == ["conv", "lstm", "lstm", "lstm", "dense", "dense"]
    assert over(found) == []


@pytest.mark.long
@pytest.mark.usefixtures("digits")
def test_forty_runs_take_no_more_memory_than_expected(
    sqlite_url: str, mnist_cache: Path, figure: Figure
) -> None:
    found = peaks(sqlite_url, mnist_cache, 2, 40, math.inf)

    figure(
        "largest peak of 40 runs, as a share of the estimate", max(p / e for p, e, _ in found), f"{FACTOR}"
    )
    figure("largest peak of 40 runs in MiB", max(p for p, *_ in found) >> 20, f"{MAX_RUN_BYTES >> 20}")
    assert len(found) == 40
    assert over(found) == []
