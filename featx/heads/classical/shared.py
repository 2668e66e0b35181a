"""Scaled rows that many fits share: what a search computes once for all settings, folds and classes.

Where there are few rows, everything that a support vector machine or a vote of neighbours knows of them is their inner
products: a matrix of n_rows x n_rows, whatever the number of columns. Where there are many rows, that matrix would be larger
than the rows themselves, and they are compared by their columns instead.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.checks import check_finite
from featx.heads.classical.scaling import Scaling
from featx.heads.classical.span import LARGEST_DECOMPOSITION, decompose
from featx.system.digests import Digests, first_alike
from featx.system.halves import widened

Values = NDArray[np.float64]
Check = Callable[[], None]

MOST_COMPARED = 3000
"""Rows that are compared with each other even where their columns are fewer; a step on them takes a twentieth of a second."""

_EXACT_PRODUCTS = 20_000_000_000
"""Multiplications up to which inner products are computed in float64 throughout: half a second on one core."""

_COLUMNS = 4096
"""Columns whose products are added up in float32; sums of such blocks are added up in float64."""


def are_compared(n_rows: int, n_features: int) -> bool:
    """Return whether a search holds the inner products of all rows, instead of the rows themselves.

    It does for at most 12,000 rows of more columns than rows, and for at most ``MOST_COMPARED`` of any.
    """
    return n_rows <= (LARGEST_DECOMPOSITION if n_rows < n_features else MOST_COMPARED)


def memory_of_shared(shape: tuple[int, int]) -> int:
    """Return bytes that ``SharedRows`` of that shape, and fits on them, take at their peak beside the features themselves."""
    n_rows, n_features = shape
    if are_compared(n_rows, n_features):
        # Inner products, their decomposition or inverse with its working space, parts of them that fits copy, some columns.
        return 8 * n_rows * n_rows * 6 + 8 * n_rows * min(n_features, _COLUMNS) * 2
    # All scaled rows, turned, and those of the folds being fitted.
    return 8 * n_rows * n_features * 3


class SharedRows:
    """Scaled rows as heads on some of them need them.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Features. They are not kept.
    scale : str
        How to scale them; see ``Scaling``.
    digests : ndarray of shape (n_rows, 32), uint8
        Of each row with its label, from ``row_digests``: copies stay copies, to the bit.
    weights : ndarray of shape (n_rows,) or None
        How much each row counts in the scaling; by default all alike.
    exact : bool
        Compute all inner products in float64. Without, large ones are computed in float32, and their sums in float64: each is
        then off by some 1e-7 of the lengths of its two rows.
    compared, turned : bool
        Whether inner products, and rows in the basis where their columns are at right angles, are needed.
    check : callable
        Called every second or so; may raise, to stop.

    Attributes
    ----------
    gram : ndarray of shape (n_rows, n_rows), or None
        Inner products of the scaled rows; None where there are too many rows, or nothing needs them.
    sums : ndarray of shape (n_rows,)
        Sum of the values of each scaled row.
    rows : ndarray of shape (n_rows, n_directions), or None
        Scaled rows, turned; their inner products and distances are those of the scaled rows.
    n_features : int
        Columns of X.
    """

    def __init__(
        self,
        X: NDArray[np.floating],
        scale: str,
        digests: Digests,
        weights: Values | None = None,
        *,
        exact: bool = False,
        compared: bool = True,
        turned: bool = True,
        check: Check = lambda: None,
    ) -> None:
        self.n_features = X.shape[1]
        self.gram: Values | None = None
        self.rows: Values | None = None
        self.sums = np.empty(0)
        n_rows, n_columns = X.shape
        wide = n_rows < n_columns and n_rows <= LARGEST_DECOMPOSITION
        if compared or wide:
            exact = exact or n_rows * n_rows * n_columns <= _EXACT_PRODUCTS
            self.gram, self.sums = _products(X, scale, weights, np.float64 if exact else np.float32, check)
        if wide and turned:
            assert self.gram is not None, "few rows are compared"
            lengths, directions = decompose(self.gram)
            self.rows = directions * lengths
        elif turned:
            self.rows = _turned(Scaling.learn(scale, X, weights)(X))
        self.digests = digests
        first = first_alike(digests)
        if (first != np.arange(n_rows)).any():
            # Computed beside other rows, two copies may differ in their last bits.
            self.gram = None if self.gram is None else self.gram[np.ix_(first, first)]
            self.rows = None if self.rows is None else self.rows[first]

    def __len__(self) -> int:
        rows = self.gram if self.gram is not None else self.rows
        assert rows is not None, "one of them is there"
        return len(rows)

    def distances(self, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> Values:
        """Return squared distances between some rows and others: (n_queries, n_rows)."""
        assert self.gram is not None, "asked for where rows are compared"
        squares = np.diagonal(self.gram)
        distances: Values = self.gram[np.ix_(queries, rows)]
        distances *= -2
        distances += squares[rows]
        distances += squares[queries][:, None]
        return np.maximum(distances, 0, out=distances)


def _products(
    X: NDArray[np.floating], scale: str, weights: Values | None, dtype: type[np.floating], check: Check
) -> tuple[Values, Values]:
    """Return the inner products (n_rows, n_rows) and the sums (n_rows,) of scaled rows, a block of columns at a time."""
    gram, sums, lengths = np.zeros((len(X), len(X))), np.zeros(len(X)), np.zeros(len(X))
    for start in range(0, X.shape[1], _COLUMNS):
        check()
        block = X[:, start : start + _COLUMNS]
        values: NDArray[Any] = widened(block) if dtype == np.float32 else block.astype(dtype)
        if scale == "standard":
            _standardize(values, weights)
        elif scale == "sqrt":
            lengths += np.abs(values).sum(axis=1, dtype=np.float64)
            values = np.copysign(np.sqrt(np.abs(values)), values)
        of_block = values.sum(axis=1, dtype=np.float64)
        if not np.isfinite(of_block).all():  # much sooner seen than by looking at all values
            check_finite(block)
        sums += of_block
        gram += values @ values.T  # NumPy sees the symmetry and does half the work
    if scale in ("l2", "sqrt"):
        # A row of zeros has no direction to keep: it stays as it is.
        squares = np.diagonal(gram) if scale == "l2" else lengths
        factors = np.sqrt(np.divide(X.shape[1], squares, out=np.zeros(len(X)), where=squares > 0))
        gram *= factors
        gram *= factors[:, None]
        sums *= factors
    return gram, sums


def _standardize(values: NDArray[Any], weights: Values | None) -> None:
    """Bring columns to mean 0 and standard deviation 1, in place, as ``Scaling`` does."""
    scaling = Scaling.learn("standard", values, weights)
    values -= scaling.mean.astype(values.dtype)
    values /= scaling.scale.astype(values.dtype)


def _turned(values: Values) -> Values:
    """Return rows (n_rows, n_columns) in the basis where the columns are at right angles, where there is one to be had."""
    if values.shape[1] > LARGEST_DECOMPOSITION or values.shape[1] > values.shape[0]:
        return values
    _, basis = np.linalg.eigh(values.T @ values)
    turned: Values = values @ basis
    return turned
