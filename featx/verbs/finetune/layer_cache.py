"""Features of another layer, for the images that a cache lists."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError, Interrupted
from featx.images import Augmentation, Views
from featx.models import CHANGED, Compute, Engine, Extractor, ListedFiles
from featx.store import EXTRACTED, REJECTED, CacheWriter, Catalog, FeatureCache
from featx.system.digests import are_among, first_alike
from featx.system.progress import Progress

RowViews = list[tuple[int, int]]
"""(row of the catalog, number of the view) of each image that has no features of the layer yet."""


def cache_of_layer(
    store: FeatureCache,
    layer: str,
    compute: Compute,
    *,
    weights: Path | None = None,
    wait: bool = False,
    progress: Progress | None = None,
) -> tuple[FeatureCache, int]:
    """Return a cache with features of a layer for the images that ``store`` lists, in the views that are in force there.

    That is ``store`` itself where it keeps the layer, otherwise a cache inside its folder. What is missing is extracted from
    the image files now.

    Parameters
    ----------
    store : FeatureCache
        Lists the images.
    layer : str
        The layer.
    compute : Compute
        How features are computed.
    weights : Path or None
        The backbone's weights file, already checked; None for random weights.
    wait : bool
        Wait for another process that writes the same cache.
    progress : callable or None
        Called as (stage, newly done, total).

    Returns
    -------
    cache : FeatureCache
        With the same classes, labels and splits.
    extracted : int
        Images and views that went through the backbone now.

    Raises
    ------
    ImageListError
        If no image file could be read.
    BackboneError, CacheError
        If the backbone cannot be built, or the cache not written.
    Interrupted
        On Ctrl-C, after what was done has been kept.
    """
    if layer in store.recipe.layers:
        return store, 0
    catalog = store.catalog
    recipe = dataclasses.replace(store.recipe, layers=(layer,))
    deep = FeatureCache.open_or_create(store.folder / "layers" / layer, recipe, overwrite=True)
    with deep.writing(wait) as writer:
        missing = _missing(deep, catalog)
        try:
            lost = _extract(store, deep, writer, missing, compute, weights, progress)
        except KeyboardInterrupt:
            writer.flush()
            raise Interrupted(
                f"{deep.folder}: stopped after {writer.added} of {len(missing)} images; their features are kept. "
                "Run the same command again to go on."
            ) from None
        writer.flush()
        # Where no file has a content any more, every row of that content goes, not only the row that it was looked up by.
        absent = are_among(catalog.digests, catalog.digests[[row for row, _ in _missing(deep, catalog)]])
        absent &= catalog.status == EXTRACTED
        if absent[catalog.rows()].all():
            raise ImageListError(
                f"{catalog.source}: none of the images that {store.folder} lists could be read there, so that there are no "
                f"features of {layer}. Put them back, or extract with --layer {layer},{store.recipe.layers[-1]}."
            )
        writer.commit(
            dataclasses.replace(
                catalog,
                fingerprint=recipe.fingerprint,
                status=np.where(absent, REJECTED, catalog.status).astype(np.uint8),
                reasons=[
                    lost.get(catalog.digests[row].tobytes(), CHANGED) if gone else catalog.reasons[row]
                    for row, gone in enumerate(absent)
                ],
            )
        )
        return deep, writer.added


def _missing(deep: FeatureCache, catalog: Catalog) -> RowViews:
    """List what has no features of the layer: every content once, those of training images in every view."""
    missing: RowViews = []
    for number, key in enumerate((0, *catalog.view_keys)):
        rows = catalog.rows("train" if number else None)
        rows = rows[first_alike(catalog.digests[rows]) == np.arange(len(rows))]
        missing += [(row, number) for row in rows[~deep.has(catalog.digests[rows], key)].tolist()]
    return sorted(missing)  # all views of one image together: it is decoded once for them


def _extract(
    store: FeatureCache,
    deep: FeatureCache,
    writer: CacheWriter,
    missing: RowViews,
    compute: Compute,
    weights: Path | None,
    progress: Progress | None,
) -> dict[bytes, str]:
    """Extract what is missing; return the contents that no file gave, and why."""
    lost: dict[bytes, str] = {}
    if not missing:
        return lost
    catalog = store.catalog
    rows, numbers = np.array(missing, np.int64).T
    views = Views(Augmentation.parse(catalog.augment), catalog.view_seed, numbers.tolist()) if catalog.view_keys else None
    keys: NDArray[np.int64] = np.array((0, *catalog.view_keys), np.int64)
    stage = "extract views" if views else "extract"
    extractor = Extractor(Engine(deep.recipe, weights), compute)
    # A file that was edited since it was listed is another image than the head was fitted on.
    for batch, maps in extractor(ListedFiles(catalog, rows), views, stage=stage, progress=progress):
        lost |= {catalog.digests[rows[position]].tobytes(): reason for position, reason in batch.rejected.items()}
        if maps:
            writer.record_network(extractor.network)
            writer.append(batch.digests, maps, keys[numbers[batch.positions]])
    return lost
