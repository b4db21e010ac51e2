"""A client that asks a service every 20 ms whether it lives, while others keep it busy."""

import threading
import time
from statistics import quantiles
from types import TracebackType
from typing import Self

import httpx

EVERY_SECONDS = 0.02


class Probe:
    """Times /livez between entering and leaving."""

    def __init__(self, address: str) -> None:
        self.address = f"{address}/livez"
        self.seconds: list[float] = []
        self.failed: list[object] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def p99_ms(self) -> float:
        """Milliseconds that 99 of 100 probes were within."""
        return round(1000 * quantiles(self.seconds, n=100, method="inclusive")[-1], 1)

    def _ask(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._stop.wait(EVERY_SECONDS):
                began = time.perf_counter()
                status = client.get(self.address).status_code
                self.seconds.append(time.perf_counter() - began)
                if status != 200:
                    self.failed.append(status)
