"""How features are brought to one size before a classical head looks at them."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.heads.checks import check_finite, check_setting
from featx.heads.head import Features
from featx.heads.layers import PlainLayer, SignedRoots, Standardized, UnitRows

SCALES = ("standard", "l2", "sqrt", "none")

_BLOCK_BYTES = 32_000_000
"""Of the float64 working copy that a pass over the features holds at a time."""


def check_scale(scale: object) -> None:
    """Refuse a scale that there is none of.

    Raises
    ------
    HeadError
        With those that there are.
    """
    check_setting("scale", scale, isinstance(scale, str) and scale in SCALES, f"one of {', '.join(SCALES)}")


@dataclasses.dataclass(frozen=True)
class Scaling:
    """A map of feature rows to float64 rows whose values have a mean square of 1 (but for ``none``), so that C means the same.

    Parameters
    ----------
    kind : str
        ``standard``: each column to mean 0 and standard deviation 1 over the training rows; a constant column to 0.
        ``l2``: each row to length sqrt(n_features); a row of zeros stays one.
        ``sqrt``: the signed square root of each value, then as ``l2``.
        ``none``: as they are.
    mean, scale : ndarray of shape (n_features,), float64
        What ``standard`` subtracts and divides by; zeros and ones otherwise.
    """

    kind: str
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def learn(cls, kind: str, X: NDArray[np.floating], weights: NDArray[np.float64] | None = None) -> Self:
        """Learn from training rows X (n_samples, n_features); the same bits as scikit-learn's ``StandardScaler``.

        With ``weights`` (n_samples,) each row counts as so many.

        Raises
        ------
        HeadError
            If X holds values that are no numbers.
        """
        check_finite(X)
        mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if kind == "standard":
            total = len(X) if weights is None else float(weights.sum())
            for columns in column_blocks(X.shape):
                values = X[:, columns].astype(np.float64)
                mean[columns] = _sums(values, weights) / total
                values -= mean[columns]
                rounding = _sums(values, weights)  # what the mean was off by
                values *= values
                variance = (_sums(values, weights) - rounding**2 / total) / total
                scale[columns] = deviations(mean[columns], variance, len(X))
        return cls(kind, mean, scale)

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return X (n_samples, n_features) scaled, in a new array."""
        values = scale_rows(self.kind, X)
        if self.kind == "standard":
            values -= self.mean
            values /= self.scale
        return values

    def by_columns(self, X: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield (columns, scaled values of shape (n_samples, n_columns)) so that the whole is never held in float64."""
        factors = row_factors(self.kind, X)
        for columns in column_blocks(X.shape):
            values = X[:, columns].astype(np.float64)
            if self.kind == "standard":
                values -= self.mean[columns]
                values /= self.scale[columns]
            elif self.kind == "sqrt":
                _take_roots(values)
            if factors is not None:
                values *= factors[:, None]
            yield columns, values

    @property
    def row_length(self) -> float:
        """What ``l2`` and ``sqrt`` bring rows to, where ``as_layers`` brings them to 1; 1 for the other kinds."""
        return float(np.sqrt(len(self.mean))) if self.kind in ("l2", "sqrt") else 1.0

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the same as plain layers, but that rows have length 1 instead of ``row_length``."""
        if self.kind == "standard":
            return (Standardized(self.mean, self.scale),)
        return {"l2": (UnitRows(),), "sqrt": (SignedRoots(), UnitRows())}.get(self.kind, ())


def _sums(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the sum of each column, of rows that count as many as their weights say."""
    sums: NDArray[np.float64] = values.sum(axis=0) if weights is None else weights @ values
    return sums


def scale_rows(kind: str, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a float64 copy of X with that part of the scaling done which looks at one row at a time."""
    # In C order, so that a row is added up alike in an array of any layout.
    values: NDArray[np.float64] = X.astype(np.float64, order="C")
    factors = row_factors(kind, X)
    if kind == "sqrt":
        _take_roots(values)
    if factors is not None:
        values *= factors[:, None]
    return values


def row_factors(kind: str, X: NDArray[np.floating]) -> NDArray[np.float64] | None:
    """Return what ``l2`` and ``sqrt`` multiply each row by, shape (n_samples,), or None for the other kinds."""
    if kind not in ("l2", "sqrt"):
        return None
    squares = np.empty(len(X))
    for rows in row_blocks(X.shape):
        values = X[rows].astype(np.float64, order="C")
        # The square of a value's root is its absolute value.
        squares[rows] = np.einsum("ij,ij->i", values, values) if kind == "l2" else np.abs(values, out=values).sum(axis=1)
    # A row of zeros has no direction to keep: it stays as it is.
    return np.sqrt(np.divide(X.shape[1], squares, out=np.zeros(len(X)), where=squares > 0))


def deviations(mean: NDArray[np.float64], variance: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    """Return the standard deviation of each column, 1 for columns whose variance is only rounding, as scikit-learn has it."""
    rounding = np.finfo(np.float64).eps * n_rows
    constant = variance <= rounding * variance + (mean * rounding) ** 2
    return np.where(constant, 1.0, np.sqrt(np.maximum(variance, 0)))


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of rows that hold some 32 MB in float64 each."""
    return _slices(shape[0], shape[1])


def column_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of columns that hold some 32 MB in float64 each."""
    return _slices(shape[1], shape[0])


def feature_blocks(X: Features) -> Iterator[tuple[Any, NDArray[np.floating]]]:
    """Yield (positions, block of rows) of an array or of rows that are read when needed, some 32 MB in float64 each."""
    if isinstance(X, np.ndarray):
        return ((rows, X[rows]) for rows in row_blocks(X.shape))
    return ((at[rows], block[rows]) for at, block in X.blocks() for rows in row_blocks(block.shape))


def _slices(n: int, n_across: int) -> Iterator[slice]:
    step = max(1, _BLOCK_BYTES // (8 * max(1, n_across)))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _take_roots(values: NDArray[np.float64]) -> None:
    signs = np.sign(values)
    np.sqrt(np.abs(values, out=values), out=values)
    values *= signs
