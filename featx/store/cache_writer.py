"""The one writer of a cache, or of a part of it: it closes an extract with the catalog."""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged, CacheUnreadable
from featx.store.documents import read_recipe, shard_paths, write_recipe, writing_named
from featx.store.features import CachedFeatures
from featx.store.folder import refuse_another_recipe
from featx.store.inside import UNFINISHED
from featx.store.listing.catalog import Catalog
from featx.store.listing.parts import drop_parts, write_part
from featx.store.network import write_network
from featx.store.shards.shard import Pictures, Shard
from featx.store.shards.shard_writer import ShardWriter
from featx.store.writer import ShardsWriter
from featx.system.durable import delete, put_mark
from featx.system.interrupt import finishing_first


class CacheWriter(ShardsWriter):
    """Appends rows to a cache and closes shards in time; made by ``FeatureCache.writing``.

    Parameters
    ----------
    cache : CachedFeatures
        What the cache holds already; it takes new shards and the new catalog into its answers.
    overwrite : bool
        Whether another recipe in the folder is to be replaced.
    """

    def __init__(self, cache: CachedFeatures, overwrite: bool) -> None:
        super().__init__(cache.folder, cache.recipe)
        self._cache = cache
        self._overwrite = overwrite
        self._network: dict[str, Any] = {}
        self._begun = False

    def _append(
        self, digests: Sequence[bytes], maps: dict[str, NDArray[np.float32]], views: NDArray[np.int64], pictures: Pictures
    ) -> int:
        added = super()._append(digests, maps, views, pictures)
        if self.due:
            self.flush()
        return added

    def _present(self, digests: Sequence[bytes], views: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._cache.has(digests, views)

    def _publish(self, shard: ShardWriter) -> Shard:
        self.begin()
        published = super()._publish(shard)
        self._cache.adopt(published)
        return published

    def adopt(self, names: Sequence[str] | None = None) -> None:
        """Take over shards that other processes published in this cache.

        Parameters
        ----------
        names : sequence of str or None
            File names of the shards; by default of all in the folder. Those known already and those of other recipes are
            passed over.

        Raises
        ------
        CacheDamaged
            If a file is not a whole shard.
        """
        known = {shard.path for shard in self._cache.shards}
        for path in shard_paths(self._folder) if names is None else [self._folder / "shards" / name for name in names]:
            if path not in known:
                shard = Shard(path)
                if shard.fingerprint == self._recipe.fingerprint:
                    keys = [digest.tobytes() for digest in shard.digests]
                    # Counted as rows of the cache: two processes may have done the same work.
                    self.added += int((~self._cache.has(keys, shard.views)).sum())
                    self._cache.adopt(shard)

    def begin(self) -> None:
        """Put down what the first shard needs beside it, once there is a first shard.

        Not earlier: a run that fails before it has any row must not pin the folder to its settings.

        Raises
        ------
        CacheWriteError
            If the disk refuses.
        """
        if self._begun:
            return
        with writing_named(self._folder):
            put_mark(self._folder / UNFINISHED)
        if read_recipe(self._folder) is None:
            write_recipe(self._folder, self._recipe)
        if read_recipe(self._folder) == self._recipe:
            self._write_network()
        self._begun = True

    def _write_network(self) -> None:
        if self._network:
            write_network(self._folder / "network.json", self._network, self._recipe.fingerprint)

    def record_network(self, network: dict[str, Any]) -> None:
        """Keep what the backbone looks like, for ``inspect`` and parameter counts without loading it.

        It is written with the first shard; when another recipe is being replaced, only once the new recipe is in force.
        """
        self._network = network

    def commit_part(self, catalog: Catalog) -> None:
        """Finish a part of an extract: write the last shard, then the part's listing.

        Raises
        ------
        CacheWriteError
            If the disk refuses; run the same command again.
        RecipeMismatch
            If another part, begun at the same moment, has other settings and was first.
        """
        self.flush()
        with finishing_first():
            if not (self._folder / "catalog.h5").exists():
                self.begin()  # without any row of its own too: the cache must state which recipe the part belongs to
            if not self._overwrite:
                refuse_another_recipe(self._folder, read_recipe(self._folder), self._recipe)
            write_part(self._folder, catalog)

    def commit(self, catalog: Catalog) -> None:
        """Finish an extract: write the last shard, then the catalog, then the recipe if it changed.

        Raises
        ------
        CacheWriteError
            If the disk refuses; run the same command again.
        """
        self.flush()
        with finishing_first():
            catalog.write(self._folder / "catalog.h5")
            self._cache.adopt_catalog(catalog)
            if read_recipe(self._folder) != self._recipe:
                with writing_named(self._folder):  # killed in between, the new recipe has none rather than the old one's
                    delete(self._folder / "network.json")
                write_recipe(self._folder, self._recipe)
                self._write_network()
                self._drop_other_recipes()
            drop_parts(self._folder)
            with writing_named(self._folder):
                delete(self._folder / UNFINISHED)

    def _drop_other_recipes(self) -> None:
        """Delete the shards of the recipe that ``--overwrite`` has just replaced."""
        kept = {shard.path for shard in self._cache.shards}
        others = []
        for path in shard_paths(self._folder):
            if path not in kept:
                # Asked of each file: one of this recipe may have come in since; one that cannot be read stays.
                with contextlib.suppress(CacheDamaged, CacheUnreadable):
                    others += [path] if Shard(path).fingerprint != self._recipe.fingerprint else []
        with writing_named(self._folder):
            delete(*others)
