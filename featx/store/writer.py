"""Writers of a cache: one of shards alone, and the one that closes an extract with the catalog."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featx.recipe import Recipe
from featx.store.documents import UNFINISHED, read_recipe, shard_paths, write_json, write_recipe, writing_named
from featx.store.listing.catalog import Catalog
from featx.store.listing.parts import drop_parts, write_part
from featx.store.pooling import average_and_maximum, fits_in
from featx.store.shards.shard import Pictures, Shard
from featx.store.shards.shard_writer import ShardWriter
from featx.system.interrupt import finishing_first

if TYPE_CHECKING:
    from featx.store.cache import FeatureCache

SHARD_BYTES = 64_000_000
"""A shard is closed at about this size …"""

SHARD_SECONDS = 60.0
"""… or at this age, whichever comes first: a killed run loses at most a minute."""


class ShardsWriter:
    """Appends rows and publishes them as shards. It touches the shards' folder alone, so any number may write at a time.

    Nothing here knows which rows the cache holds already, and ``append`` closes no shard: see ``due``.

    Parameters
    ----------
    folder : Path
        The cache's folder; ``shards`` in it must exist.
    recipe : Recipe
        What the rows were made with.
    shard_bytes : int or None
        A shard is due at about this size [bytes]; by default ``SHARD_BYTES``.
    shard_seconds : float or None
        … or at this age [s]; by default ``SHARD_SECONDS``.

    Attributes
    ----------
    added : int
        Rows added so far.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, shard_bytes: int | None = None, shard_seconds: float | None = None
    ) -> None:
        self._folder = folder
        self._recipe = recipe
        self._limits = shard_bytes, shard_seconds
        self._pending: set[tuple[bytes, int]] = set()
        self._open: dict[np.dtype[np.floating], ShardWriter] = {}
        self.added = 0

    @property
    def limits(self) -> tuple[int, float]:
        """Bytes and seconds at which a shard is due."""
        n_bytes, seconds = self._limits
        return SHARD_BYTES if n_bytes is None else n_bytes, SHARD_SECONDS if seconds is None else seconds

    @property
    def due(self) -> bool:
        """Whether a shard is large or old enough to be published."""
        n_bytes, seconds = self.limits
        return any(shard.stored_bytes >= n_bytes or shard.age >= seconds for shard in self._open.values())

    @property
    def waiting(self) -> bool:
        """Whether there are rows in no shard yet."""
        return bool(self._open)

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
        for row, present in enumerate(self._present(digests, views)):
            key = (digests[row], int(views[row]))
            if not present and key not in self._pending:
                self._pending.add(key)
                new.append(row)
        if new:
            chosen = np.array(new)
            # A row's type depends on its own values alone, never on its neighbours: a resumed run stores the same bytes.
            stored_dtype = self._recipe.stored_dtype
            fits = np.all([fits_in(values[chosen], stored_dtype) for values in maps.values()], axis=0)
            for dtype, members in (
                (np.dtype(stored_dtype), chosen[fits]),
                (np.dtype(np.float32), chosen[~fits]),
            ):
                if len(members):
                    self._append_as(dtype, members, digests, maps, views, pictures)
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
            self._open[dtype] = ShardWriter(self._folder / "shards", self._recipe.fingerprint, dtype)
        shard = self._open[dtype]
        chosen = {layer: values[rows] for layer, values in maps.items()}
        pooled = {layer: average_and_maximum(values) for layer, values in chosen.items() if values.ndim == 4}
        measured = {name: values[rows] for name, values in pictures.items()}
        shard.append([digests[row] for row in rows], views[rows], chosen, pooled, measured)

    def flush(self) -> list[Shard]:
        """Publish the rows collected so far.

        Returns
        -------
        shards : list of Shard
            Those that they are in.

        Raises
        ------
        CacheWriteError
            If the disk refuses; those rows are then extracted again by the next run.
        """
        published = []
        with finishing_first():
            while self._open:
                dtype = next(iter(self._open))
                published.append(self._publish(self._open[dtype]))
                del self._open[dtype]  # only now: a failed commit keeps its rows for another try
            self._pending.clear()
        return published

    def _present(self, digests: Sequence[bytes], views: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which rows are in the cache already."""
        return np.zeros(len(digests), np.bool_)

    def _publish(self, shard: ShardWriter) -> Shard:
        return shard.commit()


class CacheWriter(ShardsWriter):
    """Appends rows to a cache and closes shards in time; made by ``FeatureCache.writing``."""

    def __init__(self, cache: "FeatureCache") -> None:
        super().__init__(cache.folder, cache.recipe)
        self._cache = cache
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
            If one is not a whole shard.
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
