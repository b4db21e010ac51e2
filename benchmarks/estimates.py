"""The accuracy of dry-run estimates: quantiles of estimated ÷ measured training time.

The speed of the machine is measured first; then random specs are trained for a few steps, and evaluated, by
one thread.
"""

import random
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.data.digits import Digits, load
from models.specs.estimate import evaluation_work, seconds, step_work
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread
from models.training.speed import measure_speed

SPECS, STEPS, MOST_FLOPS = 100, 8, 1e11


def random_spec(rng: random.Random) -> TrainSpec | None:
    try:
        return TrainSpec(
            norm=rng.choice(list(NORMS)),
            n_hidden=rng.randint(1, 6),
            n_units=8 * int(2 ** rng.uniform(0, 8)),
            batch_size=int(2 ** rng.uniform(1, 10)),
            optimizer=rng.choice(["sgd", "momentum", "adam"]),
            activation=rng.choice(["relu", "tanh", "sigmoid"]),
        )
    except ValidationError:
        return None


def measure(spec: TrainSpec, digits: Digits) -> tuple[float, float]:
    """Return the processor time of a step, the median of several, and of an evaluation."""
    training = Training([Run(spec)], digits)
    steps = []
    for batch in islice(training.batches(), STEPS):
        started = time.thread_time()
        training.advance(batch)
        steps.append(time.thread_time() - started)
    started = time.thread_time()
    for split in (digits.validation, digits.test):
        training.stack.evaluate(split.images, split.labels)
    return float(np.median(steps)), time.thread_time() - started


def main() -> None:
    prepare_thread()
    digits = load("mnist", Path(sys.argv[1] if len(sys.argv) > 1 else "data/datasets"))
    speed, rng = measure_speed(digits), random.Random(0)  # noqa: S311 # the same specs each time
    specs = [spec for spec in (random_spec(rng) for _ in range(2 * SPECS)) if spec][:SPECS]
    work = [(spec, (step_work(spec), evaluation_work(spec))) for spec in specs]
    known = [(spec, both) for spec, both in work if max(each.flops for each in both) < MOST_FLOPS]
    ratios = [
        [seconds(each, speed) / found for each, found in zip(both, measure(spec, digits), strict=True)]
        for spec, both in known
    ]
    print(f"estimated ÷ measured training time over {len(known)} random specs:")
    for what, found in zip(("a step", "an evaluation"), np.transpose(ratios), strict=True):
        low, median, high = np.quantile(found, [0.1, 0.5, 0.9])
        print(f"{what}: median {median:.2f}, 80 % of them between {low:.2f} and {high:.2f}")


if __name__ == "__main__":
    main()
