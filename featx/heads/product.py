"""Rows times weights, where each row's result is the same to the last bit whatever rows stand beside it.

A BLAS product adds up in an order that depends on the number of rows, on where a row stands and on the processor, so the
last bits of a row's answer would depend on its company. Here nothing that BLAS adds up is rounded: both factors become whole
numbers, so small that a float64 holds every sum of ``_COLUMNS`` of their products exactly, in whatever order.

References
----------
Ozaki, Ogita, Oishi & Rump (2012), Error-free transformations of matrix multiplication by using fast routines of matrix
multiplication and its applications.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Multiply = Callable[[NDArray[np.floating], NDArray[np.floating]], NDArray[np.floating]]
"""``numpy.matmul`` or ``steady_product``: rows (n, n_features) times weights (n_features, k)."""

Parts = tuple[list[NDArray[np.float64]], NDArray[np.float64]]
"""Whole numbers, each piece some bits below the piece before, and what the first is to be multiplied by."""

_COLUMNS = 512
_BLOCK_BYTES = 16_000_000
"""Of a part of the rows that is held at a time."""


def steady_product(rows: NDArray[np.floating], weights: NDArray[np.floating], n_parts: int = 1) -> NDArray[np.float64]:
    """Return rows (n, n_features) times weights (n_features, k): shape (n, k).

    On one core, 1,000 rows of 25,088 by 10 take 0.09 s in one part and 0.25 s in two; BLAS alone takes 0.02 s in float32 and
    0.03 s in float64.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features), float32 or float64
        Any number of them, in any order and memory layout.
    weights : ndarray of shape (n_features, k), float32 or float64
        What each row is multiplied by.
    n_parts : int
        1 rounds values to 22 bits or more, counted from the largest of their row or column: as exact as a product in float32.
        2 rounds to twice as many.
    """
    n_features = len(weights)
    # Two factors of so many bits, and a sum of so many products: together no more than the 53 bits of a float64.
    bits = (53 - (min(n_features, _COLUMNS) - 1).bit_length()) // 2
    right = _whole_parts(weights, 0, n_parts, bits)
    product = np.empty((len(rows), weights.shape[1]))
    step = max(1, _BLOCK_BYTES // (8 * n_features))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        product[block] = _product_of_parts(_whole_parts(rows[block], 1, n_parts, bits), right, bits)
    return product


def _whole_parts(values: NDArray[np.floating], axis: int, n_parts: int, bits: int) -> Parts:
    """Return parts that together hold ``n_parts * bits`` bits of ``values``, counted from the largest along ``axis``."""
    largest = np.maximum(values.max(axis=axis, keepdims=True), -values.min(axis=axis, keepdims=True))
    # Where all are next to nothing, the factor must stay a number.
    exponent = np.maximum(np.frexp(largest)[1], bits + 2 - np.finfo(values.dtype).maxexp)
    rest = values * np.ldexp(values.dtype.type(1), bits - exponent)
    parts: list[NDArray[np.floating]] = []
    for number in range(n_parts):
        if number:
            rest -= parts[-1]
            rest *= 2**bits
        parts.append(np.rint(rest))
    return [part.astype(np.float64, copy=False) for part in parts], np.ldexp(1.0, exponent - bits)


def _product_of_parts(left: Parts, right: Parts, bits: int) -> NDArray[np.float64]:
    (lefts, row_factors), (rights, column_factors) = left, right
    total = np.zeros((len(lefts[0]), rights[0].shape[1]))
    for start in range(0, len(rights[0]), _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        # The product of two second parts would be below what the others are rounded to.
        for first, part in enumerate(lefts):
            for second, other in enumerate(rights[: len(rights) - first]):
                total += (part[:, columns] @ other[columns]) * 2.0 ** (-bits * (first + second))
    return total * row_factors * column_factors
