"""What a catalog says of an image: its class, its labels or its numbers, in a text."""

import numpy as np
from numpy.typing import NDArray

from featx.store.listing.catalog import Catalog

BETWEEN = "|"
"""Between the labels of an image."""


def said_of(catalog: Catalog, row: int) -> str:
    """Return the class of an image, the labels that it has, or its numbers; empty where nothing is known.

    Of labels ``cat|indoor``, or ``|`` where it has none of them; of one number ``2.5``, of several ``score=2.5|width=30``.
    """
    if catalog.targets is None:
        label = int(catalog.labels[row])
        return catalog.class_names[label] if label >= 0 else ""
    names, values = catalog.task.names, catalog.targets[row]
    known = ~np.isnan(values)
    if not known.any():
        return ""
    if catalog.task.kind == "labels":
        return BETWEEN.join(names[column] for column in np.flatnonzero(values == 1)) or BETWEEN
    if len(names) == 1:
        return f"{values[0]:g}"
    return BETWEEN.join(f"{names[column]}={values[column]:g}" for column in np.flatnonzero(known))


def in_conflict(catalog: Catalog, rows: NDArray[np.int64]) -> bool:
    """Return whether two of the rows say different things, as far as both say anything."""
    if catalog.targets is None:
        return len(np.unique(catalog.labels[rows])) > 1
    known = ~np.isnan(catalog.targets[rows])
    least = np.where(known, catalog.targets[rows], np.inf).min(axis=0, initial=np.inf)
    most = np.where(known, catalog.targets[rows], -np.inf).max(axis=0, initial=-np.inf)
    return bool((least < most).any())


def differ(catalog: Catalog, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each row (n,) says something else than the other row beside it, as far as both say anything."""
    if catalog.targets is None:
        return np.asarray(catalog.labels[rows] != catalog.labels[others])
    mine, theirs = catalog.targets[rows], catalog.targets[others]
    return np.asarray(((mine != theirs) & ~np.isnan(mine) & ~np.isnan(theirs)).any(axis=1))
