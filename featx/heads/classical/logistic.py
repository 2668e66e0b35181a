"""Logistic regression by Newton's method, for rows in a basis where a diagonal holds nearly all of the curvature.

scikit-learn's L-BFGS takes the same steps in every rotation of the features. On the rows of a ``Span`` that ignores what the
rotation gives: there the Hessian is nearly diagonal, so conjugate gradients preconditioned by its diagonal need a few
products for each step of Newton's method, and the last steps are exact to rounding. At 2,000 x 25,088 and 10 classes: a
dozen steps instead of hundreds of iterations over twelve times as many columns.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featx.heads.head import softmax

_MAX_STEPS = 100
_MAX_PRODUCTS = 300
_MAX_HALVINGS = 30
_TOLERANCE = 1e-9
"""Of the gradient's length, in the curvature's own measure, against its length at zero coefficients."""

Values = NDArray[np.float64]


def fit_logistic(X: Values, labels: NDArray[np.integer], weights: Values, C: float) -> tuple[Values, Values, bool]:
    """Minimise C times the weighted cross-entropy plus half the squared length of the coefficients.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        Scaled features.
    labels : ndarray of shape (n_samples,), int
        Position of each row's class, from 0.
    weights : ndarray of shape (n_samples,), float64
        Of each row.
    C : float
        Inverse strength of the penalty; intercepts are free of it.

    Returns
    -------
    coef : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        As scikit-learn's ``LogisticRegression`` has it.
    intercept : ndarray of shape (n_classes,) or (1,)
        The same.
    converged : bool
        Whether the tolerance was reached.
    """
    targets = np.zeros((len(X), int(labels.max()) + 1))
    targets[np.arange(len(X)), labels] = 1
    first = 1 if targets.shape[1] == 2 else 0  # of two classes the first is where the decision is 0, as in scikit-learn
    targets = targets[:, first:]
    # The last row of every array of coefficients is the intercepts.
    coef = np.zeros((X.shape[1] + 1, targets.shape[1]))
    squares = np.append(np.einsum("i,ij,ij->j", weights, X, X), weights.sum()) / weights.sum()
    penalty = np.append(np.full(X.shape[1], 1 / C), 0)[:, None]

    def evaluate(coef: Values) -> tuple[float, Values]:
        logits = np.hstack([np.zeros((len(X), first)), X @ coef[:-1] + coef[-1]])
        shares = softmax(logits)[:, first:]
        highest = logits.max(axis=1)
        loss = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)) - (targets * logits[:, first:]).sum(axis=1)
        return float(weights @ loss + 0.5 * (penalty * coef**2).sum()), shares

    def transposed(values: Values) -> Values:
        return np.vstack([X.T @ values, values.sum(axis=0)])

    value, shares = evaluate(coef)
    wanted_length = None
    for _ in range(_MAX_STEPS):
        gradient = transposed(weights[:, None] * (shares - targets)) + penalty * coef
        spread = weights[:, None] * shares * (1 - shares)
        diagonal = squares[:, None] * np.maximum(spread.sum(axis=0), 1e-12) + penalty
        length = float(np.sqrt((gradient**2 / diagonal).sum()))
        wanted_length = _TOLERANCE * length if wanted_length is None else wanted_length
        if length <= wanted_length:
            return *_planes(coef), True

        def curve(direction: Values, shares: Values = shares) -> Values:
            change = shares * (X @ direction[:-1] + direction[-1])
            change -= shares * change.sum(axis=1, keepdims=True)
            return transposed(weights[:, None] * change) + penalty * direction

        step = conjugate_gradients(curve, -gradient, diagonal, min(0.1, length))
        expected = float((gradient * step).sum())
        for halving in range(_MAX_HALVINGS):
            new_value, new_shares = evaluate(coef + step / 2**halving)
            # What the step should gain may be less than the rounding of the loss: then only the gradient decides.
            if new_value <= value + 1e-4 * expected / 2**halving or -expected <= 1e-12 * abs(value):
                break
        coef, value, shares = coef + step / 2**halving, new_value, new_shares
    return *_planes(coef), False


def _planes(coef: Values) -> tuple[Values, Values]:
    """Return coefficients and intercepts; these with a mean of 0, as the same amount on all of several classes says nothing."""
    intercept = coef[-1] - (coef[-1].mean() if coef.shape[1] > 1 else 0)
    return coef[:-1].T.copy(), intercept


def conjugate_gradients(curve: Callable[[Values], Values], target: Values, diagonal: Values, accuracy: float) -> Values:
    """Solve ``curve(step) = target``; the start is zero, so that every further product only improves the step."""
    step, residual = np.zeros_like(target), target.copy()
    ready = residual / diagonal
    direction, length = ready.copy(), float((residual * ready).sum())
    enough = length * accuracy**2
    for _ in range(_MAX_PRODUCTS):
        curved = curve(direction)
        bend = float((direction * curved).sum())
        if bend <= 0 or length <= enough:
            break
        step += length / bend * direction
        residual -= length / bend * curved
        ready = residual / diagonal
        previous, length = length, float((residual * ready).sum())
        direction = ready + length / previous * direction
    return step
