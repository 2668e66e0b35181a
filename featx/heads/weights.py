"""Weights of training rows: how many rows each counts as."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.errors import HeadError
from featx.heads.head import Features

Weights = NDArray[np.float64]
Label = TypeVar("Label", bound=np.generic)


def weighted_rows(
    X: Features, y: NDArray[Label], sample_weight: ArrayLike | None
) -> tuple[Features, NDArray[Label], Weights | None]:
    """Check the weights of rows, and leave out the rows that weigh nothing.

    Parameters
    ----------
    X : ndarray or Rows of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,), or (n_samples, n_columns)
        Labels, or numbers.
    sample_weight : array-like of shape (n_samples,) or None
        A weight of k counts as the row k times over, one of 0 as no row.

    Returns
    -------
    X, y : as given, or less the rows of weight 0
    weights : ndarray of shape (n_left,), float64, or None
        None where all are 1: the fit is then the one without weights.

    Raises
    ------
    HeadError
        If they are not a number from 0 for each row, or all 0.
    """
    if sample_weight is None:
        return X, y, None
    weights = _checked(sample_weight, len(y))
    kept = np.flatnonzero(weights)
    if len(kept) < len(weights):
        X = X[kept] if isinstance(X, np.ndarray) else _SomeRows(X, kept)
        y, weights = y[kept], weights[kept]
    return X, y, None if (weights == 1).all() else weights


def _checked(sample_weight: ArrayLike, n_rows: int) -> Weights:
    rule = f"sample_weight must be a finite number from 0 for each of the {n_rows:,} rows, and not zero for all. Received: "
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError):
        raise HeadError(f"{rule}{type(sample_weight).__name__} that is no array of numbers.", wrong_value=True) from None
    if weights.shape != (n_rows,):
        raise HeadError(f"{rule}an array of shape {weights.shape}.", wrong_value=True)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise HeadError(f"{rule}{weights[wrong[0]]} in row {wrong[0]}.", wrong_value=True)
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not 0 < total < np.inf:
        raise HeadError(f"{rule}a sum of {total}.", wrong_value=True)
    return weights


def check_whole(weights: Weights, name: str) -> None:
    """Refuse weights that are no counts, for a head whose rows can only stand several times.

    Raises
    ------
    HeadError
        If one is no whole number.
    """
    parts = np.flatnonzero(weights != np.floor(weights))
    if len(parts):
        raise HeadError(
            f"{name}: takes whole numbers as weights: how many times each image stands among the neighbours. "
            f"Received: {weights[parts[0]]} in row {parts[0]}. Use another head, or leave the weights out.",
            wrong_value=True,
        )


class _SomeRows:
    """Some rows of features that are read when they are needed.

    Parameters
    ----------
    rows : Rows of shape (n_samples, n_features)
        What they are some of.
    kept : ndarray of shape (n_kept,), int64
        Which, ascending.
    """

    def __init__(self, rows: Any, kept: NDArray[np.int64]) -> None:
        self._rows, self._kept = rows, kept
        self.shape: tuple[int, int] = (len(kept), rows.shape[1])
        self.dtype: np.dtype[Any] = rows.dtype

    def __len__(self) -> int:
        return len(self._kept)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(np.asarray(self._rows)[self._kept], dtype)

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield (positions among the kept, their rows) a block at a time."""
        place = np.full(len(self._rows), -1)
        place[self._kept] = np.arange(len(self._kept))
        for positions, block in self._rows.blocks(seed=seed):
            places = place[positions]
            wanted = places >= 0
            if wanted.any():
                yield places[wanted], block[wanted]
