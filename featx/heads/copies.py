"""Training rows that are the same: held out together, as one row of their weight in sum.

A copy that stays in the fit vouches for its twin: what is then decided about the twin is no decision about a new image. So
a row that stands k times and a row of weight k are one thing.
"""

import hashlib
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from featx.system.digests import Digests, first_alike, first_bytes
from featx.system.files import DIGEST_BYTES

Values = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)
Whole = TypeVar("Whole", bound=np.integer)


def row_digests(X: NDArray[np.floating], labels: NDArray[Any]) -> Digests:
    """Return the digest of each row of X (n, n_features) with its label: shape (n, 32).

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Rows.
    labels : ndarray of shape (n,), int, or (n, n_columns), float
        Their classes, or their labels or numbers: equal rows of different ones are no copies.
    """
    rows = np.ascontiguousarray(X)
    # One NaN, as there are many of the same meaning.
    ends = labels.astype(np.int64) if labels.ndim == 1 else np.where(np.isnan(labels), np.nan, labels)
    digests = (
        hashlib.blake2b(row.tobytes() + end.tobytes(), digest_size=DIGEST_BYTES).digest()
        for row, end in zip(rows, ends, strict=True)
    )
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


def weights_with_copies(digests: Digests, weights: Values) -> Values:
    """Return for each row the sum of the weights of all rows with its digest (n,)."""
    first = first_alike(digests)
    summed: Values = np.bincount(first, weights, len(first)).astype(np.float64)
    return summed[first]


def without_copies(
    X: NDArray[np.floating], labels: NDArray[Number], weights: Values | None
) -> tuple[NDArray[np.floating], NDArray[Number], Values | None]:
    """Return each different row once, with the sum of the weights of its copies.

    Where there are copies or weights, the rows come in the order of their digests: folds are then drawn alike whether a row
    stands twice or has a weight of 2, and wherever it stands. Else they stay as they are.

    Returns
    -------
    X : ndarray of shape (n_left, n_features)
    labels : ndarray of shape (n_left,), int, or (n_left, n_columns)
    weights : ndarray of shape (n_left,), or None
        None where there are neither copies nor weights.
    """
    order, weights = one_of_each(row_digests(X, labels), weights)
    return (X, labels, None) if weights is None else (X[order], labels[order], weights)


def one_of_each(digests: Digests, weights: Values | None) -> tuple[NDArray[np.int64], Values | None]:
    """Return the positions that ``without_copies`` keeps, in its order, and the weights that it gives them."""
    first = first_alike(digests)
    kept = np.flatnonzero(first == np.arange(len(first)))
    if weights is None and len(kept) == len(first):
        return kept, None
    order = kept[np.argsort(first_bytes(digests[kept]), kind="stable")]
    summed: Values = np.bincount(first, weights, len(first)).astype(np.float64)
    return order, summed[order]


def halved_if_alone(
    X: NDArray[Number], labels: NDArray[Whole], weights: Values | None
) -> tuple[NDArray[Number], NDArray[Whole], Values | None]:
    """Return rows of which each class has at least two, as holding one out needs: one that is alone twice, by half its weight.

    Parameters and results as for ``without_copies``; a single row of weight 1 must have been refused before.
    """
    counts = np.bincount(labels)
    alone = np.flatnonzero(counts[labels] == 1)
    if weights is None or not len(alone):
        return X, labels, weights
    weights = weights.copy()
    weights[alone] /= 2
    return np.concatenate([X, X[alone]]), np.concatenate([labels, labels[alone]]), np.concatenate([weights, weights[alone]])
