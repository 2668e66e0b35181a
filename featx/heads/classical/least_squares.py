"""Least squares with an L2 penalty, in the basis where the curvature is a diagonal: every penalty is then a division."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class LeastSquares:
    """Weighted ridge regression with an intercept that is free of the penalty.

    Parameters
    ----------
    curvature : ndarray of shape (r,)
        Squared lengths, along each direction, of the rows less their weighted mean, each times the root of its weight.
    pull : ndarray of shape (r, k)
        Inner products of these rows with the targets less theirs.
    level : ndarray of shape (k,)
        Weighted mean of the targets: the decision at the mean row.
    total : float
        Sum of the weights of all rows.
    targets : ndarray of shape (n_judged, k)
        +1 where a row is of the class, else -1; of all rows, or of those that are judged.
    weights : ndarray of shape (n_judged,)
        Of the same rows.
    with_copies : ndarray of shape (n_judged,)
        The weights of all rows that are copies of each, itself included: they are left out with it.

    References
    ----------
    Rifkin & Lippert (2007), Notes on regularized least squares.
    """

    curvature: Values
    pull: Values
    level: Values
    total: float
    targets: Values
    weights: Values
    with_copies: Values

    def coef(self, alpha: float) -> Values:
        """Return the coefficients (r, k) under a penalty."""
        coef: Values = self.pull / (self.curvature + alpha)[:, None]
        return coef

    def left_out(self, at: Any, rows: Values, squares: Values, alpha: float) -> Values:
        """Return what the fits without each of the rows would decide about it: (n_block, k).

        Parameters
        ----------
        at : slice or ndarray of int
            Which of the judged rows they are.
        rows : ndarray of shape (n_block, r)
            Less the weighted mean, in the basis, not weighted.
        squares : ndarray of shape (n_block, r)
            Of ``rows``; the same for every penalty.
        alpha : float
            The penalty.

        Notes
        -----
        Leaving row i out, and its copies, changes a least squares fit as if its residual were divided by 1 - h_i, where h_i is
        their share in its prediction. The scaling, and the weights of the others, stay as they are.
        """
        own = self.with_copies[at] * (squares @ (1 / (self.curvature + alpha)) + 1 / self.total)
        targets = self.targets[at]
        residual = targets - rows @ self.coef(alpha) - self.level
        decision: Values = targets - residual / np.maximum(1 - own, 1e-12)[:, None]
        return decision

    def with_common_mean(self, left_out: Values) -> Values:
        """Return left-out decisions (n_judged, k) with the mean of all targets in them, not of the other rows' targets.

        The mean of the other rows lies lower for exactly those rows that are of the class. Under a penalty that leaves little
        else, a sigmoid fitted on that would learn that low decisions speak for the class.
        """
        weights = self.with_copies[:, None]
        others: Values = (self.total * self.level - weights * self.targets) / (self.total - weights)
        return left_out + self.level - others
