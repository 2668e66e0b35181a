"""Nearest neighbours: the training rows are the head."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_features, check_setting, is_whole
from featx.heads.classical.base import ClassicalHead, Shapes, read_whole
from featx.heads.classical.distances import distance_blocks, stored_rows
from featx.heads.head import Features
from featx.heads.layers import Neighbors, PlainLayer
from featx.heads.weights import check_whole
from featx.system.memory import check_memory

MOST_NEIGHBORS = 1_000_000
_ROUNDING = 1e-9
"""Of the squared lengths: distances from a matrix product are sure to no more."""


class KnnHead(ClassicalHead):
    """The share of the nearest training rows that is of each class.

    Distances are Euclidean between scaled rows in float32, computed in float64. Of rows equally far away those that stand
    first in the training set are taken, so that the answer is always the same.

    Parameters
    ----------
    neighbors : int
        How many vote, each with the same weight; all rows if there are fewer. By three-fold cross-validation inside the
        sample's training images at 96 px, 3 to 9 do alike, within a point and a half; the scale matters more: with avgmax and
        5 neighbors 0.70 standard, 0.73 none, 0.78 l2 and sqrt.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    seed : int
        Nothing here is random; taken because every head takes it.

    Attributes
    ----------
    rows_ : ndarray of shape (n_rows, n_features), float32
        The training rows, scaled.
    labels_ : ndarray of shape (n_rows,), int64
        Position of each row's class in ``classes_``. A row of weight k stands k times.
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    """

    takes_weights: ClassVar[bool] = True
    _whole_numbers = ("classes", "labels")

    rows_: NDArray[np.float32]
    labels_: NDArray[np.int64]

    def __init__(self, neighbors: int = 5, scale: str = "standard", seed: int = 0) -> None:
        super().__init__(scale, seed)
        self.neighbors = neighbors

    def _check_settings(self) -> None:
        count = self.neighbors
        sound = is_whole(count) and 1 <= count <= MOST_NEIGHBORS
        check_setting("neighbors", count, sound, f"a whole number from 1 to {MOST_NEIGHBORS}")
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        return {"rows": (n_rows, n_features), "labels": (n_rows,)}

    def _learn(self, X: Features, labels: NDArray[np.integer], weights: NDArray[np.float64] | None = None) -> None:
        X = read_whole(X, "knn", 0.5)
        self.rows_ = stored_rows(X, self._learn_scaling(X, weights))
        self.labels_ = labels.astype(np.int64)
        if weights is not None:
            self._repeat(weights)
        if len(self.rows_) < self.neighbors:
            self.notes_ = [f"knn: there are only {len(self.rows_)} training images: all of them vote, not {self.neighbors}"]

    def _repeat(self, weights: NDArray[np.float64]) -> None:
        """Let each row stand among the neighbours as many times as its weight says."""
        check_whole(weights, "knn")
        n_rows, n_features = int(weights.sum()), self.rows_.shape[1]
        needed = n_rows * n_features * self.rows_.itemsize
        check_memory(needed, f"knn: with these weights {n_rows:,} rows of {n_features:,}", "Use smaller weights.")
        counts = weights.astype(np.int64)
        self.rows_, self.labels_ = np.repeat(self.rows_, counts, axis=0), np.repeat(self.labels_, counts)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting.

        Raises
        ------
        HeadError
            If they do not fit together, or hold what no fit gives.
        """
        super().restore(arrays)
        if np.unique(self.labels_).tolist() != list(range(len(self.classes_))):
            raise HeadError(f"KnnHead: labels must be from 0 to {len(self.classes_) - 1}, each at least once.")
        return self

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features): shares of the votes.

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        check_features(X, len(self.mean_))
        queries = stored_rows(X, self._scaling)
        count = min(self.neighbors, len(self.labels_))
        votes = np.zeros((len(X), len(self.classes_)))
        for block, distances in distance_blocks(queries, self.rows_):
            asked, voters = np.nonzero(nearest_rows(queries[block], distances, self.rows_, count))
            np.add.at(votes[block], (asked, self.labels_[voters]), 1)
        return votes / count

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the scaling, and the training rows that vote behind it."""
        layers, rows = self._row_layers(self.rows_)
        return (*layers, Neighbors(rows, self.labels_, min(self.neighbors, len(rows))))


def nearest_rows(
    queries: NDArray[np.float32], distances: NDArray[np.float64], rows: NDArray[np.float32], count: int
) -> NDArray[np.bool_]:
    """Return which rows are nearest to each query: (n_queries, n_rows), of rows equally far away the first."""
    limit = np.partition(distances, count - 1, axis=1)[:, count - 1]
    # A product's rounding differs with the rows beside it. Where it could decide, plain differences are taken instead.
    lengths = np.einsum("ij,ij->i", queries, queries, dtype=np.float64)
    unsure = _ROUNDING * (lengths + limit)[:, None]
    nearest: NDArray[np.bool_] = distances <= limit[:, None] + unsure
    for row in np.flatnonzero(nearest.sum(axis=1) > count):
        candidates = np.flatnonzero(nearest[row])
        differences = rows[candidates].astype(np.float64) - queries[row].astype(np.float64)
        order = np.argsort((differences**2).sum(axis=1), kind="stable")
        nearest[row, candidates[order[count:]]] = False
    return nearest
