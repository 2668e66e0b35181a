"""The verb merge: join caches of one recipe into one, without copying rows."""

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from featx.backbones import QuantizedNetwork
from featx.errors import CacheDamaged, CacheError, QuantizedNetworkError
from featx.models import keep_network, near_duplicates_across_splits, network_of_cache
from featx.recipe import Recipe
from featx.store import (
    CacheWriter,
    Catalog,
    FeatureCache,
    Shard,
    bring,
    check_content,
    check_something_is_left,
    missing_rows,
    needed_shards,
    shards_of,
    write_part,
    write_rejects,
)
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.paths import CACHE, StrPath, as_path_or_none, as_paths
from featx.system.progress import Progress
from featx.verbs.merge.given import check_recipe, default_target, one_recipe, read_listings, refuse_to_forget
from featx.verbs.merge.result import MergeResult, summarise
from featx.verbs.merge.union import Listing, unite


@closing_bars()
def merge_caches(
    caches: StrPath | Iterable[StrPath],
    cache: StrPath | None = None,
    *,
    partial: bool = False,
    wait: bool = False,
    progress: ProgressOption = None,
) -> MergeResult:
    """Join caches of one recipe: the parts of one extract, or caches of different images.

    Shards are linked, or copied where links are refused. Where the caches are parts of one listing, the result is what one
    extract of all images gives, splits included; otherwise each image keeps its class and its split.

    Parameters
    ----------
    caches : Path, str, or sequence of Path or str
        The caches' folders. They stay as they are.
    cache : Path, str or None
        The cache to make or to bring up to date; may be one of ``caches``. By default the only one of ``caches``, or
        ``cache/<name of the images' folder>`` where they are parts of its extract.
    partial : bool
        Accept parts that do not make up the whole listing.
    wait : bool
        Wait for another process that writes the cache.
    progress : callable or None
        Called as (stage, newly done, total), in rows.

    Returns
    -------
    result : MergeResult
        Counts that always add up.

    Raises
    ------
    CacheNotFound
        If there is no cache in one of the folders, or it holds no listing.
    RecipeMismatch
        If they were made with different settings.
    CacheDamaged
        If a file of one of the caches is not what was written, or rows that it lists are missing.
    CacheError
        If parts are missing, were drawn or augmented differently, or the cache cannot be written.

    Examples
    --------
    >>> for part in ("1", "2"):
    ...     options = {"shard": f"{part}/2", "backbone": "stub", "image_size": (64, 64)}
    ...     print(featx.extract_features("photos", f"cache/{part}", **options).extracted)
    18
    18
    >>> featx.merge_caches(["cache/1", "cache/2"], "cache/both").splits
    {'train': 24, 'val': 6, 'test': 6}
    """
    progress = as_progress(progress)
    started = time.monotonic()
    folders = list(dict.fromkeys(as_paths("caches", caches, CacheError)))
    recipe = one_recipe(folders)
    listings = [listing for folder in folders for listing in read_listings(folder, recipe)]
    whole = unite(listings, partial)
    target = as_path_or_none("cache", cache, CacheError, CACHE) or default_target(folders, whole)
    check_recipe(folders[0], recipe, target)
    store = FeatureCache.open_or_create(target, recipe)
    if target not in folders:
        refuse_to_forget(store, whole.catalog)
    shards = needed_shards([*store.shards, *(shard for folder in folders for shard in shards_of(folder, recipe))])
    _check_rows(FeatureCache(target, recipe, shards), whole.catalog, listings)
    _check_contents(shards, progress)
    network = _quantized(folders, recipe)
    with store.writing(wait) as writer:
        writer.record_network(_network_of(folders, recipe))
        writer.begin()
        if network is not None:
            keep_network(target, recipe, network)
        how = _bring_all(shards, target, progress)
        store.refresh()
        _finish(store, writer, whole.catalog, listings)
        near = near_duplicates_across_splits(store, keep=True, progress=progress)
    done = summarise(store, folders, whole, how, time.monotonic() - started)
    return dataclasses.replace(done, near_duplicates_across_splits=near)


def _check_rows(everything: FeatureCache, catalog: Catalog, listings: Sequence[Listing]) -> None:
    """Make sure that each listed image has its row somewhere; views of training images may be made later."""
    rows = catalog.rows()
    absent = rows[~everything.has([catalog.digests[row].tobytes() for row in rows])]
    if len(absent):
        lost = catalog.digests[absent[0]]
        of = next(listing.cache for listing in listings if (listing.catalog.digests == lost).all(axis=1).any())
        raise CacheDamaged(
            f"{of}: {len(absent)} rows are missing, that of {catalog.paths[absent[0]]!r} among them. "
            "Run featx extract on that cache again: it redoes just those. Then merge."
        )


def _check_contents(shards: Sequence[Shard], progress: Progress | None) -> None:
    """Read every byte of what is to be joined, so that no damage is copied."""
    _report(progress, "check", 0, shards)
    for shard in shards:
        check_content(shard.path)
        _report(progress, "check", len(shard), shards)


def _bring_all(shards: Sequence[Shard], target: Path, progress: Progress | None) -> Counter[str]:
    how: Counter[str] = Counter()
    _report(progress, "merge", 0, shards)
    for shard in shards:
        how[bring(shard.path, target)] += 1
        _report(progress, "merge", len(shard), shards)
    return how


def _report(progress: Progress | None, stage: str, done: int, shards: Sequence[Shard]) -> None:
    if progress:
        progress(stage, done, sum(map(len, shards)))


def _network_of(folders: Sequence[Path], recipe: Recipe) -> dict[str, Any]:
    """Return the description of the backbone from the first cache that has one; a part without an image has none."""
    networks = (FeatureCache(folder, recipe, []).network for folder in folders)
    return next((network for network in networks if network), {})


def _quantized(folders: Sequence[Path], recipe: Recipe) -> QuantizedNetwork | None:
    """Return the network of int8 features from the first cache that still has it."""
    lost: QuantizedNetworkError | None = None
    for folder in folders:
        try:
            return network_of_cache(FeatureCache(folder, recipe, []))
        except QuantizedNetworkError as error:
            lost = lost or error
    assert lost is not None  # there is at least one cache
    raise lost


def _finish(store: FeatureCache, writer: CacheWriter, catalog: Catalog, listings: Sequence[Listing]) -> None:
    """Put the listing in force, unless views are missing, which only an extract can make."""
    views, parts = missing_rows(catalog, store), [listing.catalog for listing in listings if listing.catalog.part]
    if views and not parts:
        raise CacheDamaged(f"{store.folder}: {views} augmented views are missing in the caches given. Extract these again.")
    if views:
        for part in parts:
            write_part(store.folder, part)
        quoted = shlex.quote(str(store.folder))
        raise CacheError(
            f"{store.folder}: all images are in it now, but {views} augmented views are missing: which images are for training "
            f"is drawn from all parts together, and a part can only guess. Run featx extract IMAGES --cache {quoted} "
            "with the settings of the parts, without --part: it makes just those."
        )
    rejects = store.folder / "rejects.csv"
    write_rejects(rejects, catalog)
    check_something_is_left(catalog, rejects)
    writer.commit(catalog)
