"""Matrix products whose rows have the same bits whatever other rows there are."""

import numpy as np
import numpy.typing as npt

_ROWS = 4

Rows = npt.NDArray[np.float32]


def product(rows: Rows, matrix: Rows) -> Rows:  # (rows, n), (n, m) -> (rows, m)
    """Return `rows @ matrix`, computed in blocks of equal height.

    The kernel of a product depends on its number of rows, and so do the last bits.
    """
    padded = np.zeros((len(rows) + -len(rows) % _ROWS, rows.shape[1]), np.float32)
    padded[: len(rows)] = rows
    blocks = [block @ matrix for block in padded.reshape(-1, _ROWS, rows.shape[1])]
    return np.concatenate(blocks)[: len(rows)]
