"""Linear models of many labels by Newton's method, all at once: every step is a product with the same rows.

Each label is a problem of its own, with its own step, its own conjugate gradients and its own end; what they share is the pass
over the rows, which is what takes the time. A cell that is not known weighs nothing, so that it is in no sum.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Which = NDArray[np.int64]
Loss = Callable[[Values, Which], tuple[Values, Values, Values]]
"""Called with decisions (n, k) and which labels they are of (k,): returns the loss of each label (k,), and its first and second
derivative by each decision (n, k)."""

_MAX_STEPS = 100
_MAX_PRODUCTS = 300
_MAX_HALVINGS = 30
TOLERANCE = 1e-10
"""Where a fit ends: coefficients are then exact to rounding, or near it."""


def logistic_loss(positive: Values, weights: Values) -> Loss:
    """Return the weighted cross-entropy of labels ``positive`` (n, k), 1 or 0, with weights (n, k)."""

    def loss(decision: Values, which: Which) -> tuple[Values, Values, Values]:
        of, weight = positive[:, which], weights[:, which]
        values = (weight * (np.logaddexp(0, decision) - of * decision)).sum(axis=0)
        shares = 1 / (1 + np.exp(-np.clip(decision, -700, 700)))
        return values, weight * (shares - of), weight * shares * (1 - shares)

    return loss


def hinge_loss(positive: Values, weights: Values) -> Loss:
    """Return the squared hinge of labels ``positive`` (n, k), 1 or 0, with weights (n, k)."""
    signs = 2 * positive - 1

    def loss(decision: Values, which: Which) -> tuple[Values, Values, Values]:
        sign, weight = signs[:, which], weights[:, which]
        missing = np.maximum(1 - sign * decision, 0)
        return (weight * missing**2).sum(axis=0), -2 * weight * sign * missing, 2 * weight * (missing > 0)

    return loss


def minimise(
    X: Values,
    loss: Loss,
    n_labels: int,
    penalty: float,
    of_intercept: float,
    start: Values | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Values, bool]:
    """Minimise the loss of each label plus half of a penalty times the squared length of its coefficients.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Scaled rows, best in a basis where their columns are at right angles: that is what the steps lean on.
    loss : callable
        See ``Loss``.
    n_labels : int
        How many.
    penalty, of_intercept : float
        On the coefficients, and on the intercept.
    start : ndarray of shape (n_features + 1, n_labels) or None
        Where to begin; by default at zeros.
    tolerance : float
        Of the gradient's length, in the curvature's own measure, against its length at zero coefficients.

    Returns
    -------
    coef : ndarray of shape (n_features + 1, n_labels)
        The last row is the intercepts.
    converged : bool
        Whether all of them reached the tolerance.
    """
    coef = np.zeros((X.shape[1] + 1, n_labels)) if start is None else start.copy()
    penalties = np.append(np.full(X.shape[1], penalty), of_intercept)[:, None]
    squares = np.append(np.einsum("ij,ij->j", X, X), len(X))[:, None] / len(X)

    def decide(coef: Values) -> Values:
        decision: Values = X @ coef[:-1] + coef[-1]
        return decision

    def transposed(values: Values) -> Values:
        return np.vstack([X.T @ values, values.sum(axis=0)])

    def evaluate(coef: Values, which: Which) -> tuple[Values, Values, Values]:
        values, slopes, bends = loss(decide(coef), which)
        return values + (penalties * coef**2).sum(axis=0) / 2, slopes, bends

    def diagonal_of(bends: Values) -> Values:
        diagonal: Values = np.maximum(squares * np.maximum(bends.sum(axis=0), 1e-12) + penalties, 1e-300)
        return diagonal

    every = np.arange(n_labels, dtype=np.int64)
    _, slopes, bends = evaluate(np.zeros_like(coef), every)
    wanted = tolerance * _lengths(transposed(slopes), diagonal_of(bends))
    active = every
    values, slopes, bends = evaluate(coef, active)
    for _ in range(_MAX_STEPS):
        gradient = transposed(slopes) + penalties * coef[:, active]
        diagonal = diagonal_of(bends)
        lengths = _lengths(gradient, diagonal)
        going = lengths > wanted[active]
        if not going.all():
            active, gradient, diagonal, lengths = active[going], gradient[:, going], diagonal[:, going], lengths[going]
            values, slopes, bends = values[going], slopes[:, going], bends[:, going]
        if not len(active):
            return coef, True

        def curve(direction: Values, bends: Values = bends) -> Values:
            return transposed(bends * decide(direction)) + penalties * direction

        step = conjugate_gradients(curve, -gradient, diagonal, np.minimum(0.1, lengths / wanted[active] * tolerance))
        expected = (gradient * step).sum(axis=0)
        rate = np.ones(len(active))
        for _ in range(_MAX_HALVINGS):
            found = evaluate(coef[:, active] + rate * step, active)
            # What the step should gain may be less than the rounding of the loss: then only the gradient decides.
            worse = (found[0] > values + 1e-4 * rate * expected) & (-expected > 1e-12 * np.abs(values))
            if not worse.any():
                break
            rate = np.where(worse, rate / 2, rate)
        else:
            found = evaluate(coef[:, active] + rate * step, active)
        coef[:, active] += rate * step
        values, slopes, bends = found
    return coef, False


def _lengths(gradient: Values, diagonal: Values) -> Values:
    lengths: Values = np.sqrt((gradient**2 / diagonal).sum(axis=0))
    return lengths


def conjugate_gradients(curve: Callable[[Values], Values], target: Values, diagonal: Values, accuracy: Values) -> Values:
    """Solve ``curve(step) = target`` for each column on its own; every further product only improves a step."""
    step, residual = np.zeros_like(target), target.copy()
    ready = residual / diagonal
    direction, length = ready.copy(), (residual * ready).sum(axis=0)
    enough = length * accuracy**2
    for _ in range(_MAX_PRODUCTS):
        going = length > enough
        if not going.any():
            break
        curved = curve(direction)
        bend = (direction * curved).sum(axis=0)
        going &= bend > 0
        if not going.any():
            break
        along = np.divide(length, bend, out=np.zeros_like(length), where=going)
        step += along * direction
        residual -= along * curved
        ready = residual / diagonal
        previous, length = length, np.where(going, (residual * ready).sum(axis=0), 0.0)
        direction = ready + np.divide(length, previous, out=np.zeros_like(length), where=previous > 0) * direction
        direction *= going
    return step
