"""Which training rows a head is judged by where there are too many to judge it by all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.head import Features

MOST_JUDGED = 50_000
"""Rows. An accuracy of so many is good to 0.002 either way, and all decisions about them fit into memory."""

_MOST_BYTES = 400_000_000
_LEAST_OF_CLASS = 200


def choose_judged(labels: NDArray[np.integer], row_bytes: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose rows evenly within each class, more of classes that would have next to none.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int
        From 0 to n_classes - 1, each at least once.
    row_bytes : int
        What a row takes in memory.
    seed : int
        Of the draw.

    Returns
    -------
    rows : ndarray of shape (n_judged,), int64
        Ascending; all where there are no more than ``MOST_JUDGED``.
    counts : ndarray of shape (n_judged,)
        How many rows of its class each stands for.
    """
    if len(labels) <= MOST_JUDGED:
        return np.arange(len(labels)), np.ones(len(labels))
    most = max(1, min(MOST_JUDGED, _MOST_BYTES // row_bytes))
    of_class = np.bincount(labels)
    least = max(1, min(_LEAST_OF_CLASS, most // len(of_class)))
    drawn = np.minimum(np.maximum(of_class * most // len(labels), least), of_class)
    # In a random order, then by class: the first of each class are an even draw of it.
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    ordered = shuffled[np.argsort(labels[shuffled], kind="stable")]
    starts = np.cumsum(of_class) - of_class
    within = np.arange(len(labels)) - np.repeat(starts, of_class)
    rows = np.sort(ordered[within < np.repeat(drawn, of_class)])
    return rows, (of_class / drawn)[labels[rows]]


class KeptRows:
    """Some rows of features that come a block at a time.

    Parameters
    ----------
    X : ndarray or Rows of shape (n_samples, n_features)
        What the blocks are of.
    positions : ndarray of shape (n_kept,), int64
        Positions in it, ascending; if that is all of them nothing is copied.
    """

    def __init__(self, X: Features, positions: NDArray[np.int64]) -> None:
        self._X = X
        self._place = np.full(0, -1)
        if len(positions) < len(X):
            self._place = np.full(len(X), -1)
            self._place[positions] = np.arange(len(positions))
            self._kept = np.empty((len(positions), X.shape[1]), X.dtype)

    def add(self, at: Any, block: NDArray[np.floating]) -> None:
        """Keep the wanted rows of a block; ``at`` is a slice or an array of positions."""
        if len(self._place):
            places = self._place[at]
            self._kept[places[places >= 0]] = block[places >= 0]

    @property
    def rows(self) -> Features:
        """The rows, in the order of ``positions``."""
        return self._kept if len(self._place) else self._X
