"""A cluster on one machine, on PostgreSQL: scheduler, workers, dispatcher and api as separate processes."""

from pathlib import Path

from service.work.certificates import write_certificates
from tests.parts import Parts
from tests.process import free_port, until


class Cluster(Parts):
    """Start all that a cluster needs, with one machine of workers; others may join it."""

    def __init__(self, folder: Path, cache: Path, database_url: str, **settings: str) -> None:
        write_certificates(folder / "certificates")
        self.scheduler_port = free_port()
        super().__init__(
            folder,
            cache,
            NORMSERVE_DATABASE_URL=database_url,
            NORMSERVE_SCHEDULER=f"tls://127.0.0.1:{self.scheduler_port}",
            NORMSERVE_CERTIFICATES=str(folder / "certificates"),
            **settings,
        )

    def start(self) -> None:
        self.run("scheduler", "scheduler", "--port", str(self.scheduler_port))
        for part, command in (("worker", "worker"), ("dispatcher", "dispatch"), ("api", "api")):
            self.run(part, command)
        self.wait_for_all()

    def restart_scheduler(self) -> None:
        self.kill_part("scheduler")
        self.run("scheduler", "scheduler", "--port", str(self.scheduler_port))

    def kill_dispatcher(self) -> None:
        """Kill the dispatcher and start it again, as an init system does."""
        self.kill_part("dispatcher")
        self.run("dispatcher", "dispatch")

    def wait_for_workers(self, workers: int) -> None:
        """Wait until the dispatcher knows so many workers."""
        until(lambda: self.client.get("/queue").json()["workers"] == workers, f"{workers} workers")
