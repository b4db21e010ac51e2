"""How fast this machine is: a few steps of three nets that differ in what they cost most."""

import time
from itertools import islice

import numpy as np

from models.data.digits import Digits
from models.specs.estimate import Speed, step_work
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training

N_STEPS = 12
NETS = (
    TrainSpec(n_units=8, batch_size=8),  # calls
    TrainSpec(n_units=512, n_hidden=2),  # matrix multiplications
    TrainSpec(n_units=512, batch_size=8, optimizer="adam"),  # passes over the weights
)


def measure_speed(digits: Digits) -> Speed:
    """Train three small nets for some steps, and solve for the price of each kind of work."""
    work = np.array([step_work(spec) for spec in NETS])
    taken = np.array([_step_seconds(spec, digits) for spec in NETS])
    scale = work.max(0)
    prices = np.linalg.solve(work / scale, taken) / scale
    # On a machine that was busy just then a price may come out below zero.
    return Speed._make(np.maximum(prices, 0).tolist())


def _step_seconds(spec: TrainSpec, digits: Digits) -> float:
    training = Training([Run(spec)], digits)
    taken = []
    for batch in islice(training.batches(), N_STEPS):
        started = time.perf_counter()
        training.advance(batch)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
