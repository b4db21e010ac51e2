"""Imports for predictions and statistics, made in a thread while the service already listens."""

import ctypes
import gc
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread

SLOW_MODULES = ("service.serving.nets", "service.serving.intake.digits", "scipy.stats")
DELAY_SECONDS = 4.0  # the workers of this machine start first


class Warming:
    """A thread that imports what is slow; only what needs one of the modules earlier waits for it."""

    def __init__(self, delay_seconds: float = DELAY_SECONDS) -> None:
        self._delay_seconds = delay_seconds
        self._stopping = Event()
        self._thread = Thread(target=self._warm, name="warming")
        self._thread.start()

    def stop(self) -> None:
        """Import no more, and wait for the end of an import: a process that ends in the middle can crash."""
        self._stopping.set()
        self._thread.join()

    def _warm(self) -> None:
        self._stopping.wait(self._delay_seconds)
        if not self._stopping.is_set():
            _load_torch_library()
        for name in SLOW_MODULES:
            if not self._stopping.is_set():
                import_module(name)
        if not self._stopping.is_set():
            settle_heap()


def settle_heap() -> None:
    """Leave all objects so far out of garbage collection, which would stop all requests for 300 ms."""
    gc.collect()
    gc.freeze()


def _load_torch_library() -> None:
    """Load torch's largest library without the interpreter's lock, which its import holds meanwhile."""
    package = find_spec("torch")
    if package is not None and package.origin is not None:
        for library in Path(package.origin).parent.glob("lib/libtorch_cpu.*"):
            ctypes.CDLL(None).dlopen(os.fsencode(library), os.RTLD_NOW)
