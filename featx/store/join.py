"""Shards of one cache into another: by a hard link where the file system lets us, else by a copy; never row by row."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featx.errors import CacheDamaged
from featx.recipe import Recipe
from featx.store.documents import MEND, shard_paths, writing_named
from featx.store.guard import damage_named
from featx.store.shards.reader import ShardRows
from featx.store.shards.shard import Shard
from featx.system.durable import discard, link
from featx.system.files import file_digest, publish, temporary_sibling

LINKED, COPIED, PRESENT = "linked", "copied", "present"
"""What it took to bring a shard in."""


def shards_of(folder: Path, recipe: Recipe) -> list[Shard]:
    """Open the shards of a recipe in a cache.

    Raises
    ------
    CacheDamaged
        If a shard is not whole, or keeps other layers.
    """
    shards = [Shard(path) for path in shard_paths(folder)]
    mine = [shard for shard in shards if shard.fingerprint == recipe.fingerprint]
    for shard in mine:
        shard.check_layers(recipe.layers)
    return mine


def check_content(path: Path) -> None:
    """Read a shard's every byte: its name is the digest that they must have.

    Raises
    ------
    CacheDamaged
        If they have another.
    """
    with damage_named(path):
        digest = file_digest(path).hex()
    if digest != path.stem:
        raise CacheDamaged(f"{path}: its content has digest {digest}, but {path.stem} was written. {MEND}")


def needed_shards(shards: Sequence[Shard]) -> list[Shard]:
    """Leave out shards whose every row is in an earlier shard."""
    rows = ShardRows(shards)
    starts = np.cumsum([0, *map(len, shards)])
    owners = [
        np.searchsorted(starts, rows.find(shard.digests, shard.views), side="right") - 1 for shard in shards if len(shard)
    ]
    needed = set(np.unique(np.concatenate(owners)).tolist()) if owners else set()
    return [shard for number, shard in enumerate(shards) if number in needed]


def bring(path: Path, folder: Path) -> str:
    """Put a shard of one cache into another.

    Two caches may share a file: nothing ever writes into a finished shard, and deleting one name leaves the other.

    Parameters
    ----------
    path : Path
        The shard, which `check_content` has found whole.
    folder : Path
        The cache; hold its lock.

    Returns
    -------
    how : str
        ``LINKED``, ``COPIED``, or ``PRESENT`` where it was there.

    Raises
    ------
    CacheDamaged
        If the shard that is there, or the copy, has not the digest in its name.
    CacheWriteError
        If the disk refuses.
    """
    final = folder / "shards" / path.name
    with writing_named(final):
        try:
            link(path, final)
        except FileExistsError:
            if not final.samefile(path):
                check_content(final)
            return PRESENT
        except OSError:
            # Another disk, a file system without links, a file of another user: a copy may work where a link is refused.
            _copy(path, final)
            return COPIED
    return LINKED


def _copy(path: Path, final: Path) -> None:
    temporary = temporary_sibling(final)
    try:
        shutil.copyfile(path, temporary)
        if file_digest(temporary).hex() != final.stem:
            raise CacheDamaged(f"{final}: the copy differs from {path}. Look after the disk, then merge again.")
        publish(temporary, final)
    finally:
        discard(temporary)
