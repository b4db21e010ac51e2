"""Why jobs fail and how tasks are lost, in the words that a client reads."""

from typing import Any, NamedTuple


class Loss(NamedTuple):
    """How a task was lost: why its jobs are requeued, and the code of the jobs that fail because of it."""

    reason: str
    code: str


HANDED_BACK = "handed back to stop"
"""Why a job is queued again after its worker was asked to stop."""
WORKER_LOST = Loss("its worker was lost", "worker_lost")
OUT_OF_MEMORY = Loss("its worker was out of memory", "out_of_memory")


def describe_failure(
    code: str, message: str, step: int | None = None, layer: str | None = None, quantity: str | None = None
) -> dict[str, Any]:
    """Describe why a job failed, and where in the net if that is known."""
    return {"code": code, "message": message, "step": step, "layer": layer, "quantity": quantity}
