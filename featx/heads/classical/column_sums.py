"""Means, scales and inner products of the columns of rows that come a block at a time, in float64."""

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.scaling import deviations, scale_rows

Values = NDArray[np.float64]


class ColumnSums:
    """What a least squares fit needs to know of its rows; each is looked at once.

    Parameters
    ----------
    n_columns, n_targets : int
        Columns of the rows and of their targets.
    kind : str
        How they are scaled; see ``Scaling``.
    """

    def __init__(self, n_columns: int, n_targets: int, kind: str) -> None:
        self._kind = kind
        self._near: Values | None = None
        self._sums, self._weighted, self._squares = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
        self._gram, self._pull = np.zeros((n_columns, n_columns)), np.zeros((n_columns, n_targets))
        self._total = self._counted = 0.0

    def add(self, block: NDArray[np.floating], weights: Values, targets: Values, counts: Values | None = None) -> None:
        """Take in rows.

        Parameters
        ----------
        block : ndarray of shape (n_block, n_columns)
            The rows.
        weights : ndarray of shape (n_block,)
            Of the fit.
        targets : ndarray of shape (n_block, n_targets)
            Less the mean.
        counts : ndarray of shape (n_block,) or None
            How many rows each counts as in mean and scale; by default 1.
        """
        values = scale_rows(self._kind, block)
        # Everything is summed about a point near the mean: sums of squares about 0 would lose the digits of small
        # differences between large features.
        self._near = values.mean(axis=0) if self._near is None else self._near
        values -= self._near
        if counts is None:
            self._sums += values.sum(axis=0)
            self._squares += np.einsum("ij,ij->j", values, values)
        else:
            self._sums += counts @ values
            self._squares += np.einsum("i,ij,ij->j", counts, values, values)
        self._counted += len(block) if counts is None else float(counts.sum())
        self._weighted += weights @ values
        self._pull += values.T @ (weights[:, None] * targets)
        values *= np.sqrt(weights)[:, None]
        self._gram += values.T @ values
        self._total += float(weights.sum())

    def scaling(self, n_rows: int) -> tuple[Values, Values]:
        """Return mean and scale of each column, zeros and ones but for ``standard``."""
        mean, scale = np.zeros(len(self._sums)), np.ones(len(self._sums))
        if self._kind == "standard":
            assert self._near is not None, "there are rows of at least two classes"
            off = self._sums / self._counted
            mean = self._near + off
            scale = deviations(mean, self._squares / self._counted - off**2, n_rows)
        return mean, scale

    def centred(self, mean: Values, scale: Values) -> tuple[Values, Values, Values]:
        """Return what a fit with an intercept is made from; the sums are spent.

        Returns
        -------
        middle : ndarray of shape (n_columns,)
            Weighted mean of the scaled rows.
        gram : ndarray of shape (n_columns, n_columns)
            Inner products of the columns of the scaled rows less ``middle``, weighted.
        pull : ndarray of shape (n_columns, n_targets)
            Weighted inner products of these columns with the targets.
        """
        assert self._near is not None, "there are rows of at least two classes"
        gram, pull = self._gram, self._pull
        gram -= np.outer(self._weighted / self._total, self._weighted)
        gram /= scale
        gram /= scale[:, None]
        pull /= scale[:, None]
        return (self._near + self._weighted / self._total - mean) / scale, gram, pull
