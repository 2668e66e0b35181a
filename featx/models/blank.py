"""Pictures of one colour among those that a head learns from or is judged by, found by what extract measured of each."""

import numpy as np
from numpy.typing import NDArray

from featx.images import BLANK, MEASURES, are_many_blank
from featx.store import FeatureCache

# Enough to estimate a share of a twentieth, and read in no time.
_MOST = 10_000


def blank_notes(store: FeatureCache, rows: NDArray[np.int64], what: str) -> list[str]:
    """Return a note if many pictures of a cache are blank; caches of an older featx have no measures and give none.

    Parameters
    ----------
    store : FeatureCache
        The cache.
    rows : ndarray of shape (n,), int64
        Rows of its catalog; of very many some are looked at, evenly spread.
    what : str
        What they are, such as ``training``.

    Raises
    ------
    CacheDamaged
        If the measures cannot be read.
    """
    rows = rows[:: -(-len(rows) // _MOST) or 1]
    if not len(rows):
        return []
    measures, present = store.pictures(rows, "measures", (len(MEASURES),), np.float32)
    contrast = measures[present, MEASURES.index("contrast")]
    return describe_blank(int((contrast < BLANK).sum()), len(contrast), what)


def describe_blank(blank: int, pictures: int, what: str) -> list[str]:
    """Return a note, or none if few pictures are blank."""
    if not are_many_blank(blank, pictures):
        return []
    return [
        f"{blank:,} of {pictures:,} {what} pictures are of one colour: there is nothing in them to tell a class by. "
        "White drawings on transparent pixels show on another --background"
    ]
