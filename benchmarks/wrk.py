"""Closed-loop load by wrk, a compiled client: requests per second, p50 and p99."""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SCRIPT = """
wrk.method = "{method}"
{headers}
{body}
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{{"requests": %d, "us": %d, "p50_us": %d, "p99_us": %d, "failed": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Asked:
    """A request that clients repeat; one with a body is a POST."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """What clients saw, and what the server's processes used meanwhile."""

    per_second: float
    p50_ms: float
    p99_ms: float
    processor_us: float
    """Processor time of a request in the server, which other programs of the machine change little."""

    def __str__(self) -> str:
        return (
            f"{self.per_second:.0f} per second, p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms, "
            f"p99 / p50 {self.p99_ms / self.p50_ms:.1f}, {self.processor_us:.0f} µs of a core per request"
        )


def load(asked: Asked, clients: int, seconds: int, server_pid: int) -> Figures:
    """Repeat a request from so many clients; raise RuntimeError if one fails."""
    with tempfile.TemporaryDirectory() as place:
        script = write_script(asked, Path(place))
        before = processor_seconds(server_pid)
        command = [
            "wrk",
            "-t1",
            "--timeout=30s",
            f"-c{clients}",
            f"-d{seconds}s",
            "-s",
            str(script),
            asked.url,
        ]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        used = processor_seconds(server_pid) - before
    found = json.loads(shown.splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise RuntimeError(f"{asked.url}: {shown}")
    return Figures(
        1e6 * found["requests"] / found["us"],
        found["p50_us"] / 1000,
        found["p99_us"] / 1000,
        1e6 * used / found["requests"],
    )


def alternate(rounds: int, loads: Mapping[str, Callable[[], Figures]]) -> dict[str, Figures]:
    """Run all loads in turns; return the medians of each."""
    found: dict[str, list[Figures]] = {name: [] for name in loads}
    for _ in range(rounds):
        for name, run in loads.items():
            found[name].append(run())
    return {name: median(figures) for name, figures in found.items()}


def median(figures: Sequence[Figures]) -> Figures:
    return Figures(*(statistics.median(values) for values in zip(*map(_values, figures), strict=True)))


def _values(figures: Figures) -> tuple[float, float, float, float]:
    return figures.per_second, figures.p50_ms, figures.p99_ms, figures.processor_us


def write_script(asked: Asked, folder: Path) -> Path:
    """Write the script of wrk; Lua reads the body from a file, so it may have any bytes."""
    body = folder / "body"
    body.write_bytes(asked.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in asked.headers.items())
    read = f'wrk.body = io.open("{body}", "rb"):read("*a")' if asked.body else ""
    script = folder / "script.lua"
    script.write_text(
        SCRIPT.format(method="POST" if asked.body else "GET", headers=headers, body=read), encoding="utf-8"
    )
    return script


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its children have used."""
    server = psutil.Process(pid)
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(each.user + each.system for each in times)
