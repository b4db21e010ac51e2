"""Windows of a history as arrays, read in pieces so that a million rows fit."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.curves import Floats
from service.store import metrics
from service.store.database import Database
from service.store.metrics import Window

ROWS_PER_CHUNK = 20_000


@dataclass(frozen=True)
class Columns:
    """A window of a history."""

    keys: Sequence[str]
    steps: NDArray[np.int64]
    """Shape [n_rows], ascending."""
    values: Floats
    """Shape [n_keys, n_rows], in the order of the keys; NaN where there is no finite value."""
    non_finite: NDArray[np.int16]
    """Shape [n_rows]: for each row an index into `names`."""
    names: Sequence[str]
    """Names of metrics that were not finite in the same row, separated by spaces; the first is empty."""

    def is_non_finite(self, place: int) -> NDArray[np.bool_]:
        """Return in which rows the metric at this place of the keys was measured and was not finite."""
        has_it = np.array([self.keys[place] in text.split() for text in self.names])
        found: NDArray[np.bool_] = has_it[self.non_finite]
        return found


def read_columns(
    database: Database,
    job_key: int,
    window: Window,
    keys: Sequence[str],
    at_once: int = ROWS_PER_CHUNK,
) -> Generator[int, None, Columns]:
    """Read metrics of a window in pieces, as slices for a pool; yield after each piece its number of rows.

    No transaction is open between two pieces. Memory is taken for every step of the window, so it must not
    end far behind the last row: eight bytes per number, a tenth of what a row of the database has.
    """
    n, room = 0, max(window.end - window.start + 1, 0)
    steps, non_finite = np.empty(room, np.int64), np.empty(room, np.int16)
    values = np.empty((len(keys), room))
    names = {"": 0}
    while True:
        with database.reading() as session:
            rows = metrics.read(session, job_key, window, at_once, ("step", *keys))
        if rows:
            piece = slice(n, n := n + len(rows))
            steps[piece], *figures, texts = zip(*rows, strict=True)
            values[:, piece] = np.array(figures, np.float64).reshape(len(keys), len(rows))
            non_finite[piece] = [names.setdefault(text or "", len(names)) for text in texts]
            window = replace(window, start=rows[-1][0] + 1)
        if len(rows) < at_once:
            return Columns(keys, steps[:n], values[:, :n], non_finite[:n], list(names))
        yield len(rows)
