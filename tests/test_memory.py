"""What a run is expected to take in memory, against what it takes in a worker."""

import json
import random
import subprocess
import sys
from pathlib import Path

from models.data import Digits
from models.spec import MAX_RUN_BYTES
from tests.peak_memory import random_spec

FACTOR = 1.25


def test_no_accepted_spec_is_expected_to_take_more_than_the_budget() -> None:
    rng = random.Random(0)

    specs = [random_spec(rng) for _ in range(2_000)]

    accepted = [spec.run_bytes() for spec in specs if spec]
    assert 500 < len(accepted) < 2_000
    assert max(accepted) <= MAX_RUN_BYTES


def test_runs_take_no_more_memory_than_expected(sqlite_url: str, digits: Digits, mnist_cache: Path) -> None:
    command = [sys.executable, "-m", "tests.peak_memory", sqlite_url, str(mnist_cache), "1", "12", "1e10"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(found) == 12
    assert [(peak, spec) for peak, expected, spec in found if peak > FACTOR * expected] == []
