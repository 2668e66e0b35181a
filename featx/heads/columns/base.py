"""What heads of labels and of numbers have in common: targets of several columns, in which cells may be unknown."""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.errors import HeadError, TooFewImages
from featx.heads.classical.base import ScaledHead
from featx.heads.epochs.losses import balanced_weights
from featx.heads.head import Features
from featx.heads.weights import weighted_rows
from featx.system.progress import OnEpoch
from featx.task import LARGEST_NUMBER, LEAST_SPREAD

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Targets:
    """What is learned: a column for each label or number.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns), float64
        0 where a cell is not known.
    known : ndarray of shape (n_samples, n_columns), bool
    weights : ndarray of shape (n_samples,), float64, or None
        How much each row counts, above 0; None where all are 1.
    """

    values: Values
    known: Mask
    weights: Values | None

    @property
    def cell_weights(self) -> Values:
        """Return how much each cell counts (n_samples, n_columns): its row's weight, 0 where it is not known."""
        own = np.ones(len(self.values)) if self.weights is None else self.weights
        return own[:, None] * self.known

    def balanced_weights(self) -> Values:
        """Return the same with the rows that have a label and those that have not weighing alike, column by column.

        scikit-learn's ``class_weight="balanced"`` of each label on its own, by the rows where it is known.
        """
        weights = self.cell_weights
        for column, known in enumerate(self.known.T):
            positive = self.values[known, column].astype(np.int64)
            own = None if self.weights is None else self.weights[known]
            weights[known, column] *= balanced_weights(positive, 2, own)[positive]
        return weights


def checked_targets(y: object) -> Values:
    """Return targets as float64 (n_samples, n_columns), NaN where a cell is not known; one column may come as (n_samples,).

    Raises
    ------
    HeadError
        If they are anything else, or one is infinite.
    """
    try:
        values = np.asarray(y, np.float64)
    except (TypeError, ValueError):
        raise HeadError(f"y: must be numbers, NaN where not known. Received: {type(y).__name__}.", wrong_value=True) from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.shape[1]:
        raise HeadError(f"y: must have shape (n_samples, n_columns). Received: {values.shape}.", wrong_value=True)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise HeadError(
            f"y: must be finite, or NaN where not known. Received: {values[row, column]} in row {row}, column {column}."
        )
    return values


def split_targets(values: Values, weights: Values | None) -> Targets:
    """Return targets and which cells are known, of an array with NaN where they are not."""
    known = ~np.isnan(values)
    return Targets(np.where(known, values, 0.0), known, weights)


def known_rows(values: Values, sample_weight: ArrayLike | None) -> ArrayLike | None:
    """Return weights of rows in which a row without any known cell weighs 0; None where all rows count alike."""
    blank = np.isnan(values).all(axis=1)
    if not blank.any():
        return sample_weight
    if sample_weight is None:
        return np.where(blank, 0.0, 1.0)
    own = np.asarray(sample_weight)
    return np.where(blank, 0.0, own) if own.shape == blank.shape else sample_weight


