"""What is wrong with a cache on disk, and setting it right without deciding for the user what to lose."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.recipe import Recipe
from featx.store.cache import FeatureCache
from featx.store.documents import shard_paths, writing_named
from featx.store.inside import ASIDE, PARTS, QUANTIZED, UNFINISHED
from featx.store.listing.catalog import EXTRACTED, Catalog
from featx.store.listing.parts import part_paths
from featx.store.shards.lookup import RowLookup
from featx.store.shards.reader import ShardRows
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import ShardWriter, copy_rows
from featx.system.files import TEMPORARY_PREFIX, sync_folder


@dataclasses.dataclass(frozen=True)
class Damage:
    """A damaged file, and what is wrong with it.

    Parameters
    ----------
    path : Path
        The file.
    problem : str
        What is wrong, in one sentence.
    """

    path: Path
    problem: str


@dataclasses.dataclass(frozen=True)
class Survey:
    """The state of a cache's files.

    Parameters
    ----------
    damages : list of Damage
        What is wrong with shards, catalog and the listings of parts.
    sound : list of Shard
        Whole shards of the recipe.
    foreign : list of Path
        Whole shards of another recipe: never used, no damage.
    leftovers : list of Path
        Unfinished files of dead writers; the next extract sweeps them.
    """

    damages: list[Damage]
    sound: list[Shard]
    foreign: list[Path]
    leftovers: list[Path]


def survey(folder: Path, recipe: Recipe) -> Survey:
    """Read every byte of every shard and every checksum in it, the catalog and the listings of parts."""
    damages: list[Damage] = []
    sound: list[Shard] = []
    foreign: list[Path] = []
    for path in shard_paths(folder):
        try:
            shard = Shard(path)
            shard.check()
            if shard.fingerprint == recipe.fingerprint:
                shard.check_layers(recipe.layers)
                sound.append(shard)
            else:
                foreign.append(path)
        except CacheDamaged as error:
            damages.append(Damage(path, str(error)))
    for listing in (folder / "catalog.h5", *part_paths(folder)):
        if listing.exists():
            try:
                Catalog.read(listing)
            except CacheDamaged as error:
                damages.append(Damage(listing, str(error)))
    places = folder, folder / "shards", folder / PARTS, folder / QUANTIZED
    leftovers = sorted(path for where in places for path in where.glob(f"{TEMPORARY_PREFIX}*"))
    return Survey(damages, sound, foreign, leftovers)


def set_aside(folder: Path, damages: list[Damage]) -> list[Path]:
    """Move damaged files out of use; call it only while holding the cache's lock.

    Returns
    -------
    moved : list of Path
        Where they are now. They are kept, so that rows can still be rescued from them by hand.

    Raises
    ------
    CacheWriteError
        If they cannot be moved.
    """
    aside = folder / ASIDE
    moved = []
    with writing_named(aside):
        for damage in damages:
            if not damage.path.exists():  # what is gone cannot be moved
                continue
            aside.mkdir(exist_ok=True)
            target = _unused(aside / damage.path.name)
            damage.path.rename(target)
            moved.append(target)
            sync_folder(damage.path.parent)
    return moved


def is_unfinished(folder: Path) -> bool:
    """Return whether an extract was begun and not finished: then rows that no listing names may be its work."""
    return (folder / UNFINISHED).exists()


def drop_foreign(paths: list[Path]) -> None:
    """Delete shards of another recipe; call it only while holding the cache's lock."""
    for path in paths:
        with writing_named(path):
            path.unlink(missing_ok=True)


def missing_rows(catalog: Catalog, store: FeatureCache) -> int:
    """Count the rows that the catalog's images should have, in every view, and that are in no shard."""
    rows = np.flatnonzero(catalog.status == EXTRACTED)
    missing = (~store.has(catalog.digests[rows])).sum()
    learned = catalog.digests[catalog.rows("train")]
    return int(missing + sum((~store.has(learned, key)).sum() for key in catalog.view_keys))


class Listed:
    """Finds the rows that belong to an image of the catalog.

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
    """Return, for each row of each shard, whether an earlier row has its key: two parts, or one part twice, ran at once.

    Such rows are never read, and do no harm but take space.
    """
    rows = ShardRows(shards)
    starts = np.cumsum([0, *map(len, shards)])
    return [
        rows.find(shard.digests, shard.views) != np.arange(start, start + len(shard))
        for shard, start in zip(shards, starts[:-1].tolist(), strict=True)
    ]


def prune_shard(listed: NDArray[np.bool_], shard: Shard) -> int:
    """Rewrite a shard without its unlisted rows; call it only while holding the cache's lock.

    The new shard is published before the old one goes, so a kill in between leaves each row at least once.

    Parameters
    ----------
    listed : ndarray of shape (n_rows,), bool
        Which rows to keep.
    shard : Shard
        The shard.

    Returns
    -------
    dropped : int
        Number of rows left out.

    Raises
    ------
    CacheWriteError
        If the disk refuses; the old shard stays.
    """
    kept = np.flatnonzero(listed)
    if len(kept) == len(shard):
        return 0
    if len(kept):
        writer = ShardWriter(shard.path.parent, shard.fingerprint, shard.maps_dtype)
        copy_rows(shard, kept, writer)
        writer.commit()
    with writing_named(shard.path):
        shard.path.unlink()
    return len(shard) - len(kept)


def _unused(path: Path) -> Path:
    number, candidate = 0, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate
