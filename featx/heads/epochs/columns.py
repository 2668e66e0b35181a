"""The dense heads of labels and of numbers."""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.heads.checks import check_features, check_setting
from featx.heads.columns.base import (
    Targets,
    check_labels,
    check_numbers,
    checked_targets,
    known_rows,
    no_probabilities,
    split_targets,
)
from featx.heads.columns.logistic import sigmoids_of
from featx.heads.epochs.batches import in_order
from featx.heads.epochs.dense import DenseHead
from featx.heads.epochs.objectives import Objective, OfLabels, OfNumbers
from featx.heads.head import Features
from featx.heads.layers import PlainLayer, Sigmoids, dense_layers
from featx.heads.product import steady_product
from featx.heads.weights import weighted_rows
from featx.system.progress import OnEpoch

Values = NDArray[np.float64]


@dataclasses.dataclass(eq=False, repr=False)
class _DenseColumns(DenseHead):
    """Dense layers towards several columns, in which cells may be unknown."""

    activation: str = dataclasses.field(init=False, default="sigmoid")
    loss: str | None = dataclasses.field(init=False, default=None)

    def fit(
        self,
        X: Features,
        y: NDArray[Any],
        X_val: Features | None = None,
        y_val: NDArray[Any] | None = None,
        on_epoch: OnEpoch | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from features X and y (n_samples, n_columns), NaN where a cell is not known; see ``EpochHead.fit``.

        A row without any known cell is left out, of training and of validation.

        Raises
        ------
        HeadError
            If a setting, a weight or a target is outside its range, nothing differs in a column, a feature is no number, or
            what is learned grows past every number.
        """
        self._check_settings()
        values = checked_targets(y)
        if X_val is not None and y_val is not None:
            of_val = checked_targets(y_val)
            known = known_rows(of_val, None)
            if np.isnan(of_val).all():
                X_val, y_val = None, None
            else:
                X_val, y_val, _ = weighted_rows(X_val, of_val, known)
        return super().fit(X, values, X_val, y_val, on_epoch, known_rows(values, sample_weight))

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        targets = split_targets(y, None)
        self._check_targets(targets)
        self.classes_ = np.arange(y.shape[1], dtype=np.int64)
        return y

    def _encoded_for_validation(self, y: NDArray[Any]) -> NDArray[Any]:
        return y

    def _check_targets(self, targets: Targets) -> None:
        raise NotImplementedError

    def _values(self, X: NDArray[np.floating]) -> Values:
        check_features(X, self._n_features)
        parts = [self._logits(block, steady_product) for _, block in in_order(X, self._block_rows)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.classes_)))


@dataclasses.dataclass(eq=False, repr=False)
class DenseLabels(_DenseColumns):
    """Dense layers with a sigmoid for each label, trained on binary cross-entropy; an unknown cell costs nothing.

    Parameters
    ----------
    **settings
        As in ``EpochHead``, without ``activation`` and ``loss``. ``class_weight="balanced"``: of each label, the cells that
        have it and those that have not weigh the same.

    Attributes
    ----------
    kernels_, biases_ : list of ndarray, float32
        Of each layer.
    history_ : dict of str to list of float
        As in ``EpochHead``; accuracy is the share of known cells that is right at a probability of one half.
    """

    _name: ClassVar[str] = "dense"

    def _check_targets(self, targets: Targets) -> None:
        check_labels(targets)

    def _weighted(self, labels: NDArray[Any], weights: Values | None) -> tuple[Values | None, Objective]:
        if self.class_weight is None:
            return weights, self._objective
        cells = split_targets(labels, weights)
        own = cells.cell_weights
        positive, total = (own * cells.values).sum(axis=0), own.sum(axis=0)
        return weights, OfLabels(self.label_smoothing, np.stack([total / (2 * (total - positive)), total / (2 * positive)]))

    @property
    def _objective(self) -> Objective:
        return OfLabels(self.label_smoothing)

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the probability of each label; the same as ``predict_proba``."""
        return sigmoids_of(self._values(X))

    def predict_proba(self, X: NDArray[np.floating]) -> Values:
        """Return the probability of each label (n_samples, n_labels), whatever the others are.

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        return self.outputs(X)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the dense layers, and the sigmoids of what the last gives."""
        return (*dense_layers(self.kernels_, self.biases_), Sigmoids())


@dataclasses.dataclass(eq=False, repr=False)
class DenseNumbers(_DenseColumns):
    """Dense layers trained on the squared error of standardised targets; an unknown cell costs nothing.

    Parameters
    ----------
    **settings
        As in ``EpochHead``, without ``activation``, ``loss``, ``class_weight`` and ``label_smoothing``; ``monitor`` is
        ``val_loss``.

    Attributes
    ----------
    kernels_, biases_ : list of ndarray, float32
        Of each layer; the last gives the targets in their units.
    history_ : dict of str to list of float
        ``loss`` and ``val_loss`` by epoch: the mean squared error of standardised targets.
    """

    class_weight: str | None = dataclasses.field(init=False, default=None)
    label_smoothing: float = dataclasses.field(init=False, default=0.0)

    _name: ClassVar[str] = "dense"

    def _check_settings(self) -> None:
        super()._check_settings()
        check_setting("monitor", self.monitor, self.monitor == "val_loss", "val_loss: numbers have no accuracy")

    def _check_targets(self, targets: Targets) -> None:
        check_numbers(targets)

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        super()._encoded(y)
        self._level, self._spread = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        return self._encoded_for_validation(y)

    def _encoded_for_validation(self, y: NDArray[Any]) -> NDArray[Any]:
        standardised: Values = (y - self._level) / self._spread
        return standardised

    @property
    def _objective(self) -> Objective:
        return OfNumbers()

    def _weighted(self, labels: NDArray[Any], weights: Values | None) -> tuple[Values | None, Objective]:
        return weights, self._objective

    def _finish(self) -> None:
        """Give back the targets' units."""
        *kernels, kernel = self.kernels_
        *biases, bias = self.biases_
        self.kernels_ = [*kernels, (kernel * self._spread).astype(np.float32)]
        self.biases_ = [*biases, (bias * self._spread + self._level).astype(np.float32)]

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the numbers; the same as ``predict``."""
        return self._values(X)

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

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the dense layers."""
        return dense_layers(self.kernels_, self.biases_)
