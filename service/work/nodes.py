"""The processes of a cluster: Dask's commands, with our settings and certificates."""

from pathlib import Path

import dask
from distributed.cli import dask_scheduler, dask_worker

from service.work.certificates import options
from service.work.dask_settings import SETTINGS, WORKER_MODULE, worker_bytes

# Dask opens a port for HTTP in any case; without an address, the scheduler's is on all interfaces.
PLAIN = ("--protocol", "tls", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def run_scheduler(certificates: Path, host: str, port: int) -> None:
    """Run the scheduler of a cluster until asked to stop."""
    dask.config.set(SETTINGS)
    place = ("--host", host, "--port", str(port))
    dask_scheduler.main([*PLAIN, *options(certificates, "scheduler"), *place], "normserve scheduler")


def run_worker(scheduler: str, certificates: Path, workers: int, folder: Path) -> None:
    """Run one of a machine's workers, with one thread, until it fails or the scheduler goes away."""
    dask.config.set(SETTINGS)
    size = ("--nworkers", "1", "--nthreads", "1", "--memory-limit", str(worker_bytes(workers)))
    place = ("--preload", WORKER_MODULE, "--local-directory", str(folder))
    dask_worker.main([scheduler, *PLAIN, *options(certificates, "worker"), *size, *place], "normserve worker")
