"""The shards that are open, and which row is where: what reading a cache and writing into it share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.store.documents import PATIENCE, shard_paths
from featx.store.shards.reader import ShardRows
from featx.store.shards.shard import Shard
from featx.system.digests import Digests, as_digests

T = TypeVar("T")

Views = int | NDArray[np.int64]
"""The view of every row, or of each."""


class OpenedShards:
    """The shards of one recipe in a cache's folder.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    fingerprint : str
        The recipe's; shards of other recipes are left out of every answer.
    shards : sequence of Shard or None
        The shards to answer from; by default all of the recipe's in the folder.

    Raises
    ------
    CacheDamaged
        If a shard cannot be read.
    """

    def __init__(self, folder: Path, fingerprint: str, shards: Sequence[Shard] | None = None) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._shards = list(shards or ())
        if shards is None:
            self.refresh()
        else:
            self._rows = ShardRows(self._shards)

    def __len__(self) -> int:
        """Return the number of feature rows."""
        return sum(map(len, self._shards))

    @property
    def shards(self) -> list[Shard]:
        """The shards, in the order that numbers their rows."""
        return list(self._shards)

    @property
    def rows(self) -> ShardRows:
        """All their rows, numbered through."""
        return self._rows

    @property
    def stored_bytes(self) -> int:
        """Bytes of all shards on disk."""
        return sum(shard.n_bytes for shard in self._shards)

    @property
    def maps_dtype(self) -> type[np.floating]:
        """The narrowest type that holds every map: float16, unless some did not fit into it."""
        narrow = self.reading(lambda: all(shard.maps_dtype == np.float16 for shard in self._shards))
        return np.float16 if narrow and self._shards else np.float32

    def refresh(self) -> None:
        """Read the keys of all shards in the folder again."""
        paths = shard_paths(self._folder)
        # A shard's name is the digest of its bytes: what was read of it once needs no second look.
        open_ = {shard.path: shard for shard in self._shards}
        for attempt in range(PATIENCE):
            before = paths
            try:
                for path in before:
                    open_[path] = open_.get(path) or Shard(path)
            except CacheDamaged:
                # A shard that is gone was rewritten by another process, under another name: list again.
                paths = shard_paths(self._folder)
                if attempt == PATIENCE - 1 or paths == before:
                    raise
                continue
            # A folder that changes while it is listed may show neither the old name nor the new one.
            paths = shard_paths(self._folder)
            if paths == before:
                break
        found = [open_[path] for path in before]
        self._shards = [shard for shard in found if shard.fingerprint == self._fingerprint]
        self._rows = ShardRows(self._shards)

    def add(self, shard: Shard) -> None:
        """Number the rows of a newly published shard after all others, unless it is known."""
        if all(shard.path != known.path for known in self._shards):
            self._shards.append(shard)
            self._rows.add(shard)

    def has(self, digests: Sequence[bytes] | Digests, views: Views = 0) -> NDArray[np.bool_]:
        """Return which images have a row, (n,); parameters as for ``FeatureCache.has``."""
        return self._rows.find(as_digests(digests), views) >= 0

    def reading(self, read: Callable[[], T]) -> T:
        """Return what ``read`` returns, which it is asked again where another process rewrote shards meanwhile.

        Raises
        ------
        CacheDamaged
            If it raises this and the shards are those that were listed.
        """
        for _ in range(PATIENCE):
            try:
                return read()
            except CacheDamaged:
                before = self._shards
                self.refresh()
                if [shard.path for shard in before] == [shard.path for shard in self._shards]:
                    raise
        return read()
