"""Squared distances between feature rows and training rows, a block at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.scaling import Scaling, row_blocks
from featx.heads.product import Multiply

_DISTANCES_A_BLOCK = 4_000_000
_ROWS_WIDENED = 1024


def stored_rows(X: NDArray[np.floating], scaling: Scaling) -> NDArray[np.float32]:
    """Return the scaled rows of X as they are kept and compared: in float32, made a block at a time."""
    rows = np.empty(X.shape, np.float32)
    for block in row_blocks(X.shape):
        rows[block] = scaling(X[block])
    return rows


def distance_blocks(
    queries: NDArray[np.float32], rows: NDArray[np.float32], multiply: Multiply = np.matmul
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield (block, squared distances of queries[block] to all rows (n_block, n_rows)), computed in float64.

    Parameters
    ----------
    queries : ndarray of shape (n_samples, n_features), float32
        Scaled rows to measure from.
    rows : ndarray of shape (n_rows, n_features), float32
        Scaled rows to measure to.
    multiply : callable
        Gives the inner products. NumPy's rounding differs with the rows of ``queries`` that stand beside a row.
    """
    squares = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_WIDENED):
        wide = rows[start : start + _ROWS_WIDENED].astype(np.float64)
        squares[start : start + _ROWS_WIDENED] = np.einsum("ij,ij->i", wide, wide)
    step = max(1, _DISTANCES_A_BLOCK // max(1, len(rows)))
    for first in range(0, len(queries), step):
        block = slice(first, min(first + step, len(queries)))
        asked = queries[block].astype(np.float64)
        distances = np.empty((len(asked), len(rows)))
        for start in range(0, len(rows), _ROWS_WIDENED):
            distances[:, start : start + _ROWS_WIDENED] = multiply(
                asked, rows[start : start + _ROWS_WIDENED].astype(np.float64).T
            )
        distances *= -2
        distances += squares
        distances += np.einsum("ij,ij->i", asked, asked)[:, None]
        yield block, np.maximum(distances, 0, out=distances)
