"""A service whose processes are started, killed and started again one by one."""

import shutil
import signal
from pathlib import Path

import psutil

from tests.process import PATIENCE_SECONDS, Service, start


class Parts(Service):
    """Each part has a name; its processes are those that it has started too."""

    def __init__(self, folder: Path, cache: Path, **settings: str) -> None:
        super().__init__(folder, cache, **settings)
        self.parts: dict[str, psutil.Process] = {}

    def run(self, part: str, *arguments: str, **settings: str) -> None:
        """Start a command as a part, with settings of its own where it needs them."""
        with self.log.open("ab") as log:
            environment = {**self.environment, **settings}
            # A group of its own: the kernel hangs up an orphaned group that has stopped processes.
            self.parts[part] = start(arguments, environment, log, new_session=True, on=self.on(part))

    def on(self, _part: str) -> list[str]:
        """What begins the command of a part: here nothing, all run on one host."""
        return []

    def kill_part(self, part: str) -> None:
        self.processes()
        self.parts[part].kill()
        self.parts[part].wait()

    def terminate_part(self, part: str) -> int:
        self.processes()
        self.parts[part].send_signal(signal.SIGTERM)
        return int(self.parts[part].wait(PATIENCE_SECONDS))

    def processes_of(self, part: str) -> list[psutil.Process]:
        try:
            return [self.parts[part], *self.parts[part].children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def processes(self) -> list[psutil.Process]:
        found = [process for part in self.parts for process in self.processes_of(part)]
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
