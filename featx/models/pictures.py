"""What was measured of the pictures of a cache: stored with their rows, or measured now from their files."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError
from featx.images import MEASURES, PICTURE_SIDE
from featx.models.compute import decode_files
from featx.models.listed import ListedFiles
from featx.models.settings import Compute
from featx.store import FeatureCache
from featx.system.progress import Progress

_BATCH = 64


@dataclasses.dataclass(frozen=True)
class MeasuredPictures:
    """Measures and thumbnails of some images of a cache.

    Parameters
    ----------
    measures : ndarray of shape (n, 7), float32
        In the order of ``MEASURES``; NaN where nothing was measured.
    thumbnails : ndarray of shape (n, 32, 32), uint8
        Small grey copies; zeros where nothing was measured.
    """

    measures: NDArray[np.float32]
    thumbnails: NDArray[np.uint8]

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which were measured (n,)."""
        return np.asarray(np.isfinite(self.measures).all(axis=1))

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one of the measures (n,)."""
        return self.measures[:, MEASURES.index(name)]


def stored_pictures(store: FeatureCache, rows: NDArray[np.int64]) -> MeasuredPictures:
    """Return what extract measured of some rows of the catalog; caches of an older featx have none of it.

    Raises
    ------
    CacheDamaged
        If it cannot be read.
    """
    measures, present = store.pictures(rows, "measures", (len(MEASURES),), np.float32)
    thumbnails, with_thumbnail = store.pictures(rows, "thumbnail", (PICTURE_SIDE, PICTURE_SIDE), np.uint8)
    measures = np.where((present & with_thumbnail)[:, None], measures, np.nan)
    return MeasuredPictures(measures.astype(np.float32), thumbnails.astype(np.uint8))


def measure_missing(
    store: FeatureCache,
    rows: NDArray[np.int64],
    pictures: MeasuredPictures,
    compute: Compute | None = None,
    progress: Progress | None = None,
) -> MeasuredPictures:
    """Decode the files of images of which nothing was measured; what comes out is kept nowhere.

    An image whose file is gone or has changed stays unmeasured, unless a twin of it is listed.

    Parameters
    ----------
    store : FeatureCache
        Its catalog lists the files.
    rows : ndarray of shape (n,), int64
        Rows of the catalog.
    pictures : MeasuredPictures
        Of these rows; left unchanged.
    compute : Compute or None
        Decoding processes; by default one for each core.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    catalog = store.catalog
    lacking = np.flatnonzero(~pictures.present)
    measures, thumbnails = pictures.measures.copy(), pictures.thumbnails.copy()
    files = ListedFiles(catalog, rows[lacking])
    how = dataclasses.replace(compute or Compute(), batch_size=_BATCH)
    for batch in decode_files(files, store.recipe, how, stage="measure", progress=progress):
        if batch.positions:
            measured, places = batch.measured(), lacking[batch.positions]
            measures[places], thumbnails[places] = measured["measures"], measured["thumbnail"]
    return MeasuredPictures(measures, thumbnails)


def all_pictures(store: FeatureCache, rows: NDArray[np.int64], progress: Progress | None = None) -> MeasuredPictures:
    """Return what was measured of some rows, stored or from their files now.

    Raises
    ------
    CacheError
        If of some it is neither stored nor to be had.
    """
    pictures = measure_missing(store, rows, stored_pictures(store, rows), progress=progress)
    if lost := int((~pictures.present).sum()):
        raise CacheError(
            f"{store.folder}: of {lost} of {len(rows)} images nothing was measured when they were extracted (by an older "
            f"featx), and their files are not at {store.catalog.source} as they were. Extract them again into a new cache."
        )
    return pictures
