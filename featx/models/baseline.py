"""What accuracy is worth nothing: that of answering the same class always."""

import numpy as np
from numpy.typing import ArrayLike


def largest_share(labels: ArrayLike) -> float | None:
    """Return the accuracy of always answering the largest class; None without images.

    Parameters
    ----------
    labels : array_like of shape (n_images,), int
        Labels of the images measured, from 0.
    """
    given = np.asarray(labels, np.int64)
    return float(np.bincount(given).max() / len(given)) if len(given) else None
