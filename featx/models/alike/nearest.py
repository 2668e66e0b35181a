"""The nearest rows of each row, by cosine, among all of them: a blocked matrix product in bounded memory."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

# Rows of length 1 are rounded to multiples of this. All sums of their products are then whole multiples of its square below
# 2^24, which float32 holds exactly: the same neighbours come out whatever the blocks, the threads and the machine.
_GRAIN = 1 / 4000

_BLOCK_ROWS = 1024
_BLOCK_COLUMNS = 8192

_NONE = np.float32(-np.inf)


def nearest_rows(
    X: NDArray[np.floating],
    k: int,
    *,
    threads: int = 1,
    block_rows: int = _BLOCK_ROWS,
    block_columns: int = _BLOCK_COLUMNS,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.int64]:
    """Find the k rows with the largest cosine to each row, itself left out.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows; a row of zeros has the cosine 0 to every other.
    k : int
        How many; all others if there are fewer.
    threads : int
        How many blocks of rows are worked on at a time.
    block_rows, block_columns : int
        Similarities held at a time by each thread. They change nothing in the result.
    progress : callable or None
        Called with the number of rows just done.

    Returns
    -------
    neighbors : ndarray of shape (n, min(k, n - 1)), int64
        The nearest first; of equally near rows the first in X.
    """
    rows = _on_a_grid(X)
    n, k = len(rows), min(k, max(len(rows) - 1, 0))
    neighbors = np.empty((n, k), np.int64)
    if not k:
        return neighbors

    def work(start: int) -> int:
        block = slice(start, min(start + block_rows, n))
        neighbors[block] = _nearest_of_block(rows, block, k, block_columns)
        return block.stop - start

    with one_core_each(threads), ThreadPoolExecutor(threads, thread_name_prefix="featx-nearest") as pool:
        for done in pool.map(work, range(0, n, block_rows)):
            if progress:
                progress(done)
    return neighbors


def _on_a_grid(X: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the rows at length 1, in whole steps of the grain."""
    rows = np.empty(X.shape, np.float32)
    for start in range(0, len(X), _BLOCK_COLUMNS):
        block = X[start : start + _BLOCK_COLUMNS].astype(np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
        lengths[lengths == 0] = 1
        rows[start : start + len(block)] = np.rint(block / (lengths[:, None] * _GRAIN))
    return rows


def _nearest_of_block(rows: NDArray[np.float32], block: slice, k: int, block_columns: int) -> NDArray[np.int64]:
    asked = rows[block]
    nearest = np.full((len(asked), k), -1, np.int64)
    values = np.full((len(asked), k), _NONE)
    for first in range(0, len(rows), block_columns):
        columns = slice(first, min(first + block_columns, len(rows)))
        products = asked @ rows[columns].T
        itself = np.arange(max(block.start, first), min(block.stop, columns.stop))
        products[itself - block.start, itself - first] = _NONE
        limit = values[:, -1]
        if products.shape[1] > k and not np.isfinite(limit).all():
            # Nothing to beat yet: only what is among the k best of this block need be looked at.
            limit = np.maximum(limit, np.nextafter(np.partition(products, -k, axis=1)[:, -k], _NONE))
        # Those that only equal the worst so far stand behind it.
        who, which = np.divmod(np.flatnonzero(products > limit[:, None]), products.shape[1])
        if len(who):
            nearest, values = _merge(nearest, values, who, which + first, products[who, which])
    return nearest


def _merge(
    nearest: NDArray[np.int64],
    values: NDArray[np.float32],
    who: NDArray[np.int64],
    which: NDArray[np.int64],
    products: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k best of the nearest so far and of the new rows, for each row."""
    n, k = nearest.shape
    owner = np.concatenate([np.repeat(np.arange(n), k), who])
    all_which, all_values = np.concatenate([nearest.ravel(), which]), np.concatenate([values.ravel(), products])
    order = np.lexsort((all_which, -all_values, owner))
    taken = order[np.searchsorted(owner[order], np.arange(n))[:, None] + np.arange(k)]
    return all_which[taken], all_values[taken]


def one_core_each(threads: int) -> contextlib.AbstractContextManager[object]:
    """Keep each of several threads to one core inside the block, so that they do not fight over them."""
    import threadpoolctl  # here, not above: it looks at every library that is loaded

    return threadpoolctl.threadpool_limits(1) if threads > 1 else contextlib.nullcontext()
