"""What accuracy is worth nothing: that of answering the same class always."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def largest_share(labels: ArrayLike, weights: NDArray[np.float64] | None = None) -> float | None:
    """Return the accuracy of always answering the largest class; None without images, or where none weighs anything.

    Parameters
    ----------
    labels : array_like of shape (n_images,), int
        Labels of the images measured, from 0.
    weights : ndarray of shape (n_images,), float64, or None
        How much each counts; None where all count alike.
    """
    counts = np.bincount(np.asarray(labels, np.int64), weights)
    return float(counts.max() / counts.sum()) if counts.any() else None
