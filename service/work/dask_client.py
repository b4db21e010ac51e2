"""What both engines ask of a Dask client."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from distributed.scheduler import KilledWorker

from service.work.dask_settings import COUNTED

log = structlog.get_logger()

MEMORY_EVENTS = "worker-restart-memory"  # the topic where nannies report workers they kill for their memory
REPLY_SECONDS = 2
LATER_SECONDS = 0.5

Task = Callable[[list[int], str], None]


def submit(client: Any, task: Task, keys: list[int], submission: str) -> Any:
    """Start a task as soon as a worker is free; return its future."""
    # Only a "data producer" waits in the scheduler for a free worker. Any other task is bound to a worker at
    # once: to a busy one while the idle one restarts, for as long as that one's own task takes.
    return client.submit(task, keys, submission, key=submission, pure=False, _data_producer=True)


def exceeded_memory(client: Any, future: Any) -> bool:
    """Return whether a nanny killed the worker of this task for its memory; False if nobody replies."""
    if future.status != "error":
        return False
    try:
        error = future.exception(timeout=REPLY_SECONDS)
        if not isinstance(error, KilledWorker):
            return False
        if _is_reported(client, error):
            return True
        time.sleep(LATER_SECONDS)  # news of the death may arrive before the nanny's report
        return _is_reported(client, error)
    except Exception as unknown:  # a client whose scheduler has just gone raises many things
        log.warning("cause of worker loss unknown", task=future.key, reason=str(unknown))
        return False


def counted(client: Any) -> dict[str, dict[str, int]]:
    """Return what each worker has counted, as its newest heartbeat has it."""
    workers = client.scheduler_info()["workers"]
    return {address: worker["metrics"].get(COUNTED, {}) for address, worker in workers.items()}


def holders(client: Any, submission: str) -> set[str]:
    """Return the addresses of the workers that have this task."""
    return {address for address, keys in client.processing().items() if submission in keys}


def _is_reported(client: Any, error: KilledWorker) -> bool:
    events = client.sync(client.scheduler.events, topic=MEMORY_EVENTS, callback_timeout=REPLY_SECONDS)
    dead = (error.last_worker.address, error.last_worker.pid)
    return any((event["worker"], event["pid"]) == dead for _, event in events)
