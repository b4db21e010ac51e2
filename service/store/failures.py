"""Why jobs fail and how tasks are lost, in the words that a client reads."""

from typing import Any, NamedTuple, get_args

from models.specs.datasets import SplitName


class Loss(NamedTuple):
    """How a task was lost: why its jobs are requeued, and the code of the jobs that fail because of it."""

    reason: str
    code: str


HANDED_BACK = "handed back to stop"
"""Why a job is queued again after its worker was asked to stop."""
WORKER_LOST = Loss("its worker was lost", "worker_lost")
OUT_OF_MEMORY = Loss("its worker was out of memory", "out_of_memory")
QUANTITIES = {
    "product": "the inputs times the weights",
    "pre_activation": "the values before the activation function",
    "weight": "the weights",
    "gain": "the gains",
    "shift": "the shifts",
}


def describe_failure(
    code: str, message: str, step: int | None = None, layer: str | None = None, quantity: str | None = None
) -> dict[str, Any]:
    """Describe why a job failed, and where in the net if that is known."""
    return {"code": code, "message": message, "step": step, "layer": layer, "quantity": quantity}


def name_quantity(quantity: str) -> str:
    """Return what the search for the first non-finite number calls a quantity, in plain words."""
    split, _, of_split = quantity.partition("_")
    if split in get_args(SplitName):
        return f"{name_quantity(of_split)} on the {split} images"
    if quantity.endswith("_gradient"):
        return f"the gradient of {name_quantity(quantity.removesuffix('_gradient'))}"
    tensor, _, state = quantity.partition(".")
    if state:
        return f"the {state} of {name_quantity(tensor)} in the optimizer"
    return QUANTITIES.get(quantity, f"the {quantity.replace('_', ' ')}")
