"""FeatureCache: the folder as a whole."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged, CacheError, CacheNotFound, CacheWriteError, RecipeMismatch
from featx.files import locked, sweep_temporaries
from featx.recipe import Recipe
from featx.store.catalog import Catalog
from featx.store.documents import read_json, read_recipe
from featx.store.lookup import RowLookup, as_digest_rows
from featx.store.pooling import check_pooling, choose_pooled
from featx.store.shard import Shard
from featx.store.writer import CacheWriter


class FeatureCache:
    """Cached features of one recipe, and the catalog of the images they belong to.

    Use ``FeatureCache.open`` to read, ``FeatureCache.open_or_create`` to extract.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    recipe : Recipe
        What its features were made with.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder = folder
        self.recipe = recipe
        self._shards: list[Shard] = []
        self._catalog: Catalog | None = None
        self.refresh()

    @classmethod
    def open(cls, folder: Path) -> "FeatureCache":
        """Open an existing cache for reading.

        Raises
        ------
        CacheNotFound
            If there is no cache in the folder.
        CacheDamaged
            If its recipe or a shard cannot be read.
        """
        recipe = read_recipe(folder)
        if recipe is None:
            raise CacheNotFound(f"{folder}: no feature cache there. Make one with: featx extract IMAGES --cache {folder}")
        return cls(folder, recipe)

    @classmethod
    def open_or_create(cls, folder: Path, recipe: Recipe, overwrite: bool = False) -> "FeatureCache":
        """Open a cache to extract into. Nothing is written yet.

        Parameters
        ----------
        folder : Path
            The cache's folder; it need not exist.
        recipe : Recipe
            What is asked for.
        overwrite : bool
            Take the recipe in place of another one. The old features stay in use until ``commit``.

        Raises
        ------
        RecipeMismatch
            If the folder holds features of another recipe and ``overwrite`` is false.
        CacheError
            If the folder holds something that is no cache.
        """
        present = read_recipe(folder)
        if present is None and folder.exists() and (not folder.is_dir() or any(_foreign_entries(folder))):
            raise CacheError(f"{folder}: exists and is not a feature cache. Give another --cache.")
        if present is not None and present != recipe and not overwrite:
            found, wanted = _say_differences(present, recipe)
            raise RecipeMismatch(
                f"{folder}: holds features made with {found}, but {wanted} was asked for. "
                "Give another --cache, or --overwrite to extract again."
            )
        return cls(folder, recipe)

    def __len__(self) -> int:
        """Return the number of feature rows, listed or not."""
        return sum(map(len, self._shards))

    @property
    def shards(self) -> list[Shard]:
        """The shards of this recipe, in the order of their names."""
        return list(self._shards)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all shards on disk."""
        return sum(shard.path.stat().st_size for shard in self._shards)

    @property
    def catalog(self) -> Catalog:
        """The listing at the last extract.

        Raises
        ------
        CacheNotFound
            If no extract into this cache has been finished.
        """
        if self._catalog is None:
            path = self.folder / "catalog.h5"
            if not path.exists():
                raise CacheNotFound(f"{self.folder}: its extraction was not finished. Run featx extract again to go on.")
            catalog = Catalog.read(path)
            if catalog.fingerprint != self.recipe.fingerprint:
                raise CacheDamaged(f"{path}: belongs to another recipe. Run featx extract again to bring it up to date.")
            self._catalog = catalog
        return self._catalog

    def previous_catalog(self) -> Catalog | None:
        """Return the last finished listing, of whatever recipe, for its content digests; None if there is no sound one."""
        try:
            return Catalog.read(self.folder / "catalog.h5")
        except CacheDamaged:
            return None

    @property
    def network(self) -> dict[str, Any]:
        """Layers and parameter counts of the backbone, as it was when it ran; empty before that."""
        path = self.folder / "network.json"
        return read_json(path) if path.exists() else {}

    def refresh(self) -> None:
        """Read the keys of all shards again. Shards of other recipes are left out of every answer."""
        found = [Shard(path) for path in sorted((self.folder / "shards").glob("[!.]*.h5"))]
        self._shards = [shard for shard in found if shard.fingerprint == self.recipe.fingerprint]
        self._index_rows()

    def has(self, digests: Sequence[bytes], view: int = 0) -> NDArray[np.bool_]:
        """Tell which images have a row.

        Parameters
        ----------
        digests : sequence of bytes
            n content digests.
        view : int
            0 for the clean image.

        Returns
        -------
        present : ndarray of shape (n,), bool
        """
        keys = as_digest_rows(digests)
        return self._lookup.find(keys, np.full(len(keys), view, np.int64)) >= 0

    def features(
        self,
        rows: NDArray[np.int64],
        *,
        layer: str | None = None,
        pooling: str = "flatten",
        dtype: type[np.floating] = np.float32,
    ) -> NDArray[np.floating]:
        """Read features of catalog rows.

        Parameters
        ----------
        rows : ndarray of shape (n,), int64
            Rows of the catalog, in any order.
        layer : str or None
            One of the recipe's layers; by default the last.
        pooling : str
            ``flatten`` for whole maps, ``avg``, ``max`` or both side by side (``avgmax``).
        dtype : type
            Of the result.

        Returns
        -------
        X : ndarray of shape (n, n_features)
            In the order of ``rows``.

        Raises
        ------
        CacheDamaged
            If a row is missing or a checksum does not fit.
        CacheError
            If the cache does not keep that layer.
        """
        check_pooling(pooling)
        if pooling == "flatten":
            return self._read(rows, layer, "maps", dtype).reshape(len(rows), -1)
        return choose_pooled(self._read(rows, layer, "pooled", dtype), pooling)

    def _read(self, rows: NDArray[np.int64], layer: str | None, kind: str, dtype: type[np.floating]) -> NDArray[np.floating]:
        layer = layer or self.recipe.layers[-1]
        if layer not in self.recipe.layers:
            raise CacheError(f"{self.folder}: keeps no layer {layer!r}. It keeps: {', '.join(self.recipe.layers)}.")
        places = self._lookup.find(self.catalog.digests[rows], np.zeros(len(rows), np.int64))
        if (places < 0).any():
            lost = self.catalog.paths[rows[np.flatnonzero(places < 0)[0]]]
            raise CacheDamaged(
                f"{self.folder}: {int((places < 0).sum())} rows are missing, {lost!r} among them. "
                "Run featx extract again: it redoes just those."
            )
        out: NDArray[np.floating] | None = None
        for number, shard in enumerate(self._shards):
            inside = np.flatnonzero((self._starts[number] <= places) & (places < self._starts[number + 1]))
            if not len(inside):
                continue
            local = places[inside] - self._starts[number]
            ascending, back = np.unique(local, return_inverse=True)
            values = shard.read(f"{kind}/{layer}", ascending)
            if out is None:
                out = np.empty((len(rows), *values.shape[1:]), dtype)
            out[inside] = values[back]
        return out if out is not None else np.empty((0, 1), dtype)

    def _index_rows(self) -> None:
        self._starts = np.cumsum([0, *map(len, self._shards)])
        digests = [shard.digests for shard in self._shards]
        views = [shard.views for shard in self._shards]
        self._lookup = RowLookup(
            np.concatenate(digests) if digests else np.empty((0, 32), np.uint8),
            np.concatenate(views) if views else np.empty(0, np.int64),
        )

    @contextlib.contextmanager
    def writing(self, wait: bool = False) -> Iterator[CacheWriter]:
        """Become the one writer of this cache.

        On leaving the block, also by an error or Ctrl-C, rows collected so far are committed as a shard.

        Parameters
        ----------
        wait : bool
            Wait for another writer to end instead of raising.

        Raises
        ------
        CacheLocked
            If another process is writing.
        CacheWriteError
            If the folder cannot be written.
        """
        shards = self.folder / "shards"
        try:
            shards.mkdir(parents=True, exist_ok=True)
            lock = locked(self.folder / ".lock", wait)
            lock.__enter__()
        except OSError as error:
            raise CacheWriteError(f"{self.folder}: cannot be written: {error.strerror}. Give another --cache.") from error
        with contextlib.ExitStack() as stack:
            stack.push(lock)
            sweep_temporaries(self.folder)
            sweep_temporaries(shards)
            self.refresh()  # another writer may have finished between opening the cache and getting the lock
            writer = CacheWriter(self)
            try:
                yield writer
            finally:
                writer.flush()

    def adopt_catalog(self, catalog: Catalog) -> None:
        """Take a newly committed catalog into the answers."""
        self._catalog = catalog

    def adopt(self, shard: Shard) -> None:
        """Take a newly committed shard into the answers."""
        if shard.path not in [known.path for known in self._shards]:
            self._shards.append(shard)
            self._index_rows()


def find_cache(folder: Path) -> Path | None:
    """Return the cache below a folder whose catalog is newest, or None."""
    finished = [path for path in folder.glob("*/catalog.h5") if (path.parent / "recipe.json").exists()]
    return max(finished, key=lambda path: path.stat().st_mtime_ns).parent if finished else None


def _foreign_entries(folder: Path) -> Iterator[str]:
    """Yield what a half-created cache would not contain."""
    return (name for name in os.listdir(folder) if name not in (".lock", "shards", "network.json"))  # noqa: PTH208 - names


def _say_differences(present: Recipe, wanted: Recipe) -> tuple[str, str]:
    differences = present.differences(wanted)
    found = ", ".join(f"{name}={mine!r}" for name, (mine, _) in differences.items())
    asked = ", ".join(f"{name}={theirs!r}" for name, (_, theirs) in differences.items())
    return found, asked
