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


def product_of_ink(rows: Rows, matrix: Rows) -> Rows:  # (rows, n), (n, m) -> (rows, m)
    """Return `rows @ matrix`, each row by itself, from those rows of the matrix that it has ink for.

    Four in five pixels of a digit are 0, so a large matrix is read in a fifth of the time.
    """
    products = np.empty((len(rows), matrix.shape[1]), np.float32)
    for row, found in zip(rows, products, strict=True):
        [ink] = row.nonzero()
        if 2 * len(ink) < len(row):
            np.matmul(row.take(ink), matrix.take(ink, 0), out=found)
        else:
            np.matmul(row, matrix, out=found)
    return products
