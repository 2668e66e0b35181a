"""Drawing train, val and test for a listing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.images import Strata, assign_splits
from featx.store import SPLITS
from featx.system.digests import Digests


def draw_splits(
    labels: Strata,
    digests: Digests,
    given: Sequence[str],
    groups: Sequence[str],
    present: NDArray[np.bool_],
    shares: tuple[float, float],
    seed: int,
) -> NDArray[np.int8]:
    """Return each image's split, as an index into ``SPLITS``; those without features take no part in the draw.

    Parameters
    ----------
    labels : ndarray of shape (n_images,), int32, or of shape (n_images, n_strata), bool
        Class of each image, or what else its splits are stratified by; see ``strata_of``.
    digests : ndarray of shape (n_images, 32), uint8
        Content digest of each.
    given : sequence of str
        Its split where the folder or the manifest gives it, else empty.
    groups : sequence of str
        Its group, empty for none; no entries where there are no groups.
    present : ndarray of shape (n_images,), bool
        Whether it has features.
    shares : tuple of float
        For val and for test.
    seed : int
        Of the draw.
    """
    rows = np.flatnonzero(present)
    drawn = assign_splits(
        labels[rows],
        digests[rows],
        [given[row] for row in rows.tolist()],
        [groups[row] for row in rows.tolist()] if groups else (),
        val_fraction=shares[0],
        test_fraction=shares[1],
        seed=seed,
    )
    code_of = {"": SPLITS.index("train")} | {split: code for code, split in enumerate(SPLITS)}
    splits = np.array([code_of[split] for split in given], np.int8)
    splits[rows] = [code_of[split] for split in drawn]
    return splits
