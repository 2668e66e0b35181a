"""The linear support vector machine by Newton's method: exact to rounding, and in inner products where rows are few.

The loss is the squared hinge that scikit-learn's ``LinearSVC`` minimises, C * sum(max(0, 1 - y * decision)^2) plus half the
squared length of the coefficients, with the intercept among these. Its minimum is that of a ridge regression on the rows
that are within their margin, which Newton's method finds in a handful of steps: solve for the rows that are within it now, see
which are so then.

References
----------
Keerthi & DeCoste (2005), A modified finite Newton method for fast solution of large scale linear SVMs.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.logistic import conjugate_gradients
from featx.heads.classical.positive import Cholesky

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_STEPS = 60
_MOST_HALVINGS = 30
_ON_THE_MARGIN = 1e-9
"""Rows so near to their margin count on either side of it: rounding would move them to and fro."""

_LEAST_RIDGE = 1e-10
"""Of the mean inner product of a row with itself. A penalty below leaves a hard margin, and the matrix without an inverse."""

_MOST_CHANGED = 0.1
"""Of the rows that a factor is of: beyond that a new one takes no longer."""

_TOLERANCE = 1e-9
"""Of the gradient's length, in the curvature's own measure, against its length at zero coefficients."""


class HingeProblem:
    """Some rows that all fits under one penalty are made on, each on some of them.

    Parameters
    ----------
    gram : ndarray of shape (n_rows, n_rows)
        Inner products of the scaled rows.
    C : float
        Inverse strength of the penalty.
    """

    def __init__(self, gram: Values, C: float) -> None:
        self._gram = gram
        self._ridge = max(1 / (2 * C), _LEAST_RIDGE * float(np.diagonal(gram).mean()))

    def fit(self, used: Mask, signs: Values, weights: Values | None = None, start: Mask | None = None) -> tuple[Values, Values]:
        """Fit on some rows.

        Parameters
        ----------
        used : ndarray of shape (n_rows,), bool
            Which.
        signs : ndarray of shape (n_rows,)
            +1 for the rows of the class and -1 for the others.
        weights : ndarray of shape (n_rows,) or None
            How much each row counts; by default all alike.
        start : ndarray of shape (n_rows,), bool, or None
            Rows that are likely to be within their margin; by default all.

        Returns
        -------
        of_rows : ndarray of shape (n_rows,)
            How much of each scaled row is in the coefficients; their sum is the intercept.
        decision : ndarray of shape (n_rows,)
            Signed distance of every row, used or not.
        """
        ridge = np.full(len(used), self._ridge) if weights is None else self._ridge / weights
        within = used if start is None or not (used & start).any() else used & start
        of_rows, decision, value = np.zeros(len(used)), np.zeros(len(used)), np.inf
        factored: _Factored | None = None
        for _ in range(_MOST_STEPS):
            if factored is None or not factored.is_near(within):
                factored = _Factored(self._gram, ridge, within, signs)
            new_rows = factored.solve(within)
            new_decision = self._gram @ new_rows + new_rows.sum()
            new_value = _value(new_rows, new_decision, used, signs, ridge)
            for _ in range(_MOST_HALVINGS):
                if new_value <= value * (1 + 1e-12):
                    break
                new_rows, new_decision = (new_rows + of_rows) / 2, (new_decision + decision) / 2
                new_value = _value(new_rows, new_decision, used, signs, ridge)
            of_rows, decision, value = new_rows, new_decision, min(new_value, value)
            margins = signs * decision
            settled = np.abs(1 - margins) <= _ON_THE_MARGIN
            new_within = used & np.where(settled, within, margins < 1)
            if (new_within == within).all():
                break
            within = new_within
        return of_rows, decision


class _Factored:
    """The factor for some rows within their margin, from which the solutions for nearly the same rows are a small step."""

    def __init__(self, gram: Values, ridge: Values, within: Mask, signs: Values) -> None:
        self._gram, self._ridge, self._signs = gram, ridge, signs
        self._within, self._rows = within, np.flatnonzero(within)
        self._factor = Cholesky(self._shifted(self._rows))
        self._solution = self._factor.solve(signs[self._rows])

    def is_near(self, within: Mask) -> bool:
        """Return whether so few rows differ that the factor serves them."""
        return int((within != self._within).sum()) <= len(self._rows) * _MOST_CHANGED

    def solve(self, within: Mask) -> Values:
        """Return how much of each row is in the coefficients (n_rows,), where only those within their margin are.

        Rows that are new border the system; rows that are gone are held at 0, each by a multiplier.
        """
        solution = np.zeros(len(within))
        gone, new = np.flatnonzero(~within[self._rows]), np.flatnonzero(within & ~self._within)
        if not len(gone) and not len(new):
            solution[self._rows] = self._solution
            return solution
        border = np.zeros((len(self._rows), len(new) + len(gone)), order="F")
        border[:, : len(new)] = self._gram[np.ix_(self._rows, new)] + 1
        border[gone, len(new) + np.arange(len(gone))] = 1
        reached = self._factor.solve(border)
        corner = -border.T @ reached
        corner[: len(new), : len(new)] += self._shifted(new)
        wanted = np.concatenate([self._signs[new], np.zeros(len(gone))]) - border.T @ self._solution
        found = np.linalg.solve(corner, wanted)
        solution[self._rows] = self._solution - reached @ found
        solution[self._rows[gone]] = 0
        solution[new] = found[: len(new)]
        return solution

    def _shifted(self, rows: NDArray[np.int64]) -> Values:
        """Return the products of some rows, with the intercept's column of ones, and their ridge on the diagonal."""
        shifted: Values = self._gram[np.ix_(rows, rows)]
        shifted += 1
        shifted[np.diag_indices_from(shifted)] += self._ridge[rows]
        return shifted


