"""Near duplicates between the splits of a cache: images that a head is measured on and has as good as seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.models.copies import find_copies
from featx.models.model import Model
from featx.models.pictures import stored_pictures
from featx.store import FeatureCache, keep_alike, kept_alike
from featx.system.digests import first_alike
from featx.system.progress import Progress

MOST_COMPARED = 10_000
"""Different images: among more, near duplicates are left to an audit. Among so many they take some five seconds."""


def picture_groups(store: FeatureCache, *, keep: bool = False, progress: Progress | None = None) -> NDArray[np.int64] | None:
    """Return which images show the same picture: those that share a number are exact or near duplicates, or a chain of them.

    Parameters
    ----------
    store : FeatureCache
        What an extract kept is read; nothing is decoded.
    keep : bool
        Keep what is found in the cache's folder, for the next time. The caller holds its lock.
    progress : callable or None
        Called as (stage, newly done, total) where they are not kept yet.

    Returns
    -------
    groups : ndarray of shape (n,), int64, or None
        In the order of the catalog's images with features. None where there are more than ``MOST_COMPARED`` that nothing is
        kept of, or the pictures of some were not measured (by an older featx) or cannot be read.

    Raises
    ------
    CacheWriteError
        With ``keep``: if the disk refuses.
    """
    catalog, rows = store.catalog, store.catalog.rows()
    contents, first, content = np.unique(catalog.digests[rows], axis=0, return_index=True, return_inverse=True)
    groups = kept_alike(store.folder, catalog.fingerprint, contents)
    if groups is None:
        if len(contents) > MOST_COMPARED:
            return None
        alone = rows[first]
        try:
            pictures = stored_pictures(store, alone)
        except CacheDamaged:
            return None  # the features may be whole, and they are what was asked for; featx verify finds it
        if not pictures.present.all():
            return None
        groups = find_copies(store, alone, pictures, progress).groups
        if keep:
            keep_alike(store.folder, catalog.fingerprint, contents, groups)
    return np.asarray(groups[content.reshape(-1)], np.int64)


def near_duplicates_across_splits(
    store: FeatureCache, *, keep: bool = False, progress: Progress | None = None
) -> list[str] | None:
    """Return the val and test images of which a near duplicate stands in an earlier split; exact ones are reported apart.

    Parameters
    ----------
    store, keep, progress
        As for ``picture_groups``.

    Returns
    -------
    paths : list of str, or None
        None where ``picture_groups`` returns it.

    Raises
    ------
    CacheWriteError
        With ``keep``: if the disk refuses.
    """
    catalog, rows = store.catalog, store.catalog.rows()
    splits = catalog.splits[rows]
    if len(np.unique(splits)) < 2:
        return []
    groups = picture_groups(store, keep=keep, progress=progress)
    if groups is None:
        return None
    exact = first_alike(catalog.digests[rows])
    near = (splits > _earliest(splits, groups)) & ~(splits > _earliest(splits, exact))
    return [catalog.paths[row] for row in rows[near].tolist()]


def showing_training_images(
    model: Model, store: FeatureCache, digests: Sequence[bytes], *, progress: Progress | None = None
) -> NDArray[np.bool_] | None:
    """Tell which listed images are exact or near duplicates of an image that the head was fitted on.

    Parameters
    ----------
    model : Model
        Knows the contents that it was fitted on; those that the cache no longer lists play no part.
    store : FeatureCache
        Lists the images.
    digests : sequence of bytes
        Contents of n of them.
    progress : callable or None
        As for ``picture_groups``.

    Returns
    -------
    shown : ndarray of shape (n,), bool, or None
        None where ``picture_groups`` returns it.
    """
    groups = picture_groups(store, progress=progress)
    if groups is None:
        return None
    listed = [digest.tobytes() for digest in store.catalog.digests[store.catalog.rows()]]
    group_of = dict(zip(listed, groups.tolist(), strict=True))
    fitted_on = np.unique(groups[model.saw_in_training(listed)])
    return np.isin([group_of[digest] for digest in digests], fitted_on)


def _earliest(splits: NDArray[np.integer], groups: NDArray[np.int64]) -> NDArray[np.integer]:
    """Return for each image the first split, of train, val and test, that its group stands in (n,)."""
    earliest = np.full(int(groups.max()) + 1, splits.max(), splits.dtype)
    np.minimum.at(earliest, groups, splits)
    return np.asarray(earliest[groups])
