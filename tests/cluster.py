"""A cluster on one machine, on PostgreSQL: scheduler, workers, dispatcher and api as separate processes."""

from pathlib import Path

from service.work.certificates import write_certificates
from tests.parts import Parts
from tests.process import free_port, until


class Cluster(Parts):
    """Start all that a cluster needs, with one machine of workers; others may join it."""

    worker_parts: tuple[str, ...] = ("worker",)

    def __init__(
        self,
        folder: Path,
        cache: Path,
        database_url: str,
        scheduler_host: str = "127.0.0.1",
        **settings: str,
    ) -> None:
        write_certificates(folder / "certificates")
        self.scheduler_host, self.scheduler_port = scheduler_host, free_port()
        super().__init__(
            folder,
            cache,
            NORMSERVE_DATABASE_URL=database_url,
            NORMSERVE_SCHEDULER=f"tls://{scheduler_host}:{self.scheduler_port}",
            NORMSERVE_CERTIFICATES=str(folder / "certificates"),
            **settings,
        )

    def start(self) -> None:
        self.run_scheduler()
        for part in self.worker_parts:
            self.run(part, "worker")
        self.run("dispatcher", "dispatch")
        self.run("api", "api")
        self.wait_for_all(workers=int(self.environment["NORMSERVE_WORKERS"]) * len(self.worker_parts))

    def run_scheduler(self) -> None:
        place = ("--host", self.scheduler_host, "--port", str(self.scheduler_port))
        self.run("scheduler", "scheduler", *place)

    def restart_scheduler(self) -> None:
        self.kill_part("scheduler")
        self.run_scheduler()

    def kill_dispatcher(self) -> None:
        """Kill the dispatcher and start it again, as an init system does."""
        self.kill_part("dispatcher")
        self.run("dispatcher", "dispatch")

    def wait_for_workers(self, workers: int) -> None:
        """Wait until the dispatcher knows so many workers."""
        until(lambda: self.client.get("/queue").json()["workers"] == workers, f"{workers} workers")