class ColumnHead(ScaledHead):
    """Scale, then learn all columns in one go; ``classes_`` are their positions."""

    takes_weights: ClassVar[bool] = True
    _least_classes: ClassVar[int] = 1

    _name: ClassVar[str]

    def fit(
        self,
        X: Features,
        y: NDArray[Any],
        X_val: Features | None = None,
        y_val: NDArray[Any] | None = None,
        on_epoch: OnEpoch | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from X (n_samples, n_features) and y (n_samples, n_columns), NaN where a cell is not known.

        A row without any known cell is left out, as one of weight 0 is; a ``sample_weight`` (n_samples,) of k counts as the row
        k times over. Validation rows are not looked at.

        Raises
        ------
        HeadError
            If a setting or a target is outside its range, nothing differs in a column, or the head cannot learn from that many
            rows or columns.
        TooFewImages
            If a column has fewer rows than the head needs.
        """
        self._check_settings()
        values = checked_targets(y)
        X, values, weights = weighted_rows(X, values, known_rows(values, sample_weight))
        targets = split_targets(values, weights)
        self._check_targets(targets)
        self.classes_ = np.arange(values.shape[1], dtype=np.int64)
        self.notes_ = []
        self._learn(X, targets)
        return self

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return what the head gives (n_samples, n_columns)."""
        raise NotImplementedError

    def _learn(self, X: Features, targets: Targets) -> None:
        raise NotImplementedError

    def _check_targets(self, targets: Targets) -> None:
        raise NotImplementedError


class LabelHead(ColumnHead):
    """A head of labels: the probability of each, whatever the others are."""

    def predict_proba(self, X: NDArray[np.floating]) -> Values:
        """Return the probability of each label (n_samples, n_labels) for rows X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        return self.outputs(X)

    def _check_targets(self, targets: Targets) -> None:
        check_labels(targets)


class NumberHead(ColumnHead):
    """A head of numbers: each in the units that it learned."""

    def predict(self, X: NDArray[np.floating]) -> Values:
        """Return the numbers (n_samples, n_targets) of rows X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        return self.outputs(X)

    def predict_proba(self, X: NDArray[np.floating]) -> Values:
        """Refuse: numbers have no probabilities.

        Raises
        ------
        HeadError
            Always.
        """
        raise no_probabilities(self._name)

    def _check_targets(self, targets: Targets) -> None:
        check_numbers(targets)


def no_probabilities(name: str) -> HeadError:
    """Return the error of a head of numbers that is asked for probabilities."""
    return HeadError(f"head {name}: was fitted on numbers and has no probabilities. Use predict.", wrong_value=True)


def check_labels(targets: Targets) -> None:
    """Refuse cells other than 0, 1 and unknown, and labels that all rows have, or none.

    Raises
    ------
    HeadError
        With the first such cell.
    TooFewImages
        With the labels.
    """
    wrong = np.argwhere(targets.known & (targets.values != 0) & (targets.values != 1))
    if len(wrong):
        row, column = wrong[0]
        raise HeadError(
            f"y: labels must be 1, 0 or NaN. Received: {targets.values[row, column]:g} in row {row}, column {column}.",
            wrong_value=True,
        )
    positive = (targets.values * targets.known).sum(axis=0).astype(int)
    negative = targets.known.sum(axis=0) - positive
    few = {column: int(min(pair)) for column, pair in enumerate(zip(positive, negative, strict=True)) if min(pair) < 1}
    if few:
        raise TooFewImages("labels", "an image with each label and one without", few, "label")


def check_numbers(targets: Targets) -> None:
    """Refuse targets of which nothing is known, that are the same in all rows, or too large to be squared.

    Raises
    ------
    HeadError
        With the column and its value.
    """
    for column, known in enumerate(targets.known.T):
        values = targets.values[known, column]
        if len(values) and np.abs(values).max() > LARGEST_NUMBER:
            raise HeadError(
                f"target {column}: must be from {-LARGEST_NUMBER:g} to {LARGEST_NUMBER:g}. Received: "
                f"{values[np.abs(values).argmax()]:g}. Give it in a larger unit.",
                wrong_value=True,
            )
        if len(values) < 2 or np.ptp(values) <= LEAST_SPREAD:
            received = f"{len(values)} rows, all {values[0]:g}" if len(values) else "no row"
            raise HeadError(
                f"target {column}: needs at least two known values that differ. Received: {received}.", wrong_value=True
            )


def groups_of_columns(columns: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Return which columns (n, k) are the same as each other: positions, the first of each group ascending."""
    _, group_of = np.unique(columns, axis=1, return_inverse=True)
    group_of = np.ravel(group_of)
    found = [np.flatnonzero(group_of == group) for group in range(int(group_of.max()) + 1)]
    return sorted(found, key=lambda group: int(group[0]))
