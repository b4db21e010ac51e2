"""The services of docker-compose.yml as plain processes: its commands, environments, order and user.

What only an engine can do (the read-only root, capabilities, limits) it does not do. As root it runs
everything as the image's user, for whom nothing but the volumes and its own temporary folders is
writable; otherwise as the user who runs the tests.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from tests.process import PATIENCE_SECONDS, free_port, until

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_FILE = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("normserve:")]
NEEDS = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}
ORDER = list(TopologicalSorter(NEEDS).static_order())
LASTING = [name for name in OURS if SERVICES[name]["restart"] == "always"]
COPIED = [
    name for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
]
UID = 10001
AS_USER: dict[str, Any] = {"user": UID, "group": UID, "extra_groups": []} if os.getuid() == 0 else {}
PASSWORD = "p@ss/w:rd %41 $HOME"  # noqa: S105 # what a URL or a shell would not leave as it is
PREFIX = "normserve-compose-"
CHECK_SECONDS = 1.0  # each check starts an interpreter
UNITS = {"m": 2**20, "g": 2**30}


def environment_of(service: str) -> dict[str, str]:
    """The environment of a service, with the password filled in."""
    environment = SERVICES[service].get("environment", {})
    return {
        name: re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}", lambda _: PASSWORD, value)
        for name, value in environment.items()
    }


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def mem_bytes(size: str) -> int:
    return int(size[:-1]) * UNITS[size[-1]]


class Image:
    """The package, installed from what the Dockerfile copies, and a Python that its user can run."""

    def __init__(self, folder: Path) -> None:
        source, package = folder / "source", folder / "package"
        for name in COPIED:
            copy_without_caches(ROOT / name, source / name)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--root-user-action=ignore", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--target", package, source], check=True, cwd=folder)
        shutil.rmtree(source)
        base = _readable(Path(sys.base_prefix), folder / "python")
        libraries = _readable(Path(sysconfig.get_path("purelib")), folder / "libraries")
        self.python = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.environment = {
            "PYTHONPATH": f"{package}:{libraries}",
            **dict(re.findall(r"\b((?:PYTHON|NORMSERVE_)\w+)=(\S+)", DOCKERFILE)),
        }
        if base != Path(sys.base_prefix):
            self.environment["LD_LIBRARY_PATH"] = str(base / "lib")


class Compose:
    """Start, stop and look at the services; PostgreSQL runs already, on this port of 127.0.0.1."""

    def __init__(self, folder: Path, image: Image, postgresql_port: int) -> None:
        self.folder, self.image = folder, image
        self.ports = {"5432": postgresql_port, "8786": free_port(), "8000": free_port()}
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['8000']}", timeout=PATIENCE_SECONDS
        )
        self.running: list[tuple[str, psutil.Popen]] = []
        self.log = folder / "log"
        for volume in COMPOSE["volumes"]:
            _own(folder / volume)
        self.root = folder / "root"
        self.root.mkdir(mode=0o555)

    def up(self, **scale: int) -> None:
        """Start everything in the order of `depends_on`, each as often as asked for."""
        for name in ORDER:
            for needed, how in SERVICES[name].get("depends_on", {}).items():
                self._wait(needed, how["condition"])
            for _ in range(scale.get(name, 1) if name in OURS else 0):
                self.running.append((name, self._start(name, self._command(name))))
        self._wait("api", "service_healthy")
        if "authorization" not in self.client.headers:
            self.client.headers["authorization"] = f"Bearer {self._make_key()}"

    def stop(self) -> dict[str, list[int]]:
        """Ask each service to end once those that need it have ended; answer the exit codes."""
        codes = {}
        for service in reversed(ORDER):
            processes = [process for name, process in self.running if name == service]
            for process in processes:
                if process.is_running():
                    process.send_signal(signal.SIGTERM)
            patience = seconds(SERVICES[service]["stop_grace_period"])
            codes[service] = [int(process.wait(patience)) for process in processes]
        self.running.clear()
        return codes

    def close(self) -> None:
        self.client.close()
        for process in self.tree():
            process.kill()
        for _, process in self.running:
            process.wait(PATIENCE_SECONDS)

    def once(self, name: str, *command: str) -> int:
        """Run a service's container once, with its own command or this one; answer the exit code."""
        return int(self._start(name, self._command(name, command)).wait(PATIENCE_SECONDS))

    def healthy(self, name: str) -> bool:
        check = [self.here(part) for part in SERVICES[name]["healthcheck"]["test"][1:]]
        if name in OURS:
            assert check[0] == "python"
            command = [str(self.image.python), *check[1:]]
            return self._start(name, command, self.folder / "checks").wait(PATIENCE_SECONDS) == 0
        environment = {"PATH": _path(), "PGPORT": str(self.ports["5432"])}
        done = subprocess.run(check, check=False, env=environment, capture_output=True)
        return done.returncode == 0

    def tree(self, service: str = "") -> list[psutil.Process]:
        """The living processes of a service, or of all."""
        return [
            each
            for name, process in self.running
            if service in {"", name} and process.is_running()
            for each in (process, *process.children(recursive=True))
        ]

    def shares_of_limits(self, service: str) -> tuple[float, float]:
        """How much of the memory and of the processes that each container of a service may have it takes."""
        found = [process.as_dict(["memory_info", "num_threads"]) for process in self.tree(service)]
        settings, containers = SERVICES[service], sum(name == service for name, _ in self.running)
        used = sum(process["memory_info"].rss for process in found)
        threads = sum(process["num_threads"] for process in found)
        return (
            used / containers / mem_bytes(settings["mem_limit"]),
            threads / containers / settings["pids_limit"],
        )

    def strays(self) -> list[str]:
        """Name what was written where a container has nothing to write to.

        As root that is looked for wherever everybody may write, without the folders of such tests.
        """
        here = ["find", str(self.root), "-mindepth", "1"]
        anywhere = ["find", "/tmp", "/var/tmp", "/run", str(ROOT), "-name", f"{PREFIX}*", "-prune"]  # noqa: S108
        anywhere += ["-o", "-uid", str(UID), "-print"]
        searches = [here, anywhere] if AS_USER else [here]
        found = [subprocess.run(find, check=False, capture_output=True, text=True) for find in searches]
        return [line for each in found for line in each.stdout.splitlines()]

    def _make_key(self) -> str:
        """Make a key as an operator does: with the command in the header of docker-compose.yml."""
        command = COMPOSE_FILE.partition("docker compose run --rm api ")[2].partition("\n")[0].split()
        said = self.folder / "key"
        process = self._start("api", self._command("api", tuple(command)), said)
        assert process.wait(PATIENCE_SECONDS) == 0, said.read_text()
        return said.read_text().split()[0]

    def _wait(self, name: str, condition: str) -> None:
        if condition == "service_healthy":
            until(lambda: self.healthy(name), f"{name} to be healthy", CHECK_SECONDS)
        else:
            assert condition == "service_completed_successfully"
            process = next(process for each, process in self.running if each == name)
            assert process.wait(PATIENCE_SECONDS) == 0, self.log.read_text()

    def _command(self, name: str, instead: tuple[str, ...] = ()) -> list[str]:
        return [
            str(self.image.python),
            "-m",
            "service",
            *(self.here(part) for part in instead or SERVICES[name]["command"]),
        ]

    def _start(self, name: str, command: list[str], log_file: Path | None = None) -> psutil.Popen:
        temporary = self.folder / "tmp" / f"{name}-{len(self.running)}"
        _own(temporary)
        environment = {name: self.here(value) for name, value in environment_of(name).items()}
        environment |= {**self.image.environment, "HOME": str(self.root), "TMPDIR": str(temporary)}
        with (log_file or self.log).open("ab") as log:
            return psutil.Popen(
                command,
                env=environment,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **AS_USER,
            )

    def here(self, text: str) -> str:
        """The same on this machine: hosts, ports and the folders of volumes."""
        text = text.replace("@postgres/", f"@127.0.0.1:{self.ports['5432']}/")
        text = text.replace("//scheduler:", "//127.0.0.1:")
        text = re.sub(r"\b(8786|8000)\b", lambda found: str(self.ports[found[0]]), text)
        return re.sub(r"(?<![\w/])/(certificates|data)\b", lambda found: f"{self.folder}/{found[1]}", text)


def _readable(folder: Path, elsewhere: Path) -> Path:
    """The folder where the user can read it, or the same files elsewhere: root's home is closed to others."""
    if subprocess.run(["ls", folder], check=False, capture_output=True, cwd="/", **AS_USER).returncode == 0:
        return folder
    unused = shutil.ignore_patterns("site-packages") if folder == Path(sys.base_prefix) else None
    shutil.copytree(folder, elsewhere, symlinks=True, copy_function=_link, ignore=unused)
    return elsewhere


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)


def copy_without_caches(source: Path, target: Path) -> None:
    """Copy a file, or a folder without the compiled files of Python."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _own(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if AS_USER:
        os.chown(folder, UID, UID)


def _path() -> str:
    found = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    return os.pathsep.join([*found[-1:], os.environ["PATH"]])
