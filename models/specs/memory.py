"""The memory of a run, as a formula of its spec."""

from collections.abc import Sequence

from models.specs.plan import LayerPlan

MAX_RUN_BYTES = 2**30
"""Largest run that is accepted."""
BASE_BYTES = 4 * 2**20
NUMBERS_PER_ROW = 2_000
"""Numbers per row of a batch beside its pixels: indices, labels, targets and outputs of a block of steps."""
EVALUATION_ROWS = 500
"""Images per forward pass of an evaluation."""
REMEMBERED_PER_PARAMETER = {"sgd": 0, "momentum": 1, "adam": 2}


def run_bytes(layers: Sequence[LayerPlan], batch_size: int, optimizer: str, telemetry: bool) -> int:
    """Estimate the most memory that a run takes, in bytes: its state, its copies, and one pass of a batch.

    While a span is stored there are many copies of the state: the tensors, the previous resume state, three
    stages of the new one, the bytes on their way to the database, and two checkpoints.
    """
    *hidden, _ = layers
    n_in = layers[0].fan_in * layers[0].places
    widest = max(layer.n_units * layer.places for layer in hidden)
    copies = 8 * (1 + REMEMBERED_PER_PARAMETER[optimizer]) + 2 + 2 * telemetry
    state = copies * sum(layer.n_parameters for layer in layers)
    batch = batch_size * (2 * n_in + NUMBERS_PER_ROW + (3 * len(hidden) + 5) * widest)
    evaluation = EVALUATION_ROWS * (n_in + 5 * widest)
    return BASE_BYTES + 4 * (state + batch + evaluation)
