"""Measurement of this machine's speed: a few steps of three nets with different bottlenecks."""

import time
from itertools import islice

import numpy as np

from models.data.digits import Digits
from models.specs.estimate import Speed, step_work
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training

N_STEPS = 12
NETS = (
    TrainSpec(n_units=8, batch_size=8),  # mostly calls
    TrainSpec(n_units=512, n_hidden=2),  # mostly matrix multiplications
    TrainSpec(n_units=512, batch_size=8, optimizer="adam"),  # mostly passes over the weights
)


def measure_speed(digits: Digits) -> Speed:
    """Train three small nets for a few steps and solve for the seconds per unit of each kind of work.

    These are seconds of this thread's processor time, as training time is.
    """
    work = np.array([step_work(spec) for spec in NETS])
    measured = np.array([_step_seconds(spec, digits) for spec in NETS])
    scale = work.max(0)
    speed = np.linalg.solve(work / scale, measured) / scale
    # If the machine was busy meanwhile, its caches were too, and a value may be negative.
    return Speed._make(np.maximum(speed, 0).tolist())


def _step_seconds(spec: TrainSpec, digits: Digits) -> float:
    training = Training([Run(spec)], digits)
    seconds = []
    for batch in islice(training.batches(), N_STEPS):
        started = time.thread_time()
        training.advance(batch)
        seconds.append(time.thread_time() - started)
    return float(np.median(seconds))
