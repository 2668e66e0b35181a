"""Images that stand more than once in a listing: counted once, or leaking from one split into another."""

import dataclasses

import numpy as np

from featx.store.listing.catalog import Catalog
from featx.store.listing.said import differ
from featx.system.digests import first_alike


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Images whose very content stands more than once in a listing.

    Parameters
    ----------
    duplicates : int
        Images with the content of another listed before.
    conflicts : list of str
        Those that stand in more than one class, or with other labels or numbers: at least one is wrong.
    across_splits : list of str
        Val and test images that stand in train too, or test images that stand in val: a head has seen them.
    """

    duplicates: int
    conflicts: list[str]
    across_splits: list[str]


def find_repeats(catalog: Catalog) -> Repeats:
    """Find the images with features that stand more than once."""
    usable = catalog.rows()
    first = first_alike(catalog.digests[usable])
    splits = catalog.splits[usable]
    # Train, val, test: the order in which a fit sees them.
    first_split = splits.copy()
    np.minimum.at(first_split, first, splits)
    in_conflict = np.zeros(len(usable), np.bool_)
    in_conflict[first[differ(catalog, usable, usable[first])]] = True
    return Repeats(
        duplicates=int((first != np.arange(len(usable))).sum()),
        conflicts=[catalog.paths[row] for row in usable[in_conflict[first]].tolist()],
        across_splits=[catalog.paths[row] for row in usable[splits > first_split[first]].tolist()],
    )
