"""Rows of many columns, turned into the few directions that they span.

A linear model with an L2 penalty on its coefficients is a weighted sum of the training rows, because whatever stands at a
right angle to all of them costs penalty and changes no decision. So for n rows of d > n columns an n x n problem holds the
whole answer. Distances between the rows, and with them kernels and neighbours, stay as they are, too.
"""

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.scaling import Scaling

LARGEST_DECOMPOSITION = 12_000
"""Rows or columns: an eigendecomposition of that size holds some 3.5 GB and takes minutes on two cores."""


def gram_matrix(X: NDArray[np.floating], scaling: Scaling) -> NDArray[np.float64]:
    """Return the inner products (n_samples, n_samples) of the scaled rows of X (n_samples, n_features).

    The scaled rows are never held as a whole: columns are added a block at a time, in float64.
    """
    gram = np.zeros((len(X), len(X)))
    for _, values in scaling.by_columns(X):
        gram += values @ values.T  # NumPy sees the symmetry and does half the work
    return gram


def weighted_sum(X: NDArray[np.floating], scaling: Scaling, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (k, n_samples) times the scaled rows of X: shape (k, n_features)."""
    total = np.empty((len(weights), X.shape[1]))
    for columns, values in scaling.by_columns(X):
        total[:, columns] = weights @ values
    return total


def decompose(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lengths s (r,) and the directions U (n, r) of ``gram = U diag(s)^2 U'``, without those that are only rounding.

    ``eigh`` of the Gram matrix and not an SVD of the rows: at 2,000 x 25,088 it takes a fraction of the time, and the
    directions that squaring loses, shorter than 3e-8 of the longest, carry no weight under a penalty.
    """
    squares, directions = np.linalg.eigh(gram)
    kept = squares > max(squares[-1], 0) * 4 * np.finfo(np.float64).eps
    kept[-1] = True  # rows of nothing but zeros still make an array of one column
    return np.sqrt(np.maximum(squares[kept], 0)), directions[:, kept]


class Span:
    """Scaled rows, rotated so that only the directions they span remain.

    A search scales and rotates once and then fits every setting and every fold on rows of ``rows`` with ``scale="none"``.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    scaling : Scaling
        How to scale them.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_directions), float64
        With the inner products and distances of the scaled rows; n_directions is at most n_samples.
    """

    def __init__(self, X: NDArray[np.floating], scaling: Scaling) -> None:
        lengths, directions = decompose(gram_matrix(X, scaling))
        self.rows = directions * lengths
        self._to_rows = np.divide(directions, lengths, out=np.zeros_like(directions), where=lengths > 0)
        self._X, self._scaling = X, scaling

    def back(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return coefficients for scaled features (k, n_features) that decide as coef (k, n_directions) does on ``rows``."""
        return weighted_sum(self._X, self._scaling, coef @ self._to_rows.T)
