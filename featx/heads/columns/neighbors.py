"""Nearest neighbours of labels and of numbers: the mean of what is known of the nearest training rows."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_features, check_setting, is_whole
from featx.heads.classical.base import Shapes, read_whole
from featx.heads.classical.distances import distance_blocks, stored_rows
from featx.heads.classical.neighbors import MOST_NEIGHBORS, nearest_rows
from featx.heads.columns.base import ColumnHead, LabelHead, NumberHead, Targets, groups_of_columns
from featx.heads.head import Features
from featx.heads.layers import NeighborMeans, PlainLayer
from featx.heads.weights import check_whole
from featx.system.memory import check_memory

Values = NDArray[np.float64]


class _KnnHead(ColumnHead):
    """The mean of the nearest training rows, for each column among the rows where it is known."""

    _whole_numbers = ("classes", "known")

    rows_: NDArray[np.float32]
    targets_: Values
    known_: NDArray[np.int64]

    def __init__(self, neighbors: int = 5, scale: str = "standard", seed: int = 0) -> None:
        super().__init__(scale, seed)
        self.neighbors = neighbors

    def _check_settings(self) -> None:
        count = self.neighbors
        sound = is_whole(count) and 1 <= count <= MOST_NEIGHBORS
        check_setting("neighbors", count, sound, f"a whole number from 1 to {MOST_NEIGHBORS}")
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        return {"rows": (n_rows, n_features), "targets": (n_rows, n_classes), "known": (n_rows, n_classes)}

    def _learn(self, X: Features, targets: Targets) -> None:
        X = read_whole(X, "knn", 0.5)
        self.rows_ = stored_rows(X, self._learn_scaling(X, targets.weights))
        self.targets_, self.known_ = targets.values, targets.known.astype(np.int64)
        if targets.weights is not None:
            check_whole(targets.weights, "knn")
            n_rows, n_features = int(targets.weights.sum()), X.shape[1]
            needed = n_rows * n_features * self.rows_.itemsize
            check_memory(needed, f"knn: with these weights {n_rows:,} rows of {n_features:,}", "Use smaller weights.")
            counts = targets.weights.astype(np.int64)
            self.rows_ = np.repeat(self.rows_, counts, axis=0)
            self.targets_, self.known_ = np.repeat(self.targets_, counts, axis=0), np.repeat(self.known_, counts, axis=0)
        fewest = int(self.known_.sum(axis=0).min())
        if fewest < self.neighbors:
            self.notes_ = [
                f"knn: of some column only {fewest} training images are known: all of them count, not {self.neighbors}"
            ]

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting.

        Raises
        ------
        HeadError
            If they do not fit together, or hold what no fit gives.
        """
        super().restore(arrays)
        known = self.known_
        if known.min(initial=1) < 0 or known.max(initial=0) > 1 or not known.any(axis=0).all():
            raise HeadError(f"{type(self).__name__}: known must be 0 or 1, and 1 somewhere in each column.")
        if (self.targets_[known == 0] != 0).any():
            raise HeadError(f"{type(self).__name__}: targets must be 0 where they are not known.")
        return self

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the means of the nearest rows (n_samples, n_columns)."""
        check_features(X, len(self.mean_))
        queries = stored_rows(X, self._scaling)
        means = np.empty((len(X), len(self.classes_)))
        groups = [(columns, np.flatnonzero(self.known_[:, columns[0]])) for columns in groups_of_columns(self.known_)]
        for block, distances in distance_blocks(queries, self.rows_):
            for columns, rows in groups:
                count = min(self.neighbors, len(rows))
                found = nearest_rows(queries[block], distances[:, rows], self.rows_[rows], count)
                asked, nearest = np.nonzero(found)
                # Added up one after the other, so that a row's mean is the same whatever rows stand beside it.
                sums = np.zeros((len(distances), len(columns)))
                np.add.at(sums, asked, self.targets_[np.ix_(rows[nearest], columns)])
                means[block, columns] = sums / count
        return means

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the scaling, and the training rows that count behind it."""
        layers, rows = self._row_layers(self.rows_)
        return (*layers, NeighborMeans(rows, self.targets_, self.known_ > 0, self.neighbors))


class KnnLabels(_KnnHead, LabelHead):
    """The share of the nearest training rows that has each label, among the rows where it is known.

    Parameters
    ----------
    neighbors : int
        How many count, each with the same weight; all rows if there are fewer.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    seed : int
        Nothing here is random; taken because every head takes it.

    Attributes
    ----------
    rows_ : ndarray of shape (n_rows, n_features), float32
        The training rows, scaled. A row of weight k stands k times.
    targets_, known_ : ndarray of shape (n_rows, n_labels)
        1 where a row has the label, and 1 where that is known.
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    """

    _name = "knn"


class KnnNumbers(_KnnHead, NumberHead):
    """The mean of the nearest training rows' numbers.

    Parameters
    ----------
    neighbors : int
        How many count, each with the same weight; all rows if there are fewer.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    seed : int
        Nothing here is random; taken because every head takes it.

    Attributes
    ----------
    rows_ : ndarray of shape (n_rows, n_features), float32
        The training rows, scaled. A row of weight k stands k times.
    targets_, known_ : ndarray of shape (n_rows, n_targets)
        Numbers, and 1 where they are known.
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    """

    _name = "knn"
