"""The memory that a run takes, as a formula of its spec."""

from collections.abc import Sequence

from models.specs.plan import LayerPlan

MAX_RUN_BYTES = 2**30
"""The largest run that is accepted."""
BASE_BYTES = 4 * 2**20
NUMBERS_PER_ROW = 2_000
"""Numbers per row of a batch besides its pixels: indices, labels, targets and outputs of a block of steps."""
EVALUATION_ROWS = 500
"""Images per forward pass of an evaluation."""
OPTIMIZER_STATE: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("velocity",),
    "adam": ("mean", "square"),
}
"""The state that each optimizer keeps for every trained tensor, by name; each has the tensor's shape."""


def run_bytes(
    layers: Sequence[LayerPlan], n_in: int, batch_size: int, optimizer: str, telemetry: bool
) -> int:
    """Estimate the peak memory of a run in bytes: its state, copies of it, and one pass over a batch.

    `layers` ends with the output layer; `n_in` is the number of inputs per example. While a span is stored
    there are many copies of the state: the tensors, the previous resume state, three stages of the new one,
    the bytes sent to the database, and two checkpoints.
    """
    *hidden, _ = (layer for layer in layers if layer.fan_in)
    widest = max(layer.n_outputs for layer in hidden)
    copies = 8 * (1 + len(OPTIMIZER_STATE[optimizer])) + 2 + 2 * telemetry
    state = copies * sum(layer.n_parameters for layer in layers)
    batch = batch_size * (2 * n_in + NUMBERS_PER_ROW + (3 * len(hidden) + 5) * widest)
    has_places = any(layer.places > 1 for layer in layers)
    evaluation = EVALUATION_ROWS * (n_in + (5 + has_places) * widest)
    return BASE_BYTES + 4 * (state + batch + evaluation)
