"""The one writer of a cache: collects rows, closes shards in time, finishes with the catalog."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featx.store.catalog import Catalog
from featx.store.documents import read_recipe, shard_paths, write_json, write_recipe, writing_named
from featx.store.pooling import average_and_maximum, fits_in
from featx.store.shard import ShardWriter

if TYPE_CHECKING:
    from featx.store.cache import FeatureCache

SHARD_BYTES = 64_000_000
"""A shard is closed at about this size …"""

SHARD_SECONDS = 60.0
"""… or at this age, whichever comes first: a killed run loses at most a minute."""


class CacheWriter:
    """Appends rows to a cache and closes shards in time; made by ``FeatureCache.writing``."""

    def __init__(self, cache: "FeatureCache") -> None:
        self._cache = cache
        self._pending: set[tuple[bytes, int]] = set()
        self._open: dict[np.dtype[np.floating], ShardWriter] = {}

    def append(self, digests: Sequence[bytes], maps: dict[str, NDArray[np.float32]], view: int = 0) -> int:
        """Add the features of some images; those that have a row already are left out.

        Parameters
        ----------
        digests : sequence of bytes
            n content digests.
        maps : dict of layer to ndarray of shape (n, …), float32
            What the backbone gave.
        view : int
            0 for the clean image.

        Returns
        -------
        added : int
            Number of new rows.

        Raises
        ------
        CacheWriteError
            If a full shard cannot be written.
        """
        new: list[int] = []
        for row, present in enumerate(self._cache.has(digests, view)):
            key = (digests[row], view)
            if not present and key not in self._pending:
                self._pending.add(key)
                new.append(row)
        if new:
            chosen = np.array(new)
            # A row's type depends on its own values alone, never on its neighbours: a resumed run stores the same bytes.
            stored_dtype = self._cache.recipe.stored_dtype
            fits = np.all([fits_in(values[chosen], stored_dtype) for values in maps.values()], axis=0)
            for dtype, members in (
                (np.dtype(stored_dtype), chosen[fits]),
                (np.dtype(np.float32), chosen[~fits]),
            ):
                if len(members):
                    self._append_as(dtype, members, digests, maps, view)
            if any(shard.stored_bytes >= SHARD_BYTES or shard.age >= SHARD_SECONDS for shard in self._open.values()):
                self.flush()
        return len(new)

    def _append_as(
        self,
        dtype: np.dtype[np.floating],
        rows: NDArray[np.int64],
        digests: Sequence[bytes],
        maps: dict[str, NDArray[np.float32]],
        view: int,
    ) -> None:
        if dtype not in self._open:
            self._open[dtype] = ShardWriter(self._cache.folder / "shards", self._cache.recipe.fingerprint, dtype)
        shard = self._open[dtype]
        chosen = {layer: values[rows] for layer, values in maps.items()}
        pooled = {layer: average_and_maximum(values) for layer, values in chosen.items() if values.ndim == 4}
        shard.append([digests[row] for row in rows], np.full(len(rows), view, np.int64), chosen, pooled)

    def flush(self) -> None:
        """Commit the rows collected so far.

        Raises
        ------
        CacheWriteError
            If the disk refuses; those rows are then extracted again by the next run.
        """
        while self._open:
            _, shard = self._open.popitem()
            # With the first row, not earlier: a run that fails before it has any must not pin the folder to its settings.
            if read_recipe(self._cache.folder) is None:
                write_recipe(self._cache.folder, self._cache.recipe)
            self._cache.adopt(shard.commit())
        self._pending.clear()

    def record_network(self, network: dict[str, Any]) -> None:
        """Keep what the backbone looks like, for ``inspect`` and parameter counts without loading it."""
        write_json(self._cache.folder / "network.json", network)

    def commit(self, catalog: Catalog) -> None:
        """Finish an extract: write the last shard, then the catalog, then the recipe if it changed.

        Raises
        ------
        CacheWriteError
            If the disk refuses; run the same command again.
        """
        self.flush()
        folder = self._cache.folder
        catalog.write(folder / "catalog.h5")
        self._cache.adopt_catalog(catalog)
        if read_recipe(folder) != self._cache.recipe:
            write_recipe(folder, self._cache.recipe)
            self._drop_other_recipes()

    def _drop_other_recipes(self) -> None:
        """Delete the shards of the recipe that ``--overwrite`` has just replaced."""
        kept = {shard.path for shard in self._cache.shards}
        with writing_named(self._cache.folder):
            for path in shard_paths(self._cache.folder):
                if path not in kept:
                    path.unlink()
