"""Rows with labels and numbers that depend on them, and cells that are not known."""

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.scaling import Scaling

Values = NDArray[np.float64]
WIDE, TALL = (50, 120), (150, 12)


def made_columns(
    shape: tuple[int, int], n_columns: int = 4, unknown: float = 0.0
) -> tuple[NDArray[np.float32], Values, Values]:
    """Return rows, labels (1, 0, NaN) and numbers (NaN where not known), the last column known throughout."""
    rng = np.random.default_rng(3)
    X = (rng.normal(0, 1, shape) * np.linspace(0.5, 3, shape[1])).astype(np.float32)
    values = X @ rng.normal(0, 1, (shape[1], n_columns)) + rng.normal(0, 6, (shape[0], n_columns))
    labels = (values > values.mean(axis=0) + 4).astype(np.float64)
    hidden = rng.random(labels.shape) < unknown
    hidden[:, -1] = False
    return X, np.where(hidden, np.nan, labels), np.where(hidden, np.nan, 10 + values)


def scaled(X: NDArray[np.float32], kind: str = "standard") -> Values:
    """Return rows as a head with that scale sees them."""
    return Scaling.learn(kind, X)(X)
