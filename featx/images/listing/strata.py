"""What val and test are drawn alike of: classes, labels, or the range that a number is in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.task import Task

Strata = NDArray[Any]
"""One for each image (n_images,), or several, as columns that are true (n_images, n_strata)."""

_MOST_RANGES = 10
_IN_A_RANGE = 7
"""Images that a range of numbers has at least: of fewer, a share of 0.15 would be none."""


def strata_of(task: Task, labels: NDArray[np.int32], targets: NDArray[np.float64] | None) -> Strata:
    """Return the strata of each image, which do not depend on the order of the images.

    Of labels, two strata each, there and absent: a measure needs both. Of numbers, ranges with as many images each.

    Parameters
    ----------
    task : Task
        What is to be learned.
    labels : ndarray of shape (n_images,), int32
        Class or grade of each.
    targets : ndarray of shape (n_images, n_names), float64, or None
        Of labels and numbers; NaN for not known.
    """
    if targets is None:
        return labels
    if task.kind == "numbers":
        ranges = [_ranges(column) for column in targets.T]
        if len(ranges) == 1:
            return ranges[0]
        return np.concatenate([column[:, None] == np.arange(column.max(initial=0) + 1) for column in ranges], axis=1)
    both = np.concatenate([targets == 1, targets == 0], axis=1)
    return np.concatenate([both, ~both.any(axis=1, keepdims=True)], axis=1)


def _ranges(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the range of each number, from 0 on; those that are not known have one of their own, the last."""
    known = ~np.isnan(values)
    n_ranges = int(np.clip(known.sum() // _IN_A_RANGE, 1, _MOST_RANGES))
    edges = np.unique(np.quantile(values[known], np.arange(1, n_ranges) / n_ranges)) if known.any() else np.empty(0)
    found = np.searchsorted(edges, values, side="right")
    found[~known] = len(edges) + 1
    return np.unique(found, return_inverse=True)[1].reshape(-1).astype(np.int32)
