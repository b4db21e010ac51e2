"""The accuracy of dry-run estimates: quantiles of estimated ÷ measured seconds of a step.

The speed of the machine is measured first; then random specs are trained for a few steps by one thread.
"""

import random
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.data.digits import Digits, load
from models.specs.estimate import seconds, step_work
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread
from models.training.speed import measure_speed

SPECS, STEPS, MOST_FLOPS = 100, 8, 3e10


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


def step_seconds(spec: TrainSpec, digits: Digits) -> float:
    training = Training([Run(spec)], digits)
    measured = []
    for batch in islice(training.batches(), STEPS):
        started = time.perf_counter()
        training.advance(batch)
        measured.append(time.perf_counter() - started)
    return float(np.median(measured))


def main() -> None:
    prepare_thread()
    digits = load("mnist", Path(sys.argv[1] if len(sys.argv) > 1 else "data/datasets"))
    speed, rng = measure_speed(digits), random.Random(0)  # noqa: S311 # the same specs each time
    specs = [spec for spec in (random_spec(rng) for _ in range(2 * SPECS)) if spec][:SPECS]
    known = [spec for spec in specs if step_work(spec).flops < MOST_FLOPS]
    ratios = [seconds(step_work(spec), speed) / step_seconds(spec, digits) for spec in known]
    low, median, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    print(f"estimated ÷ measured seconds of a step over {len(known)} random specs:")
    print(f"median {median:.2f}, 80 % of them between {low:.2f} and {high:.2f}")


if __name__ == "__main__":
    main()
