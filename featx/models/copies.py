"""Exact and near duplicates among the images of a cache."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.models.alike import find_near_duplicates
from featx.models.pictures import MeasuredPictures, all_pictures
from featx.store import SPLITS, FeatureCache
from featx.system.cores import available_cores
from featx.system.linked import group_pairs
from featx.system.progress import Progress


@dataclasses.dataclass(frozen=True)
class Copies:
    """Which of some images show the same picture.

    Parameters
    ----------
    groups : ndarray of shape (n,), int64
        Group of each, named by the position of its first member: exact and near duplicates, and chains of them, share a group.
    contents : ndarray of shape (n,), int64
        The same for exact duplicates alone.
    agreement : dict of (int, int) to float
        Correlation of the pictures of each pair of near duplicates, by the positions of the first of each content.
    """

    groups: NDArray[np.int64]
    contents: NDArray[np.int64]
    agreement: dict[tuple[int, int], float]


def find_copies(
    store: FeatureCache, rows: NDArray[np.int64], pictures: MeasuredPictures, progress: Progress | None = None
) -> Copies:
    """Find exact duplicates by content, and near duplicates by their pictures where these were measured.

    Parameters
    ----------
    store : FeatureCache
        Its catalog knows the contents.
    rows : ndarray of shape (n,), int64
        Rows of the catalog.
    pictures : MeasuredPictures
        Of these rows.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    _, first, content = np.unique(store.catalog.digests[rows], axis=0, return_index=True, return_inverse=True)
    contents = first[content.reshape(-1)]
    alone = np.flatnonzero((contents == np.arange(len(rows))) & pictures.present)
    total = 3 * len(alone)
    if progress and total:
        progress("duplicates", 0, total)
    note = (lambda done: progress("duplicates", done, total)) if progress else None
    near = find_near_duplicates(pictures.thumbnails[alone], threads=available_cores(), progress=note)
    pairs = alone[near.pairs]
    exact = np.stack([contents, np.arange(len(rows))], axis=1)
    groups = group_pairs(len(rows), np.concatenate([exact, pairs]))
    agreement = {(left, right): float(value) for (left, right), value in zip(pairs.tolist(), near.agreement, strict=True)}
    return Copies(groups, contents.astype(np.int64), agreement)


@dataclasses.dataclass(frozen=True)
class TrainingCopies:
    """Copies among the training images of a cache, and of them among the others.

    Parameters
    ----------
    groups : ndarray of shape (n_training_images,), int64
        In the order of the catalog; exact and near duplicates share a group.
    others : ndarray of shape (n,), int64
        Rows of val and test images that are near duplicates of a training image, exact duplicates left out.
    """

    groups: NDArray[np.int64]
    others: NDArray[np.int64]


def find_training_copies(store: FeatureCache, progress: Progress | None = None) -> TrainingCopies:
    """Find exact and near duplicates among all images of a cache.

    Raises
    ------
    CacheError
        If their pictures were not measured, and cannot be now.
    """
    catalog, rows = store.catalog, store.catalog.rows()
    copies = find_copies(store, rows, all_pictures(store, rows, progress=progress), progress)
    training = catalog.splits[rows] == SPLITS.index("train")
    # Fit and extract report exact duplicates anyway.
    near = np.isin(copies.groups, copies.groups[training]) & ~np.isin(copies.contents, copies.contents[training])
    return TrainingCopies(copies.groups[training], rows[near])
