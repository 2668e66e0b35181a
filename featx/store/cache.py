"""FeatureCache: the folder as a whole."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged, CacheError, CacheNotFound, RecipeMismatch
from featx.recipe import Recipe
from featx.store.documents import (
    ASIDE,
    QUANTIZED,
    UNFINISHED,
    read_json,
    read_recipe,
    reading_named,
    shard_paths,
    writing_named,
)
from featx.store.listing.catalog import Catalog
from featx.store.listing.parts import PARTS, part_path, part_paths, say_parts
from featx.store.pooling import check_pooling, choose_pooled, flatten_rows
from featx.store.shards.reader import BLOCK_BYTES, ShardRows, shuffled_blocks
from featx.store.shards.shard import Shard
from featx.store.writer import CacheWriter
from featx.system.digests import Digests, as_digests
from featx.system.files import TEMPORARY_PREFIX, locked, sweep_temporaries

Views = int | NDArray[np.int64]
"""The view of every row, or of each."""

# How often, and how long apart, a reader looks again while another process is between two renames.
_PATIENCE = 50
_PAUSE_SECONDS = 0.02

# With recipe.json: another process may have written it since it was looked for; it is compared under the lock again.
_OWN_ENTRIES = frozenset(
    {
        "recipe.json",
        ".lock",
        "shards",
        "network.json",
        "catalog.h5",
        "rejects.csv",
        "layers",
        PARTS,
        QUANTIZED,
        ASIDE,
        UNFINISHED,
    }
)

_PARTS_AT_WORK = "parts of one extract"


class FeatureCache:
    """Cached features of one recipe, and the catalog of the images they belong to.

    Use ``FeatureCache.open`` to read, ``FeatureCache.open_or_create`` to extract.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    recipe : Recipe
        What its features were made with.
    shards : list of Shard or None
        The shards to answer from, where somebody has chosen them; by default all of the recipe's in the folder.
    """

    def __init__(self, folder: Path, recipe: Recipe, shards: list[Shard] | None = None) -> None:
        self.folder = folder
        self.recipe = recipe
        self._shards: list[Shard] = []
        self._catalog: Catalog | None = None
        self._overwrite = False
        if shards is None:
            self.refresh()
        else:
            self._shards = shards
            self._rows = ShardRows(self._shards)

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
        for _ in range(_PATIENCE):
            recipe = read_recipe(folder)
            if recipe is None:
                raise no_cache(folder)
            cache = cls(folder, recipe, shards=[])
            # The catalog first: shards only ever come on top, so those listed after it hold every row that it names.
            if not (folder / "catalog.h5").exists():
                break
            catalog = Catalog.read(folder / "catalog.h5")
            if catalog.fingerprint == recipe.fingerprint:
                cache.adopt_catalog(catalog)
                break
            time.sleep(_PAUSE_SECONDS)  # another process is putting a new recipe in force just now: two renames
        cache.refresh()
        return cache

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
        cls._refuse_another_recipe(folder, present, recipe, overwrite)
        if present is None and folder.exists() and (not folder.is_dir() or any(_foreign_entries(folder))):
            raise CacheError(f"{folder}: exists and is not a feature cache. Give another --cache.")
        cache = cls(folder, recipe)
        cache._overwrite = overwrite
        return cache

    @staticmethod
    def _refuse_another_recipe(folder: Path, present: Recipe | None, recipe: Recipe, overwrite: bool) -> None:
        if present is not None and recipe.is_draft and present.precision == recipe.precision:
            recipe = dataclasses.replace(recipe, quantized=present.quantized)  # that it has none yet is no difference
        if present is not None and present != recipe and not overwrite:
            found, wanted = say_differences(present, recipe)
            raise RecipeMismatch(
                f"{folder}: holds features made with {found}, but {wanted} was asked for. "
                "Give another --cache, or --overwrite to extract again."
            )

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
        with reading_named(self.folder):
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
                raise _not_finished(self.folder)
            catalog = Catalog.read(path)
            if catalog.fingerprint != self.recipe.fingerprint:
                raise CacheDamaged(f"{path}: belongs to another recipe. Run featx extract again to bring it up to date.")
            self._catalog = catalog
            self.refresh()  # the shards were listed before the catalog was: another process may have added some between
        return self._catalog

    def previous_catalog(self) -> Catalog | None:
        """Return the last finished listing, of whatever recipe, for its content digests; None if there is no sound one."""
        try:
            return Catalog.read(self.folder / "catalog.h5")
        except CacheDamaged:
            return None

    def part_listings(self, number: int | None = None, of: int = 0) -> list[Catalog]:
        """Return the listings that parts of an extract have left here, whatever their recipe; damaged ones are passed over.

        Parameters
        ----------
        number, of : int
            Only that of part ``number`` of ``of``; by default all.
        """
        wanted = part_paths(self.folder) if number is None else [part_path(self.folder, number, of)]
        found = []
        for path in wanted:
            with contextlib.suppress(CacheDamaged):
                found.append(Catalog.read(path))
        return [catalog for catalog in found if catalog.part]

    @property
    def network(self) -> dict[str, Any]:
        """Layers and parameter counts of the backbone, as it was when it ran; empty before that."""
        path = self.folder / "network.json"
        return read_json(path) if path.exists() else {}

    def refresh(self) -> None:
        """Read the keys of all shards again. Shards of other recipes are left out of every answer."""
        for attempt in range(_PATIENCE):
            paths = shard_paths(self.folder)
            try:
                # A shard's name is the digest of its bytes: what was read of it once needs no second look.
                open_ = {shard.path: shard for shard in self._shards}
                found = [open_.get(path) or Shard(path) for path in paths]
                break
            except CacheDamaged:
                # A shard that is gone was rewritten by another process, under another name: list again.
                if attempt == _PATIENCE - 1 or all(path.exists() for path in paths):
                    raise
        self._shards = [shard for shard in found if shard.fingerprint == self.recipe.fingerprint]
        self._rows = ShardRows(self._shards)

    def has(self, digests: Sequence[bytes] | Digests, views: Views = 0) -> NDArray[np.bool_]:
        """Tell which images have a row.

        Parameters
        ----------
        digests : sequence of bytes, or ndarray of shape (n, 32), uint8
            n content digests.
        views : int or ndarray of shape (n,), int64
            View of each, or of all; 0 is the clean image.

        Returns
        -------
        present : ndarray of shape (n,), bool
        """
        return self._rows.find(as_digests(digests), views) >= 0

    def features(
        self,
        rows: NDArray[np.int64],
        *,
        layer: str | None = None,
        pooling: str = "flatten",
        dtype: type[np.floating] = np.float32,
        views: Views = 0,
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
        views : int or ndarray of shape (n,), int64
            View of each row, or of all; 0 is the clean image.

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
        values = self._read(rows, self._dataset(layer, pooling), dtype, views)
        return flatten_rows(values) if pooling == "flatten" else choose_pooled(values, pooling)

    def blocks(
        self,
        rows: NDArray[np.int64],
        *,
        layer: str | None = None,
        pooling: str = "flatten",
        dtype: type[np.floating] = np.float32,
        block_bytes: int = BLOCK_BYTES,
        seed: int | None = None,
        views: Views = 0,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Read features of catalog rows a block at a time, in bounded memory however many rows there are.

        Parameters
        ----------
        rows : ndarray of shape (n,), int64
            Rows of the catalog.
        layer, pooling, dtype
            As for ``features``.
        block_bytes : int
            Features in a block, at most, but at least one row [bytes].
        seed : int or None
            Shuffle: read short runs of rows from all over the cache and mix them within each block. The order is a
            function of the seed. By default blocks come in the order of ``rows``.
        views
            As for ``features``.

        Yields
        ------
        positions : ndarray of shape (n_block,), int64
            Indices into ``rows``; all blocks together hold each once.
        X : ndarray of shape (n_block, n_features)
            Their features.

        Raises
        ------
        CacheDamaged, CacheError
            As for ``features``.
        """
        check_pooling(pooling)
        name = self._dataset(layer, pooling)
        views = np.broadcast_to(np.asarray(views, np.int64), len(rows))
        places = self._places(rows, views)
        block_rows = max(1, block_bytes // (self._rows.row_size(name) * np.dtype(dtype).itemsize))
        if seed is None:
            positions = iter(np.split(np.arange(len(rows)), range(block_rows, len(rows), block_rows)))
        else:
            positions = shuffled_blocks(places, block_rows, seed)
        for block in positions:
            if len(block):
                yield block, self.features(rows[block], layer=layer, pooling=pooling, dtype=dtype, views=views[block])

    def row_shape(self, layer: str | None = None, pooling: str = "flatten") -> tuple[int, ...]:
        """Return what one row of a layer is: (h, w, c) of its maps, or (n_features,) where it is pooled."""
        check_pooling(pooling)
        shape = self._rows.row_shape(self._dataset(layer, pooling))
        return shape if pooling == "flatten" else choose_pooled(np.empty((1, *shape)), pooling).shape[1:]

    @property
    def maps_dtype(self) -> type[np.floating]:
        """The narrowest type that holds every cached map: float16, unless some did not fit into it."""
        narrow = all(shard.maps_dtype == np.float16 for shard in self._shards)
        return np.float16 if narrow and self._shards else np.float32

    def maps(self, rows: NDArray[np.int64], layer: str | None = None) -> NDArray[np.floating]:
        """Read whole maps of catalog rows, in their own shape (n, h, w, c), as float32."""
        return self._read(rows, self._dataset(layer, "flatten"), np.float32)

    def pooled(self, rows: NDArray[np.int64], layer: str | None = None) -> NDArray[np.floating]:
        """Read average and maximum of catalog rows, (n, 2, c), as float32."""
        return self._read(rows, self._dataset(layer, "avgmax"), np.float32)

    def pictures(
        self, rows: NDArray[np.int64], name: str, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read what was measured of the clean pictures of catalog rows, and tell which have it: ``(n, *shape)`` and ``(n,)``.

        Raises
        ------
        CacheDamaged
            If a row is missing or a checksum does not fit.
        """
        try:
            return self._rows.read_pictures(self._places(rows), name, shape, dtype)
        except CacheDamaged:
            if all(shard.path.exists() for shard in self._shards):
                raise
            self.refresh()  # shards were rewritten by another process since they were listed
            return self._rows.read_pictures(self._places(rows), name, shape, dtype)

    def _read(self, rows: NDArray[np.int64], name: str, dtype: type[np.floating], views: Views = 0) -> NDArray[np.floating]:
        try:
            return self._rows.read(self._places(rows, views), name, dtype)
        except CacheDamaged:
            if all(shard.path.exists() for shard in self._shards):
                raise
            self.refresh()  # shards were rewritten by another process since they were listed
            return self._rows.read(self._places(rows, views), name, dtype)

    def _dataset(self, layer: str | None, pooling: str) -> str:
        layer = layer or self.recipe.layers[-1]
        if layer not in self.recipe.layers:
            raise CacheError(f"{self.folder}: keeps no layer {layer!r}. It keeps: {', '.join(self.recipe.layers)}.")
        return f"{'maps' if pooling == 'flatten' else 'pooled'}/{layer}"

    def _places(self, rows: NDArray[np.int64], views: Views = 0) -> NDArray[np.int64]:
        """Find catalog rows among the shards' rows."""
        places = self._rows.find(self.catalog.digests[rows], views)
        if (places < 0).any():
            lost = self.catalog.paths[rows[np.flatnonzero(places < 0)[0]]]
            raise CacheDamaged(
                f"{self.folder}: {int((places < 0).sum())} rows are missing, {lost!r} among them. "
                "Run featx extract again: it redoes just those."
            )
        return places

    @contextlib.contextmanager
    def writing(self, wait: bool = False, as_part: bool = False) -> Iterator[CacheWriter]:
        """Become the one writer of this cache, or one of several that write parts.

        On leaving the block, also by an error or Ctrl-C, rows collected so far are committed as a shard.

        Parameters
        ----------
        wait : bool
            Wait for another writer to end instead of raising.
        as_part : bool
            Let others in that write parts too. They only ever add files under names of their own.

        Raises
        ------
        CacheLocked
            If another process is writing.
        CacheWriteError
            If the folder cannot be written.
        """
        with self.locked(wait, as_part):
            if not as_part:  # what looks unfinished may be another part's that is at work
                with writing_named(self.folder):
                    for folder in (self.folder, self.folder / "shards", self.folder / PARTS):
                        sweep_temporaries(folder)
            self.check_recipe()  # another writer may have finished between opening the cache and getting the lock
            self.refresh()
            writer = CacheWriter(self)
            try:
                yield writer
            finally:
                writer.flush()

    @contextlib.contextmanager
    def locked(self, wait: bool = False, as_part: bool = False) -> Iterator[None]:
        """Hold the cache's lock, alone or with other parts; readers are not kept out.

        Raises
        ------
        CacheLocked
            If another process holds it and ``wait`` is false.
        CacheWriteError
            If the folder cannot be written.
        """
        lock = locked(self.folder / ".lock", wait, _PARTS_AT_WORK if as_part else "")
        with writing_named(self.folder):
            (self.folder / "shards").mkdir(parents=True, exist_ok=True)
            lock.__enter__()
        with contextlib.ExitStack() as stack:
            stack.push(lock)
            yield

    def check_recipe(self) -> None:
        """Make sure that the recipe in force is this one: another part may have begun with others at the same moment.

        Raises
        ------
        RecipeMismatch
            If it is not, and is not to be replaced.
        """
        self._refuse_another_recipe(self.folder, read_recipe(self.folder), self.recipe, self._overwrite)

    def adopt_catalog(self, catalog: Catalog) -> None:
        """Take a newly committed catalog into the answers."""
        self._catalog = catalog

    def adopt(self, shard: Shard) -> None:
        """Take a newly committed shard into the answers."""
        if all(shard.path != known.path for known in self._shards):
            self._shards.append(shard)
            self._rows.add(shard)


def find_cache(folder: Path) -> Path | None:
    """Return the cache below a folder whose catalog is newest, or None."""
    finished = [path for path in folder.glob("*/catalog.h5") if (path.parent / "recipe.json").exists()]
    return max(finished, key=lambda path: path.stat().st_mtime_ns).parent if finished else None


def no_cache(folder: Path) -> CacheNotFound:
    """Return the error for a place where a cache was expected."""
    if folder.is_dir():
        return CacheNotFound(
            f"{folder}: no feature cache there. If it holds images, run: featx extract {folder}, "
            f"then give cache/{folder.resolve().name}"
        )
    return CacheNotFound(f"{folder}: no feature cache there. Make one with: featx extract IMAGES")


def _not_finished(folder: Path) -> CacheNotFound:
    parts = say_parts(folder)
    if not parts:
        return CacheNotFound(f"{folder}: its extraction was not finished. Run featx extract again to go on.")
    return CacheNotFound(
        f"{folder}: holds parts of an extract ({parts}), which is not finished. Run featx extract with the same settings and "
        f"without --shard: it does what is missing. Or, once every part is here: featx merge {folder}"
    )


def _foreign_entries(folder: Path) -> Iterator[str]:
    """Yield what a cache that lost its recipe, or never got one, would not contain."""
    with reading_named(folder):
        names = os.listdir(folder)  # noqa: PTH208 - names
    return (name for name in names if name not in _OWN_ENTRIES and not name.startswith(TEMPORARY_PREFIX))


def say_differences(present: Recipe, wanted: Recipe) -> tuple[str, str]:
    """Name the settings in which two recipes differ, with the values of the first and of the second."""
    differences = present.differences(wanted)
    if "precision" in differences:
        differences.pop("quantized", None)  # which network it would be is no news then
    found = ", ".join(f"{name}={mine!r}" for name, (mine, _) in differences.items())
    asked = ", ".join(f"{name}={theirs!r}" for name, (_, theirs) in differences.items())
    return found, asked
