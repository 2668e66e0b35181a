"""The one writer of a cache: collects rows, closes shards in time, finishes with the catalog."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featx.interrupt import finishing_first
from featx.store.catalog import Catalog
from featx.store.documents import UNFINISHED, read_recipe, shard_paths, write_json, write_recipe, writing_named
from featx.store.parts import drop_parts, write_part
from featx.store.pooling import average_and_maximum, fits_in
from featx.store.shard import Pictures, ShardWriter

if TYPE_CHECKING:
    from featx.store.cache import FeatureCache

SHARD_BYTES = 64_000_000
"""A shard is closed at about this size …"""

SHARD_SECONDS = 60.0
"""… or at this age, whichever comes first: a killed run loses at most a minute."""


class CacheWriter:
    """Appends rows to a cache and closes shards in time; made by ``FeatureCache.writing``.

    Attributes
    ----------
    added : int
        Rows added so far.
    """

    def __init__(self, cache: "FeatureCache") -> None:
        self._cache = cache
        self._pending: set[tuple[bytes, int]] = set()
        self._open: dict[np.dtype[np.floating], ShardWriter] = {}
        self._network: dict[str, Any] = {}
        self._begun = False
        self.added = 0

    def append(
        self,
        digests: Sequence[bytes],
        maps: dict[str, NDArray[np.float32]],
        views: int | NDArray[np.int64] = 0,
        pictures: Pictures | None = None,
    ) -> int:
        """Add the features of some images; those that have a row already are left out.

        Parameters
        ----------
        digests : sequence of bytes
            n content digests.
        maps : dict of layer to ndarray of shape (n, …), float32
            What the backbone gave.
        views : int or ndarray of shape (n,), int64
            View of each, or of all; 0 is the clean image.
        pictures : mapping of str to ndarray of shape (n, …) or None
            What was measured of the images, by name.

        Returns
        -------
        added : int
            Number of new rows.

        Raises
        ------
        CacheWriteError
            If a full shard cannot be written.
        """
        with finishing_first():  # half a batch, or one dataset longer than the next, would spoil the whole shard
            return self._append(digests, maps, np.broadcast_to(np.asarray(views, np.int64), len(digests)), pictures or {})

    def _append(
        self, digests: Sequence[bytes], maps: dict[str, NDArray[np.float32]], views: NDArray[np.int64], pictures: Pictures
    ) -> int:
        new: list[int] = []
        for row, present in enumerate(self._cache.has(digests, views)):
            key = (digests[row], int(views[row]))
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
                    self._append_as(dtype, members, digests, maps, views, pictures)
            if any(shard.stored_bytes >= SHARD_BYTES or shard.age >= SHARD_SECONDS for shard in self._open.values()):
                self.flush()
        self.added += len(new)
        return len(new)

    def _append_as(
        self,
        dtype: np.dtype[np.floating],
        rows: NDArray[np.int64],
        digests: Sequence[bytes],
        maps: dict[str, NDArray[np.float32]],
        views: NDArray[np.int64],
        pictures: Pictures,
    ) -> None:
        if dtype not in self._open:
            self._open[dtype] = ShardWriter(self._cache.folder / "shards", self._cache.recipe.fingerprint, dtype)
        shard = self._open[dtype]
        chosen = {layer: values[rows] for layer, values in maps.items()}
        pooled = {layer: average_and_maximum(values) for layer, values in chosen.items() if values.ndim == 4}
        measured = {name: values[rows] for name, values in pictures.items()}
        shard.append([digests[row] for row in rows], views[rows], chosen, pooled, measured)

    def flush(self) -> None:
        """Commit the rows collected so far.

        Raises
        ------
        CacheWriteError
            If the disk refuses; those rows are then extracted again by the next run.
        """
        with finishing_first():
            while self._open:
                self.begin()
                dtype = next(iter(self._open))
                self._cache.adopt(self._open[dtype].commit())
                del self._open[dtype]  # only now: a failed commit keeps its rows for another try
            self._pending.clear()

    def begin(self) -> None:
        """Put down what the first shard needs beside it, once there is a first shard.

        Not earlier: a run that fails before it has any row must not pin the folder to its settings.

        Raises
        ------
        CacheWriteError
            If the disk refuses.
        """
        folder = self._cache.folder
        if self._begun:
            return
        with writing_named(folder):
            (folder / UNFINISHED).touch()
        if read_recipe(folder) is None:
            write_recipe(folder, self._cache.recipe)
        if read_recipe(folder) == self._cache.recipe:
            self._write_network()
        self._begun = True

    def _write_network(self) -> None:
        if self._network:
            write_json(self._cache.folder / "network.json", self._network)

    def record_network(self, network: dict[str, Any]) -> None:
        """Keep what the backbone looks like, for ``inspect`` and parameter counts without loading it.

        It is written with the first shard; when another recipe is being replaced, only once the new one is in force.
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
            if not (self._cache.folder / "catalog.h5").exists():
                self.begin()  # without any row of its own too: the cache must say whose part this is
            self._cache.check_recipe()
            write_part(self._cache.folder, catalog)

    def commit(self, catalog: Catalog) -> None:
        """Finish an extract: write the last shard, then the catalog, then the recipe if it changed.

        Raises
        ------
        CacheWriteError
            If the disk refuses; run the same command again.
        """
        self.flush()
        folder = self._cache.folder
        with finishing_first():
            catalog.write(folder / "catalog.h5")
            self._cache.adopt_catalog(catalog)
            if read_recipe(folder) != self._cache.recipe:
                write_recipe(folder, self._cache.recipe)
                self._write_network()
                self._drop_other_recipes()
            drop_parts(folder)
            with writing_named(folder):
                (folder / UNFINISHED).unlink(missing_ok=True)

    def _drop_other_recipes(self) -> None:
        """Delete the shards of the recipe that ``--overwrite`` has just replaced."""
        kept = {shard.path for shard in self._cache.shards}
        with writing_named(self._cache.folder):
            for path in shard_paths(self._cache.folder):
                if path not in kept:
                    path.unlink()
