"""Dropping rows that nobody needs, so that a kill or a power cut at any instant leaves every other row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.store.documents import writing_named
from featx.store.listing.catalog import Catalog
from featx.store.shards.lookup import RowLookup
from featx.store.shards.reader import ShardRows
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import ShardWriter, copy_rows
from featx.system.durable import delete


class Listed:
    """Tells which rows belong to an image of the catalog.

    Parameters
    ----------
    catalog : Catalog
        The last finished listing.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._lookup = RowLookup(catalog.digests, np.zeros(len(catalog), np.int64))
        self._views = np.array((0, *catalog.view_keys), np.int64)

    def __call__(self, shard: Shard) -> NDArray[np.bool_]:
        """Return, for each row of a shard, whether its image is listed and its view is in use."""
        listed = self._lookup.find(shard.digests, np.zeros(len(shard), np.int64)) >= 0
        return listed & np.isin(shard.views, self._views)


def find_repeated(shards: Sequence[Shard]) -> list[NDArray[np.bool_]]:
    """Tell, for each row of each shard, whether it stands in a place before: two parts, or one part twice, did it at once.

    Such rows are never read, and do no harm but take space.
    """
    rows = ShardRows(shards)
    starts = np.cumsum([0, *map(len, shards)])
    return [
        rows.find(shard.digests, shard.views) != np.arange(start, start + len(shard))
        for shard, start in zip(shards, starts[:-1].tolist(), strict=True)
    ]


def prune(catalog: Catalog, shards: Sequence[Shard]) -> int:
    """Drop the rows that are not listed, or that stand in another shard too; call it only while holding the cache's lock.

    Which rows of a shard to drop is decided when its turn comes, by the shards that have had theirs: these are on the disk,
    whole and forced, and stay.

    Parameters
    ----------
    catalog : Catalog
        Which rows are in use.
    shards : sequence of Shard
        All shards of the recipe, whole.

    Returns
    -------
    dropped : int
        Number of rows left out.

    Raises
    ------
    CacheWriteError
        If the disk refuses; the shard whose turn it is stays.
    """
    is_listed = Listed(catalog)
    stays = ShardRows([])
    done: set[Path] = set()
    dropped = 0
    for shard in shards:
        # Rewriting is deterministic: after a kill between the two steps of a rewrite, the next run makes a shard that is there.
        if shard.path in done:
            dropped += len(shard)
            continue
        first = RowLookup(shard.digests, shard.views).find(shard.digests, shard.views) == np.arange(len(shard))
        kept = is_listed(shard) & first & (stays.find(shard.digests, shard.views) < 0)
        left = _rewritten(shard, np.flatnonzero(kept))
        if left is not None:
            stays.add(left)
            done.add(left.path)
        if left is None or left.path != shard.path:
            with writing_named(shard.path):
                delete(shard.path)
        dropped += int((~kept).sum())
    return dropped


def _rewritten(shard: Shard, kept: NDArray[np.int64]) -> Shard | None:
    """Return the shard itself if all its rows are kept, a published one of those that are, or None if none is."""
    if len(kept) == len(shard):
        return shard
    if not len(kept):
        return None
    writer = ShardWriter(shard.path.parent, shard.fingerprint, shard.maps_dtype)
    copy_rows(shard, kept, writer)
    return writer.commit()


def drop_foreign(paths: list[Path]) -> None:
    """Delete shards of another recipe; call it only while holding the cache's lock."""
    if paths:
        with writing_named(paths[0].parent):
            delete(*paths)