def _value(of_rows: Values, decision: Values, used: Mask, signs: Values, ridge: Values) -> float:
    missing = np.maximum(1 - signs * decision, 0)[used]
    return float(of_rows @ decision + (missing**2 / ridge[used]).sum()) / 2


def fit_hinge(X: Values, signs: Values, costs: Values, check: Callable[[], None] = lambda: None) -> tuple[Values, Values]:
    """Minimise the same for rows that are too many to compare them all, all classes at once.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Scaled rows, best in a basis where their inner products by column are a diagonal: that is what the steps lean on.
    signs : ndarray of shape (n_samples, n_decisions)
        +1 for the rows of the class and -1 for the others.
    costs : ndarray of shape (n_samples, n_decisions)
        C times what each row counts.
    check : callable
        Called now and then; may raise.

    Returns
    -------
    coef : ndarray of shape (n_decisions, n_features)
    intercept : ndarray of shape (n_decisions,)
    """
    # The last row of every array of coefficients is the intercepts, under the same penalty.
    coef = np.zeros((X.shape[1] + 1, signs.shape[1]))
    squares = np.append(np.einsum("ij,ij->j", X, X), len(X)) / len(X)

    def decide(coef: Values) -> Values:
        decision: Values = X @ coef[:-1] + coef[-1]
        return decision

    def missing_of(coef: Values) -> Values:
        return np.maximum(1 - signs * decide(coef), 0)

    def value_of(coef: Values, missing: Values) -> Values:
        values: Values = (coef**2).sum(axis=0) / 2 + (costs * missing**2).sum(axis=0)
        return values

    def transposed(values: Values) -> Values:
        return np.vstack([X.T @ values, values.sum(axis=0)])

    missing = missing_of(coef)
    value = value_of(coef, missing)
    wanted = None
    for _ in range(_MOST_STEPS):
        check()
        within = 2 * costs * (missing > 0)
        gradient = coef - transposed(2 * costs * missing * signs)
        diagonal = 1 + squares[:, None] * within.sum(axis=0)
        length = float(np.sqrt((gradient**2 / diagonal).sum()))
        wanted = _TOLERANCE * length if wanted is None else wanted
        if length <= wanted:
            break

        def curve(direction: Values, within: Values = within) -> Values:
            return direction + transposed(within * decide(direction))

        step = conjugate_gradients(curve, -gradient, diagonal, min(0.1, length))
        rate = np.ones(signs.shape[1])
        for _ in range(_MOST_HALVINGS):
            new = coef + rate * step
            new_missing = missing_of(new)
            worse = value_of(new, new_missing) > value * (1 + 1e-12)
            if not worse.any():
                break
            rate = np.where(worse, rate / 2, rate)
        coef, missing = new, new_missing
        value = value_of(coef, missing)
    return coef[:-1].T.copy(), coef[-1].copy()
