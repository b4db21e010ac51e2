"""What the edge costs: small requests with all of it, and with none of it, in turns within one run.

Without it, uvicorn's own protocol calls the routes: only the table that finds them is left of service/edge.
The requests are logged, as they are by default.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import uvicorn
from running import Server, environment, free_port, serving, started_server
from wrk import Asked, alternate, load

from service.app import create_app
from service.edge.routing import KnownPaths
from service.settings import Settings

ROUNDS, SECONDS = 7, 3
WARMING_SECONDS = 12
"""After its start, the api imports for some seconds what predictions need."""
LOGS = {"LOG_LEVEL": "info", "LOG_FORMAT": "json"}
JSON = {"Content-Type": "application/json"}


def requests(address: str) -> dict[str, Asked]:
    return {
        "GET /livez": Asked(f"{address}/livez"),
        "POST /jobs?dry_run=true": Asked(f"{address}/jobs?dry_run=true", b'{"norm": "weight"}', JSON),
    }


def serve_bare(port: int) -> None:
    """Serve the routes with nothing around them."""
    app = create_app(Settings())
    kept: Any = KnownPaths
    app.user_middleware = [each for each in app.user_middleware if each.cls is kept]
    uvicorn.run(app, http="httptools", port=port, log_config=None, access_log=False, server_header=False)


@contextmanager
def bare(folder: str) -> Iterator[Server]:
    port = free_port()
    command = (sys.executable, __file__, str(port))
    with serving(command, port, "/readyz", environment(DATA_DIR=folder), quiet=True) as server:
        yield server


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        migrate = (sys.executable, "-m", "service", "migrate")
        subprocess.run(migrate, env=environment(DATA_DIR=folder), check=True, capture_output=True)
        servers = {
            "with the edge": stack.enter_context(started_server("api", DATA_DIR=folder, **LOGS)),
            "without": stack.enter_context(bare(folder)),
        }
        time.sleep(WARMING_SECONDS)
        loads = {
            (name, which): partial(load, asked, 1, SECONDS, server.pid)
            for which, server in servers.items()
            for name, asked in requests(server.address).items()
        }
        found = alternate(ROUNDS, {f"{name}, {which}": run for (name, which), run in loads.items()})
    for name, figures in found.items():
        print(f"{name}: {figures}")
    for name in requests(""):
        whole, inner = found[f"{name}, with the edge"], found[f"{name}, without"]
        print(f"the edge of {name}: {whole.processor_us - inner.processor_us:.0f} µs of a core (aim: 200)")
        print(f"the edge of {name}: {1000 * (whole.p50_ms - inner.p50_ms):.0f} µs until the response")


if __name__ == "__main__":
    serve_bare(int(sys.argv[1])) if len(sys.argv) > 1 else main()
