"""Features of the images of a catalog: the reading half of a cache."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged, CacheError
from featx.recipe import Recipe
from featx.store.folder import not_finished
from featx.store.listing.catalog import Catalog
from featx.store.pooling import check_pooling, choose_pooled, flatten_rows
from featx.store.shards.opened import OpenedShards, Views
from featx.store.shards.reader import BLOCK_BYTES, ShardRows, shuffled_blocks
from featx.store.shards.shard import Shard
from featx.system.digests import Digests
from featx.system.kinds import shown


class CachedFeatures:
    """What a cache answers about rows of its catalog.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    recipe : Recipe
        What its features were made with.
    shards : list of Shard or None
        The shards to read from, where the caller has chosen them; by default all of the recipe's in the folder.
    """

    def __init__(self, folder: Path, recipe: Recipe, shards: list[Shard] | None = None) -> None:
        self.folder = folder
        self.recipe = recipe
        self._opened = OpenedShards(folder, recipe.fingerprint, shards)
        self._catalog: Catalog | None = None

    def __len__(self) -> int:
        """Return the number of feature rows, listed or not."""
        return len(self._opened)

    @property
    def shards(self) -> list[Shard]:
        """The shards of this recipe, in the order of their names."""
        return self._opened.shards

    @property
    def stored_bytes(self) -> int:
        """Bytes of all shards on disk."""
        return self._opened.stored_bytes

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
                raise not_finished(self.folder)
            catalog = Catalog.read_whole(path)
            if catalog.fingerprint != self.recipe.fingerprint:
                raise CacheDamaged(f"{path}: belongs to another recipe. Run featx extract again to bring it up to date.")
            self._catalog = catalog
            self.refresh()  # the shards were listed before the catalog was: another process may have added some between
        return self._catalog

    def refresh(self) -> None:
        """Read the keys of all shards again. Shards of other recipes are left out of every answer."""
        self._opened.refresh()

    def has(self, digests: Sequence[bytes] | Digests, views: Views = 0) -> NDArray[np.bool_]:
        """Return which images have a row.

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
        return self._opened.has(digests, views)

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
        places = self._places(rows, self._opened.rows, views)
        block_rows = max(
            1, block_bytes // (self._opened.reading(lambda: self._opened.rows.row_size(name)) * np.dtype(dtype).itemsize)
        )
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
        name = self._dataset(layer, pooling)
        shape = self._opened.reading(lambda: self._opened.rows.row_shape(name))
        return shape if pooling == "flatten" else choose_pooled(np.empty((1, *shape)), pooling).shape[1:]

    @property
    def maps_dtype(self) -> type[np.floating]:
        """The narrowest type that holds every cached map: float16, unless some did not fit into it."""
        return self._opened.maps_dtype

    def maps(self, rows: NDArray[np.int64], layer: str | None = None) -> NDArray[np.floating]:
        """Read whole maps of catalog rows, in their own shape (n, h, w, c), as float32."""
        return self._read(rows, self._dataset(layer, "flatten"), np.float32)

    def pooled(self, rows: NDArray[np.int64], layer: str | None = None) -> NDArray[np.floating]:
        """Read average and maximum of catalog rows, (n, 2, c), as float32."""
        return self._read(rows, self._dataset(layer, "avgmax"), np.float32)

    def pictures(
        self, rows: NDArray[np.int64], name: str, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read what was measured of the clean pictures of catalog rows, and which rows have it: ``(n, *shape)`` and ``(n,)``.

        Raises
        ------
        CacheDamaged
            If a row is missing or a checksum does not fit.
        """

        def read() -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
            numbered = self._opened.rows
            return numbered.read_pictures(self._places(rows, numbered), name, shape, dtype)

        return self._opened.reading(read)

    def _read(self, rows: NDArray[np.int64], name: str, dtype: type[np.floating], views: Views = 0) -> NDArray[np.floating]:
        def read() -> NDArray[np.floating]:
            numbered = self._opened.rows  # once: in another thread, they may be numbered anew meanwhile
            return numbered.read(self._places(rows, numbered, views), name, dtype)

        return self._opened.reading(read)

    def _dataset(self, layer: str | None, pooling: str) -> str:
        layer = layer or self.recipe.layers[-1]
        if layer not in self.recipe.layers:
            raise CacheError(
                f"{self.folder}: keeps no layer {shown(layer)}. It keeps: {', '.join(self.recipe.layers)}.", wrong_value=True
            )
        return f"{'maps' if pooling == 'flatten' else 'pooled'}/{layer}"

    def _places(self, rows: NDArray[np.int64], numbered: ShardRows, views: Views = 0) -> NDArray[np.int64]:
        """Find catalog rows among the shards' rows."""
        places = numbered.find(self.catalog.digests[rows], views)
        if (places < 0).any():
            lost = self.catalog.paths[rows[np.flatnonzero(places < 0)[0]]]
            raise CacheDamaged(
                f"{self.folder}: {int((places < 0).sum())} rows are missing, {lost!r} among them. "
                "Run featx extract again: it redoes just those."
            )
        return places

    def adopt_catalog(self, catalog: Catalog) -> None:
        """Take a newly committed catalog into the answers."""
        self._catalog = catalog

    def adopt(self, shard: Shard) -> None:
        """Take a newly committed shard into the answers."""
        self._opened.add(shard)
