"""Rows for training: shuffled batches of features, whether they fit into memory or not."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from featx.heads.checks import check_finite
from featx.heads.head import Features

MEMORY_BYTES = 1_000_000_000
"""Features up to this size are read whole, in their own type; larger features stay where they are and are read in blocks."""

_BLOCK_ROWS = 256
_MEASURED_ROWS = 2048

Batch = tuple[NDArray[np.int64], NDArray[np.floating]]
"""Positions (n_batch,) in X, and the rows themselves (n_batch, n_features)."""


def held(X: Features) -> Features:
    """Return X as an array in its own type if that fits into memory, else as it is."""
    if isinstance(X, np.ndarray) or X.shape[0] * X.shape[1] * X.dtype.itemsize > MEMORY_BYTES:
        return X
    return np.asarray(X)


def in_order(X: Features, block_rows: int) -> Iterator[Batch]:
    """Yield all rows as they stand, at most ``block_rows`` at a time."""
    for positions, block in [(np.arange(len(X)), X)] if isinstance(X, np.ndarray) else X.blocks():
        for start in range(0, len(block), block_rows):
            yield positions[start : start + block_rows], block[start : start + block_rows]


def epochs(X: Features, batch_size: int, steps: int | None, order: np.random.Generator) -> Iterator[Iterator[Batch]]:
    """Yield the batches of one epoch after the other, without end.

    Parameters
    ----------
    X : ndarray or Rows of shape (n_samples, n_features)
        Permuted as a whole where it is an array; otherwise its blocks, which mix rows from all over, are permuted again.
    batch_size : int
        Rows in a batch; the last batch of a pass over X may be shorter.
    steps : int or None
        Batches in an epoch. An epoch goes on where the last stopped, so that every row is seen in turn. By default
        an epoch is one pass.
    order : Generator
        What all orders are drawn from.
    """
    passes = (_one_pass(X, batch_size, order) for _ in itertools.count())
    if steps is None:
        yield from passes
    batches = itertools.chain.from_iterable(passes)
    while True:
        yield itertools.islice(batches, steps)


def _one_pass(X: Features, batch_size: int, order: np.random.Generator) -> Iterator[Batch]:
    if isinstance(X, np.ndarray):
        positions = order.permutation(len(X))
        for start in range(0, len(X), batch_size):
            batch = positions[start : start + batch_size]
            yield batch, X[batch]
    else:
        yield from _stream(X.blocks(seed=int(order.integers(2**31))), batch_size, order)


def _stream(blocks: Iterator[Batch], batch_size: int, order: np.random.Generator) -> Iterator[Batch]:
    """Cut blocks into batches of one size: what a block leaves over is filled up from the next.

    A network is compiled anew for every size of batch, so there should be no more than two.
    """
    rest: Batch | None = None
    for positions, block in blocks:
        check_finite(block)
        shuffled = order.permutation(len(block))
        n_filled = 0
        if rest is not None:
            n_filled = batch_size - len(rest[0])
            fill = shuffled[:n_filled]
            rest = np.concatenate([rest[0], positions[fill]]), np.concatenate([rest[1], block[fill]])
            if len(rest[0]) < batch_size:
                continue
            yield rest
            rest = None
        for start in range(n_filled, len(block), batch_size):
            batch = shuffled[start : start + batch_size]
            if len(batch) < batch_size:
                rest = positions[batch], block[batch]
            else:
                yield positions[batch], block[batch]
    if rest is not None:
        yield rest


def mean_length(X: Features, seed: int) -> float:
    """Return the mean Euclidean length of the rows: of a sample, where there are many.

    Raises
    ------
    HeadError
        If X is an array in which a value is no number. The rest is looked at when it is read.
    """
    rows = X if isinstance(X, np.ndarray) else next(X.blocks(seed=seed))[1]
    for at, block in in_order(rows, _BLOCK_ROWS):
        check_finite(block, int(at[0]))
    sample = np.linspace(0, len(rows) - 1, min(len(rows), _MEASURED_ROWS)).astype(np.int64)
    total = 0.0
    # A block at a time: all of them in float32 may not fit.
    for start in range(0, len(sample), _BLOCK_ROWS):
        block = rows[sample[start : start + _BLOCK_ROWS]].astype(np.float32)
        total += float(np.linalg.norm(block, axis=1).sum(dtype=np.float64))
    return total / len(sample)
