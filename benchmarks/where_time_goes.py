"""The time of each part of a training step, in µs per run, for one run and for eight stacked runs.

The time of a part is spent in some functions, without the parts that they call. The
fastest repetition counts.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from models.data.digits import Digits, load
from models.nets.layers import Dense
from models.nets.net import Net
from models.specs.facts import Norm
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread
from models.training.optimizers import SGD

NORMS: tuple[Norm, ...] = ("none", "weight", "batch", "layer")
RUNS = (1, 8)
STEPS, REPETITIONS = 100, 20
TIMED: list[tuple[type, str, str]] = [
    (Dense, "product", "forward GEMMs"),
    (Net, "forward", "forward, rest"),
    (Net, "backpropagate", "loss"),
    (Dense, "input_gradient", "backward GEMMs"),
    (Tensor, "baddbmm_", "backward GEMMs"),
    (Net, "_backward", "backward, rest"),
    (SGD, "update", "update"),
]
PARTS = ["gather", *dict.fromkeys(part for _, _, part in TIMED)]

spent: Counter[str] = Counter()  # ns
inside = [0]  # for each active call, the ns spent in the parts that it called


def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that its time, without the parts that it calls, is added to a part."""

    def call(*args: Any, **kwargs: Any) -> Any:
        inside.append(0)
        started = time.perf_counter_ns()
        result = function(*args, **kwargs)
        elapsed = time.perf_counter_ns() - started
        spent[part] += elapsed - inside.pop()
        inside[-1] += elapsed
        return result

    return call


def fastest(norm: Norm, runs: int, digits: Digits) -> list[float]:
    """Return the µs per run of each part of a step, in the fastest repetition."""
    training = Training([Run(TrainSpec(norm=norm, seed=seed)) for seed in range(runs)], digits)
    gather = timed("gather", training.batches().__next__)
    found = []
    for _ in range(REPETITIONS):
        spent.clear()
        for _ in range(STEPS):
            training.advance(gather())
        found.append([spent[part] / 1e3 / STEPS / runs for part in PARTS])
    return min(found, key=sum)


def main() -> None:
    prepare_thread()
    digits = load("mnist", Path(sys.argv[1] if len(sys.argv) > 1 else "data/datasets"))
    for owner, name, part in TIMED:
        setattr(owner, name, timed(part, getattr(owner, name)))
    print(f"| norm | runs | {' | '.join(PARTS)} | step |\n|---|---|{'---|' * len(PARTS)}---|")
    for norm in NORMS:
        for runs in RUNS:
            parts = fastest(norm, runs, digits)
            print(f"| {norm} | {runs} | {' | '.join(f'{us:.0f}' for us in [*parts, sum(parts)])} |")


if __name__ == "__main__":
    main()
