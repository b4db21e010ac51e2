"""The settings of Dask that every process of an engine shares, and the memory of its workers."""

from typing import Any

from distributed.system import MEMORY_LIMIT

COUNTED = "normserve"
"""What a worker has counted, among the metrics of its heartbeats."""
WORKER_MODULE = "service.work.worker"  # by name: only workers import torch

# Dask has workers return free memory to the kernel, which then clears the same pages again for each step.
# Only the arena of a process's first thread can keep large blocks, so there is no other.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": 128 * 2**20,
    "MALLOC_MMAP_THRESHOLD_": 32 * 2**20,
    "MALLOC_ARENA_MAX": 1,
}

# Chosen by measurement: we count deaths ourselves, a task waits in the scheduler until a worker is free,
# nothing is spilled to disk, and idle processes do little.
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.preload": ["service.work.scheduler"],
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "30s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # what a worker keeps between jobs would pause it for ever
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.comm.require-encryption": True,
    # The kernel replies for a busy process, so a peer that is silent for so long is gone.
    "distributed.comm.timeouts.tcp": "15s",
    # The nanny of a worker that dies starts another, which can take long on a busy machine. By default the
    # cluster gives such a worker up after 15 seconds, and for ever.
    "distributed.deploy.lost-worker-timeout": "1000h",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    **{f"distributed.nanny.pre-spawn-environ.{name}": size for name, size in ALLOCATOR.items()},
}

# Workers are forked from a process that has imported what they run: in a third of a second rather than in
# five. That process must have no thread and no connection, because a fork loses the one and shares the other.
FORKED_FROM = ["distributed", "service.__main__", "service.work.task", "service.work.forkserver"]

# For the processes beside the workers, and for the nanny of each. Without it, the workers could use all the
# memory, and the kernel would kill one of them before Dask does.
RESERVED_BYTES = 256 * 2**20
NANNY_BYTES = 128 * 2**20


def worker_bytes(workers: int) -> int:
    """Return how much of the memory of this machine or container each of so many workers may use."""
    free = MEMORY_LIMIT - RESERVED_BYTES - workers * NANNY_BYTES
    return max(free, MEMORY_LIMIT // 2) // workers
