"""The ridge heads of labels and of numbers."""

import numpy as np
from numpy.typing import NDArray

from featx.heads.checks import check_class_weight, check_features, is_number
from featx.heads.classical.base import Shapes, check_penalty
from featx.heads.classical.platt import fit_sigmoid, sigmoid_planes
from featx.heads.columns.base import ColumnHead, LabelHead, NumberHead, Targets
from featx.heads.columns.least_squares import Planes, fit_planes
from featx.heads.columns.logistic import sigmoids_of
from featx.heads.head import Features
from featx.heads.layers import Dense, PlainLayer, Sigmoids
from featx.heads.product import steady_product

Values = NDArray[np.float64]


class _RidgeHead(ColumnHead):
    """Least squares with an L2 penalty in closed form: a plane for each column."""

    coef_: Values
    intercept_: Values
    alpha_: Values
    left_out_: Values

    def __init__(self, alpha: float | None, scale: str, seed: int) -> None:
        super().__init__(scale, seed)
        self.alpha = alpha

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each column, with these settings."""
        return True

    @property
    def n_parameters(self) -> int:
        """Number of learned values that a prediction multiplies or adds."""
        return super().n_parameters - int(self.alpha_.size)  # alpha is reported, not used

    def _check_settings(self) -> None:
        check_penalty("alpha", self.alpha, self.alpha is None or (is_number(self.alpha) and 0 < self.alpha < 1e12))
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        return {"coef": (n_classes, n_features), "intercept": (n_classes,), "alpha": (n_classes,)}

    def _fit(self, X: Features, targets: Targets, weights: Values) -> Planes:
        scaling, planes = fit_planes(X, targets.values, weights, self.scale, targets.weights, self.alpha, self.seed)
        self.mean_, self.scale_ = scaling.mean, scaling.scale
        self.coef_, self.intercept_, self.alpha_ = planes.coef, planes.intercept, planes.alpha
        self.left_out_ = planes.left_out
        if self.alpha is None:
            low, high = self.alpha_.min(), self.alpha_.max()
            chosen = f"alpha {low:.3g}" if low == high else f"alpha {low:.3g} to {high:.3g}"
            self.notes_ = [f"ridge: {chosen} was chosen, by the squared error of training images left out in turn"]
        return planes

    def _decision(self, X: NDArray[np.floating]) -> Values:
        check_features(X, len(self.mean_))
        return steady_product(self._scaling(X), self.coef_.T, 2) + self.intercept_


class RidgeLabels(_RidgeHead, LabelHead):
    """Least squares towards +1 and -1 for each label, with an L2 penalty, in closed form.

    Features may be larger than memory where there are at least as many rows as columns, as with ``RidgeHead``.

    Parameters
    ----------
    alpha : float or None
        Strength of the penalty; by default, for each label, that with the least squared error of training rows left out.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced``: of each label, the rows that have it and those that have not weigh the same. Each label then has a
        decomposition of its own.
    seed : int
        Of the draw of rows to judge by, where there are very many; nothing else is random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_labels, n_features)
        On scaled features.
    intercept_, slope_, offset_ : ndarray of shape (n_labels,)
        Platt's sigmoid on leave-one-out decisions: probability = 1 / (1 + exp(slope * decision + offset)).
    alpha_ : ndarray of shape (n_labels,)
        The penalties given or chosen.
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    left_out_ : ndarray of shape (n_samples, n_labels)
        What the fit without each row would decide about it; known after ``fit`` alone.
    """

    _name = "ridge"

    slope_: Values
    offset_: Values

    def __init__(
        self, alpha: float | None = None, scale: str = "standard", class_weight: str | None = None, seed: int = 0
    ) -> None:
        super().__init__(alpha, scale, seed)
        self.class_weight = class_weight

    def _check_settings(self) -> None:
        check_class_weight(self.class_weight)
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        return super()._shapes(n_classes, n_features, n_rows) | dict.fromkeys(("slope", "offset"), (n_classes,))

    def _learn(self, X: Features, targets: Targets) -> None:
        weights = targets.balanced_weights() if self.class_weight else targets.cell_weights
        signs = np.where(targets.known, 2 * targets.values - 1, 0)
        decision = self._fit(X, Targets(signs, targets.known, targets.weights), weights).with_common_mean
        found = []
        for at in range(signs.shape[1]):
            judged = ~np.isnan(decision[:, at])
            found.append(fit_sigmoid(decision[judged, at], signs[judged, at] > 0, weights[judged, at]))
        self.slope_, self.offset_ = (np.array(values) for values in zip(*found, strict=True))

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the probability of each label; the same as ``predict_proba``."""
        return sigmoids_of(-(self.slope_ * self._decision(X) + self.offset_))

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes inside of the sigmoids, and these."""
        coef, intercept = sigmoid_planes(self.coef_, self.intercept_, self.slope_, self.offset_)
        scaling = self._scaling
        return (*scaling.as_layers(), Dense((coef * scaling.row_length).T.copy(), intercept), Sigmoids())


class RidgeNumbers(_RidgeHead, NumberHead):
    """Ridge regression of numbers, in closed form.

    Features may be larger than memory where there are at least as many rows as columns, as with ``RidgeHead``.

    Parameters
    ----------
    alpha : float or None
        Strength of the penalty; by default, for each target, that with the least squared error of training rows left out, as
        scikit-learn's ``RidgeCV`` chooses it.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    seed : int
        Of the draw of rows to judge by, where there are very many; nothing else is random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        On scaled features.
    intercept_, alpha_ : ndarray of shape (n_targets,)
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    left_out_ : ndarray of shape (n_samples, n_targets)
        What the fit without each row would give for it; known after ``fit`` alone.
    """

    _name = "ridge"

    def __init__(self, alpha: float | None = None, scale: str = "standard", seed: int = 0) -> None:
        super().__init__(alpha, scale, seed)

    def _learn(self, X: Features, targets: Targets) -> None:
        self._fit(X, targets, targets.cell_weights)

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the numbers; the same as ``predict``."""
        return self._decision(X)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes."""
        scaling = self._scaling
        return (*scaling.as_layers(), Dense((self.coef_ * scaling.row_length).T.copy(), self.intercept_))
