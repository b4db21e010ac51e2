"""A cluster's own processes: Dask's commands, with our settings and certificates."""

from pathlib import Path

import dask
from distributed.cli import dask_scheduler, dask_worker
from distributed.system import MEMORY_LIMIT

from service.work.certificates import options
from service.work.engine import SETTINGS, WORKER_MODULE

PLAIN = ("--protocol", "tls", "--no-dashboard")


def run_scheduler(certificates: Path, host: str, port: int) -> None:
    """Be the scheduler of a cluster until asked to stop."""
    dask.config.set(SETTINGS)
    place = ("--host", host, "--port", str(port))
    dask_scheduler.main([*PLAIN, *options(certificates, "scheduler"), *place], "normserve scheduler")


def run_workers(scheduler: str, certificates: Path, workers: int, folder: Path) -> None:
    """Be workers of a cluster, of one thread each; ends when the scheduler goes away."""
    dask.config.set(SETTINGS)
    # By default Dask grants a thread a core's share: in a container on a large machine, next to nothing.
    size = ("--nworkers", str(workers), "--nthreads", "1", "--memory-limit", str(MEMORY_LIMIT // workers))
    place = ("--preload", WORKER_MODULE, "--local-directory", str(folder))
    dask_worker.main([scheduler, *PLAIN, *options(certificates, "worker"), *size, *place], "normserve worker")
