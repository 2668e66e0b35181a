"""One rising curve for all of a head's probabilities: it bends where the confidence is wrong, and keeps every order.

The curve is the isotonic regression of "this class is the right one" on "the probability of this class", over all classes of
all images at once, as one curve takes far fewer images than one for each class. Flat steps of the regression would make ties:
its blocks are joined by lines from mean to mean, and a small part of the probability itself is added. So the curve rises
everywhere, and the order of an image's classes stays as it is, the first one included.

References
----------
Zhang, Kailkhura & Han (2020), Mix-n-Match: ensemble and compositional methods for uncertainty calibration in deep learning,
arXiv:2003.07329, section 3.2 (accuracy-preserving multi-class isotonic regression).
"""

import dataclasses
from typing import Self

import numpy as np
from numpy.typing import NDArray

OWN_SHARE = 0.01
"""How much of the probability itself is in the curve."""

_HALVINGS = 60


@dataclasses.dataclass(frozen=True)
class Isotonic:
    """A rising curve from probability to probability, by its corners.

    Parameters
    ----------
    x, y : ndarray of shape (n_corners,), float64
        Both from 0 to 1; ``x`` rises, ``y`` does not fall.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @classmethod
    def fit(cls, probabilities: NDArray[np.float64], labels: NDArray[np.integer]) -> Self:
        """Fit the curve to images (n, n_classes) that the head did not learn from, and their labels (n,)."""
        from sklearn.isotonic import isotonic_regression  # here, not above: predict needs no scikit-learn

        right = np.zeros(probabilities.shape)
        right[np.arange(len(labels)), labels] = 1
        x, place, count = np.unique(probabilities, return_inverse=True, return_counts=True)
        hits = np.bincount(place.ravel(), weights=right.ravel()) / count
        steps = isotonic_regression(hits, sample_weight=count.astype(np.float64), y_min=0.0, y_max=1.0)
        starts = np.flatnonzero(np.append(True, np.diff(steps) != 0))
        weight = np.add.reduceat(count.astype(np.float64), starts)
        middle = np.add.reduceat(x * count, starts) / weight
        return cls(middle, steps[starts])

    def __call__(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities (n, n_classes) on the curve, each row scaled to sum to 1."""
        curved = np.interp(probabilities, self.x, self.y) + OWN_SHARE * probabilities
        shares: NDArray[np.float64] = curved / curved.sum(axis=1, keepdims=True)
        return shares

    def undone(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities (n, n_classes) that gave these: rows that sum to 1 once the curve is taken back."""
        corners = np.unique(np.concatenate([[0.0], self.x, [1.0]]))
        heights = np.interp(corners, self.x, self.y) + OWN_SHARE * corners
        low, high = np.zeros((len(probabilities), 1)), np.full((len(probabilities), 1), heights.sum() * probabilities.shape[1])
        for _ in range(_HALVINGS):  # the sum of a row rises with what the row was divided by
            middle = (low + high) / 2
            above = np.interp(probabilities * middle, heights, corners).sum(axis=1, keepdims=True) > 1
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        found: NDArray[np.float64] = np.interp(probabilities * low, heights, corners)
        return found
