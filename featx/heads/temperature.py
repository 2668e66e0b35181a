"""One temperature for all of a head's probabilities: it changes how confident they are, never which class is first.

References
----------
Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4.2.
"""

import numpy as np
from numpy.typing import NDArray

from featx.heads.head import softmax

LEAST = 1e-12
"""Smaller probabilities are raised to this: knn's votes may be zero, which has no logarithm."""

LOWEST, HIGHEST = 0.01, 100.0
"""Beyond these a temperature only shows that the probabilities carry no information."""

# Above what float64 cannot hold with all its digits.
_SMALLEST = 1e-300


def scaled(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return probabilities (n, n_classes) whose logarithms are divided by a temperature; 1 leaves every bit as it is."""
    if temperature == 1.0:
        return probabilities
    return softmax(np.log(np.maximum(probabilities, LEAST)) / temperature)


def unscaled(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Invert ``scaled``; the temperature must leave probabilities above zero (from about 0.05)."""
    if temperature == 1.0:
        return probabilities
    return softmax(np.log(np.maximum(probabilities, _SMALLEST)) * temperature)


def fit_temperature(probabilities: NDArray[np.float64], y: NDArray[np.integer]) -> float | None:
    """Return the temperature under which the labels are most likely.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of images that the head did not learn from.
    y : ndarray of shape (n,)
        Their labels: columns of ``probabilities``.

    Returns
    -------
    temperature : float or None
        Above 1 where the head is overconfident. None where every image is right: then the likelihood grows without bound as the
        temperature falls.
    """
    if (probabilities.argmax(axis=1) == y).all():
        return None
    logits = np.log(np.maximum(probabilities, LEAST))
    own = logits[np.arange(len(y)), y]

    def slope(log_temperature: float) -> float:
        """Below 0 where a higher temperature is more likely."""
        shares = softmax(logits / np.exp(log_temperature))
        return float((own - (shares * logits).sum(axis=1)).sum())

    # The log loss is convex in the inverse temperature, so that its slope changes sign once, if not past the ends. The root of
    # the slope is exact to rounding; a search for the least loss itself stops at the root of that precision.
    low, high = np.log(LOWEST), np.log(HIGHEST)
    if slope(high) < 0:
        return HIGHEST
    if slope(low) >= 0:
        return LOWEST
    from scipy.optimize import brentq  # here, not above: ridge and predict need no SciPy

    return float(np.exp(brentq(slope, low, high, xtol=1e-14)))
