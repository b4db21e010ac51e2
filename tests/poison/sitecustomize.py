"""Poison: in a worker process, a run of a certain seed does a deed before its first step.

Python imports this module whenever it starts with this folder in PYTHONPATH.
"""

import ctypes
import resource
import sys
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, NoReturn

SEEDS = {"segfault": 66_601, "memory": 66_602, "loop": 66_603}
WORKERS_BYTES = 3 * 2**30
"""What Dask grants two workers together; Linux itself does not enforce this limit."""
PIECE_BYTES = 8 * 2**20
PIECE_SECONDS = 0.01  # Dask looks ten times a second


def segfault() -> None:
    ctypes.string_at(0)


def exceed_memory() -> NoReturn:
    held: list[bytes] = []
    while len(held) * PIECE_BYTES < WORKERS_BYTES:
        held.append(b"x" * PIECE_BYTES)
        time.sleep(PIECE_SECONDS)
    loop()


def loop() -> NoReturn:
    while True:
        pass


LOOP = "models.training.loop"
DEEDS = {SEEDS["segfault"]: segfault, SEEDS["memory"]: exceed_memory, SEEDS["loop"]: loop}


def poison(module: ModuleType) -> None:
    """Have runs of this models.training.loop do their deeds."""
    spans = module.Training.spans

    def poisoned_spans(training: Any, *arguments: Any) -> Any:
        [DEEDS[spec.seed]() for spec in training.specs if spec.seed in DEEDS]
        return spans(training, *arguments)

    module.Training.spans = poisoned_spans


class PoisonedLoader(SourceFileLoader):
    """Loads models.training.loop and poisons it."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        poison(module)


class Finder(MetaPathFinder):
    """Finds models.training.loop before anyone else does."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path, target) if name == LOOP else None
        if found and found.origin:
            found.loader = PoisonedLoader(name, found.origin)
        return found


if __name__ == "sitecustomize":  # not in a test that asks for the seeds
    resource.setrlimit(resource.RLIMIT_RSS, (WORKERS_BYTES, WORKERS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if LOOP in sys.modules:  # of a process that is forked
        poison(sys.modules[LOOP])
    else:
        sys.meta_path.insert(0, Finder())
