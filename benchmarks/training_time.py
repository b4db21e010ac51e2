"""The training time of equal runs, alone and in a stack of eight: `elapsed_seconds` of their last steps.

Both train in turns, with evaluations; the table has medians over several repetitions.
"""

import statistics
import sys
from pathlib import Path

from models.data.digits import Digits, load
from models.specs.facts import NORMS, Norm
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread

STACKED, STEPS, REPETITIONS = 8, 300, 5


def training_time(norm: Norm, runs: int, digits: Digits) -> float:
    specs = [TrainSpec(norm=norm, seed=seed, steps=STEPS) for seed in range(runs)]
    [*_, last] = Training([Run(spec) for spec in specs], digits).spans()
    return last[0].rows[-1].elapsed_seconds


def main() -> None:
    prepare_thread()
    digits = load("mnist", Path(sys.argv[1] if len(sys.argv) > 1 else "data/datasets"))
    print(f"{STEPS} steps and {STEPS // 100} evaluations, medians of {REPETITIONS}")
    print("| norm | alone, s | stacked 8, s | stacked ÷ alone | least and most of a run alone ÷ its median |")
    print("|---|--:|--:|--:|--:|")
    for norm in NORMS:
        found = [[training_time(norm, runs, digits) for runs in (1, STACKED)] for _ in range(REPETITIONS)]
        alone, stacked = (statistics.median(each) for each in zip(*found, strict=True))
        least, most = (extreme(each[0] for each in found) / alone for extreme in (min, max))
        print(
            f"| {norm} | {alone:.3f} | {stacked:.3f} | {stacked / alone:.2f} | {least:.2f} and {most:.2f} |"
        )


if __name__ == "__main__":
    main()
