"""A torch whose import waits until a test lets it go on, as it does for seconds on a slow disk.

Python imports this module whenever it starts with this folder in PYTHONPATH.
"""

import os
import sys
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

GATE = Path(os.environ["TORCH_GATE"])
LOOK_SECONDS = 0.01


class Gate(SourceFileLoader):
    """Makes a file beside the gate when torch is imported, and waits until the gate is deleted."""

    def exec_module(self, module: ModuleType) -> None:
        GATE.with_suffix(".asked").touch()
        while GATE.exists():
            time.sleep(LOOK_SECONDS)  # only the file shows that it may go on
        super().exec_module(module)


class Torch(MetaPathFinder):
    """Puts the gate before the import of torch."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and found.origin is not None:
            found.loader = Gate(fullname, found.origin)
        return found


sys.meta_path.insert(0, Torch())
