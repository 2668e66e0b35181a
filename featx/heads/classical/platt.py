"""Platt's sigmoid: from a signed distance to a probability.

References
----------
Platt (1999), Probabilistic outputs for support vector machines.
Lin, Lin & Weng (2007), A note on Platt's probabilistic outputs: the smoothed targets and Newton's method used here.
"""

import numpy as np
from numpy.typing import NDArray

_MAX_STEPS = 100
_ROUNDING = 1e-12
"""Of the loss: gains below that are lost in it."""

_FARTHEST = 700.0
"""exp stays finite."""


def fit_sigmoid(
    decision: NDArray[np.float64], positive: NDArray[np.bool_], counts: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Return slope and offset of 1 / (1 + exp(slope * decision + offset)), of the greatest likelihood.

    Parameters
    ----------
    decision : ndarray of shape (n_samples,)
        Held-out signed distances.
    positive : ndarray of shape (n_samples,), bool
        Whether the row is of the class.
    counts : ndarray of shape (n_samples,) or None
        How many rows each row stands for; by default itself alone.
    """
    counts = np.ones(len(decision)) if counts is None else counts
    n_positive, n_negative = float(counts[positive].sum()), float(counts[~positive].sum())
    # Targets a little inside 0 and 1: without them, classes that the distance separates without error give an infinite slope.
    targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    size = max(float(np.abs(decision).max()), 1e-300)
    columns = np.stack([decision / size, np.ones(len(decision))])  # one size, so that one curvature bound fits both
    values = np.array([0.0, np.log((n_negative + 1) / (n_positive + 1))])

    def loss(values: NDArray[np.float64]) -> float:
        exponent = values[0] * columns[0] + values[1]  # no matrix product: starting its threads takes longer than the sum
        # NumPy's logaddexp(0, exponent) in a fraction of the time.
        log_sum = np.maximum(exponent, 0) + np.log1p(np.exp(-np.abs(exponent)))
        return float((counts * (log_sum - (1 - targets) * exponent)).sum())

    best, previous = loss(values), np.inf
    for _ in range(_MAX_STEPS):
        shares = 1 / (1 + np.exp(np.clip(values @ columns, -_FARTHEST, _FARTHEST)))
        gradient = columns @ (counts * (targets - shares))
        curvature = (columns * (counts * shares * (1 - shares))) @ columns.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step <= _ROUNDING * best:
            # Here the loss no longer tells which values are better, and the gradient does: so the values are exact to
            # rounding, not to the square root of it.
            if (largest := np.abs(gradient).max()) >= previous:
                break
            previous, values = largest, values - step
            best = loss(values)
            continue
        for halving in range(30):
            new = values - step / 2**halving
            reached = loss(new)
            if reached <= best:
                break
        else:
            break  # no step is better: the minimum is reached, to rounding
        values, best = new, reached
    return float(values[0] / size), float(values[1])


def sigmoid_probabilities(
    decision: NDArray[np.float64], slope: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return class probabilities (n, n_classes) of signed distances (n, n_classes), or (n, 1) for two classes."""
    exponent = np.clip(decision * slope + offset, -_FARTHEST, _FARTHEST)
    shares: NDArray[np.float64] = 1 / (1 + np.exp(exponent))
    if shares.shape[1] == 1:
        return np.hstack([1 - shares, shares])
    normalised: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return normalised


def sigmoid_planes(
    coef: NDArray[np.float64], intercept: NDArray[np.float64], slope: NDArray[np.float64], offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients and intercepts whose sigmoids are the probabilities of each class.

    1 / (1 + exp(slope * distance + offset)) is the sigmoid of minus that exponent, which is a plane again.
    """
    return -slope[:, None] * coef, -(slope * intercept + offset)
