"""CachedRows: the features of some images, in some views, read when they are asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.store.cache import FeatureCache
from featx.system.ahead import one_ahead


class CachedRows:
    """Features that need not fit into memory: a head takes them whole or a block at a time.

    Parameters
    ----------
    cache : FeatureCache
        Where they are.
    rows : ndarray of shape (n,), int64
        Rows of its catalog.
    views : ndarray of shape (n,), int64
        View of each; 0 is the clean image.
    layer, pooling : str
        Which features.
    dtype : type
        Of what is read.
    """

    def __init__(
        self,
        cache: FeatureCache,
        rows: NDArray[np.int64],
        views: NDArray[np.int64],
        layer: str,
        pooling: str,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        self._cache = cache
        self._rows = rows
        self._views = views
        self._options: dict[str, Any] = {"layer": layer, "pooling": pooling, "dtype": dtype}
        self.shape = (len(rows), int(np.prod(cache.row_shape(layer, pooling))))
        self.dtype = np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything at once."""
        X = self._cache.features(self._rows, views=self._views, **self._options)
        return X if dtype is None else X.astype(dtype, copy=False)

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield (positions, X) a block at a time, shuffled if there is a seed; together they hold each row once.

        The next block is read while the caller works on one.
        """
        return one_ahead(self._cache.blocks(self._rows, views=self._views, seed=seed, **self._options))
