"""A training step with the memory settings of our workers, with Dask's own, and with glibc's.

Each measurement is a process of its own, whose thread trains as a worker's does; the settings alternate.
Argument: repetitions.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dask

from models.data.digits import load
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread
from service.work.dask_settings import ALLOCATOR

NANNY = "distributed.nanny.pre-spawn-environ"
SETTINGS: dict[str, dict[str, str]] = {
    "ours": {name: str(value) for name, value in ALLOCATOR.items()},
    "Dask's": {name: str(value) for name, value in dask.config.get(NANNY).items()},
    "glibc's": {},
}
COHORTS: list[tuple[dict[str, Any], int]] = [
    ({"net": "dense", "norm": "batch", "steps": 1000}, 8),
    ({"net": "conv", "norm": "batch", "steps": 60}, 3),
    ({"net": "lstm", "norm": "none", "steps": 60}, 3),
    ({"net": "lstm", "norm": "layer", "steps": 30}, 3),
]


def measure() -> None:
    """Print the processor time of a step of one run of each cohort, in microseconds."""
    prepare_thread()
    digits = load("mnist", Path("data/datasets"))
    for fields, runs in COHORTS:
        cohort = [Run(TrainSpec(**fields, seed=seed)) for seed in range(runs)]
        training, steps = Training(cohort, digits), fields["steps"] - 1
        batches = training.batches()
        started = time.thread_time()
        for _ in range(steps):
            training.advance(next(batches))
        print(round(1e6 * (time.thread_time() - started) / steps / runs), flush=True)


def measured(variables: dict[str, str]) -> list[int]:
    """Measure in a process with these environment variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, __file__, "--measure"]
    done = subprocess.run(command, env={**environment, **variables}, stdout=subprocess.PIPE, check=True)
    return [int(line) for line in done.stdout.split()]


def main(repetitions: str = "3") -> None:
    times: dict[str, list[list[int]]] = {name: [] for name in SETTINGS}
    for _ in range(int(repetitions)):
        for name, variables in SETTINGS.items():
            times[name].append(measured(variables))
    for place, (fields, runs) in enumerate(COHORTS):
        found = {name: statistics.median(each[place] for each in all_of) for name, all_of in times.items()}
        others = ", ".join(
            f"{name} {time:.0f} ({time / found['ours']:.2f} times)" for name, time in found.items()
        )
        print(f"{fields['net']}, {fields['norm']}, {runs} runs, µs a step and run: {others}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        thread = threading.Thread(target=measure)
        thread.start()
        thread.join()
    else:
        main(*sys.argv[1:])
