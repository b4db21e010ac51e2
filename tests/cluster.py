"""A cluster on one machine, on PostgreSQL: scheduler, workers, dispatcher and api as separate processes."""

import shutil
import signal
import sys
from pathlib import Path

import psutil

from service.work.certificates import write_certificates
from tests.process import PATIENCE_SECONDS, Service, free_port, until


class Cluster(Service):
    """Start, kill and start again each part by its name."""

    worker_parts = ("worker",)

    def __init__(
        self, folder: Path, cache: Path, database_url: str, scheduler_host: str = "127.0.0.1"
    ) -> None:
        write_certificates(folder / "certificates")
        self.scheduler_host, self.scheduler_port = scheduler_host, free_port()
        super().__init__(
            folder,
            cache,
            NORMSERVE_DATABASE_URL=database_url,
            NORMSERVE_SCHEDULER=f"tls://{scheduler_host}:{self.scheduler_port}",
            NORMSERVE_CERTIFICATES=str(folder / "certificates"),
        )
        self.parts: dict[str, psutil.Popen] = {}

    def start(self) -> None:
        self.run_scheduler()
        for part in self.worker_parts:
            self.run(part, "worker")
        self.run("dispatcher", "dispatch")
        self.run("api", "api")
        until(self._ready, "the api to be ready")
        until(lambda: len(self.workers()) == 2 * len(self.worker_parts), "two workers a part")
        until(lambda: b"dispatcher ready" in self.log.read_bytes(), "the dispatcher")

    def run(self, part: str, *arguments: str) -> None:
        with self.log.open("ab") as log:
            command = [*self.on(part), sys.executable, "-m", "service", *arguments]
            # A group of its own: the kernel hangs up an orphaned group that has stopped processes.
            self.parts[part] = psutil.Popen(
                command, env=self.environment, stderr=log, stdout=log, start_new_session=True
            )

    def on(self, part: str) -> list[str]:
        """What begins the command of a part: here nothing, all run on one host."""
        return []

    def run_scheduler(self) -> None:
        place = ("--host", self.scheduler_host, "--port", str(self.scheduler_port))
        self.run("scheduler", "scheduler", *place)

    def kill_part(self, part: str) -> None:
        self.processes()
        self.parts[part].kill()
        self.parts[part].wait()

    def terminate_part(self, part: str) -> int:
        self.processes()
        self.parts[part].send_signal(signal.SIGTERM)
        return int(self.parts[part].wait(PATIENCE_SECONDS))

    def restart_scheduler(self) -> None:
        self.kill_part("scheduler")
        self.run_scheduler()

    def processes(self) -> list[psutil.Process]:
        found = []
        for part in self.parts.values():
            try:
                found += [part, *part.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        self.seen = list({*self.seen, *found})
        return found

    def close(self) -> None:
        self.client.close()
        self.processes()
        for part in self.parts.values():
            if part.is_running():
                part.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(self.seen, 12)
        for process in left:
            process.kill()
        psutil.wait_procs(left, PATIENCE_SECONDS)
        shutil.rmtree(self.folder / "datasets")
