"""From a layer's maps to one row of features: the same arithmetic for cached rows and for images seen first now."""

import math

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError

POOLINGS = ("flatten", "avg", "max", "avgmax")

_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def check_pooling(pooling: str) -> None:
    """Refuse an unknown pooling.

    Raises
    ------
    CacheError
        With the known poolings.
    """
    if pooling not in POOLINGS:
        raise CacheError(f"pooling {pooling!r}: unknown. Give one of {', '.join(POOLINGS)}.", wrong_value=True)


def average_and_maximum(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pool over height and width.

    Parameters
    ----------
    maps : ndarray of shape (n, h, w, c), float32
        A layer's output.

    Returns
    -------
    pooled : ndarray of shape (n, 2, c), float32
        Average, then maximum.
    """
    maps = np.ascontiguousarray(maps)  # NumPy adds up in the order of memory: an image is pooled alike in any layout
    return np.stack([maps.mean(axis=(1, 2), dtype=np.float32), maps.max(axis=(1, 2))], axis=1)


def flatten_rows(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lay each row out flat: (n, …) to (n, n_features), also where n is 0."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def choose_pooled(pooled: NDArray[np.floating], pooling: str) -> NDArray[np.floating]:
    """Take ``avg`` (n, c), ``max`` (n, c) or ``avgmax`` (n, 2c) out of pooled rows (n, 2, c)."""
    if pooling == "avgmax":
        return flatten_rows(pooled)
    return pooled[:, 0 if pooling == "avg" else 1]


def fits_in(maps: NDArray[np.float32], stored_dtype: str) -> NDArray[np.bool_]:
    """Return which rows stay finite in the stored type.

    Returns
    -------
    fits : ndarray of shape (n,), bool
    """
    if stored_dtype != "float16":
        return np.ones(len(maps), np.bool_)
    fits: NDArray[np.bool_] = np.abs(maps).reshape(len(maps), -1).max(axis=1, initial=0.0) <= _LARGEST_FLOAT16
    return fits


def pool_maps(maps: NDArray[np.float32], pooling: str, stored_dtype: str) -> NDArray[np.float32]:
    """Turn maps into features, rounded as the cache would have stored them.

    A head is fitted on what the cache holds, so an image that never went through the cache must be rounded alike.

    Parameters
    ----------
    maps : ndarray of shape (n, h, w, c), float32
        What the backbone gave.
    pooling : str
        ``flatten``, ``avg``, ``max`` or ``avgmax``.
    stored_dtype : str
        The recipe's.

    Returns
    -------
    X : ndarray of shape (n, n_features), float32
    """
    check_pooling(pooling)
    if pooling != "flatten":
        return choose_pooled(average_and_maximum(maps), pooling).astype(np.float32)
    flat = flatten_rows(maps)
    if stored_dtype != "float16":
        return flat
    fits = fits_in(maps, stored_dtype)
    rounded = flat.copy()
    rounded[fits] = flat[fits].astype(np.float16)
    return rounded


def sums_by_cell(maps: NDArray[np.floating], weights: NDArray[np.float64], pooling: str) -> NDArray[np.float64]:
    """Divide a weighted sum of features among the cells of the maps that the features were pooled from.

    Parameters
    ----------
    maps : ndarray of shape (n, h, w, c)
        A layer's output.
    weights : ndarray of shape (n, n_features), float64
        What each feature of each row is multiplied by.
    pooling : str
        How the features were made: ``flatten``, ``avg``, ``max`` or ``avgmax``.

    Returns
    -------
    sums : ndarray of shape (n, h, w), float64
        Of each row they add up to the sum of its features times their weights. A maximum is its cell's, or is divided equally
        among the cells that share it.
    """
    check_pooling(pooling)
    n, height, width, channels = maps.shape
    values = maps.astype(np.float64)
    if pooling == "flatten":
        whole: NDArray[np.float64] = np.einsum("nhwc,nhwc->nhw", values, weights.reshape(values.shape))
        return whole
    sums = np.zeros((n, height, width))
    if pooling in ("avg", "avgmax"):
        sums += np.einsum("nhwc,nc->nhw", values, weights[:, :channels]) / (height * width)
    if pooling in ("max", "avgmax"):
        largest = values.max(axis=(1, 2), keepdims=True)
        holders = values == largest
        shares = largest / holders.sum(axis=(1, 2), keepdims=True)
        sums += np.einsum("nhwc,nc->nhw", holders * shares, weights[:, -channels:])
    return sums
