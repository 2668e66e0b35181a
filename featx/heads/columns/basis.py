"""Scaled rows in the basis where their columns are at right angles: one decomposition for all labels."""

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.scaling import Scaling
from featx.heads.classical.span import LARGEST_DECOMPOSITION, Span

Values = NDArray[np.float64]


class Basis:
    """Scaled rows, turned; their inner products and distances stay as they are.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    scaling : Scaling
        How to scale them.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_directions), float64
    """

    def __init__(self, X: NDArray[np.floating], scaling: Scaling) -> None:
        n_rows, n_columns = X.shape
        self._span = Span(X, scaling) if n_rows < n_columns and n_rows <= LARGEST_DECOMPOSITION else None
        self._turn: Values | None = None
        if self._span is not None:
            self.rows = self._span.rows
            return
        self.rows = scaling(X)
        if n_columns <= LARGEST_DECOMPOSITION:
            _, self._turn = np.linalg.eigh(self.rows.T @ self.rows)
            self.rows = self.rows @ self._turn

    def back(self, coef: Values) -> Values:
        """Return coefficients for scaled features (k, n_features) that decide as coef (k, n_directions) does on ``rows``."""
        if self._span is not None:
            return self._span.back(coef)
        return coef if self._turn is None else coef @ self._turn.T
