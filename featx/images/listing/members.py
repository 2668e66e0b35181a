"""Which images of a listing belong to each class, have each label, or tell of each number."""

import numpy as np
from numpy.typing import NDArray

from featx.images.listing.index import ImageIndex


def members_of(index: ImageIndex) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each class or grade, of each label that has it, and of each target that are known; ascending."""
    if index.targets is not None:
        there = index.targets == 1 if index.task.kind == "labels" else ~np.isnan(index.targets)
        return {name: np.flatnonzero(there[:, column]) for column, name in enumerate(index.task.names)}
    order = np.argsort(index.labels, kind="stable")
    bounds = np.searchsorted(index.labels[order], np.arange(len(index.class_names) + 1))
    return {name: order[bounds[label] : bounds[label + 1]] for label, name in enumerate(index.class_names)}
