"""Logistic regression of labels, each against its absence, from one scaling and one decomposition."""

import numpy as np
from numpy.typing import NDArray

from featx.heads.checks import check_class_weight, check_features, is_number
from featx.heads.classical.base import Shapes, check_penalty, read_whole
from featx.heads.columns.base import LabelHead, Targets
from featx.heads.columns.basis import Basis
from featx.heads.columns.newton import logistic_loss, minimise
from featx.heads.head import Features
from featx.heads.layers import Dense, PlainLayer, Sigmoids
from featx.heads.product import steady_product

Values = NDArray[np.float64]

_FARTHEST = 700.0


def sigmoids_of(decision: Values) -> Values:
    """Return the sigmoid of each value."""
    shares: Values = 1 / (1 + np.exp(-np.clip(decision, -_FARTHEST, _FARTHEST)))
    return shares


class LogregLabels(LabelHead):
    """Logistic regression of each label on scaled features.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty, as in ``LogregHead``.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced``: of each label, the rows that have it and those that have not weigh the same.
    seed : int
        Nothing here is random; taken because every head takes it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_labels, n_features)
        On scaled features; scikit-learn's ``LogisticRegression`` of each label on the rows where it is known has the same.
    intercept_ : ndarray of shape (n_labels,)
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    """

    _name = "logreg"

    coef_: Values
    intercept_: Values

    def __init__(self, C: float = 0.01, scale: str = "standard", class_weight: str | None = None, seed: int = 0) -> None:
        super().__init__(scale, seed)
        self.C = C
        self.class_weight = class_weight

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each label, with these settings."""
        return True

    def _check_settings(self) -> None:
        check_penalty("C", self.C, is_number(self.C) and 0 < self.C < 1e12)
        check_class_weight(self.class_weight)
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        return {"coef": (n_classes, n_features), "intercept": (n_classes,)}

    def _learn(self, X: Features, targets: Targets) -> None:
        X = read_whole(X, "logreg", 2)
        basis = Basis(X, self._learn_scaling(X, targets.weights))
        weights = targets.balanced_weights() if self.class_weight else targets.cell_weights
        loss = logistic_loss(targets.values, weights)
        coef, converged = minimise(basis.rows, loss, targets.values.shape[1], 1 / self.C, 0)
        self.coef_, self.intercept_ = basis.back(coef[:-1].T), coef[-1]
        if not converged:
            self.notes_ = [f"LogregLabels: did not converge at C {self.C}: a smaller one would"]

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the probability of each label; the same as ``predict_proba``."""
        check_features(X, len(self.mean_))
        return sigmoids_of(steady_product(self._scaling(X), self.coef_.T, 2) + self.intercept_)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes, and the sigmoids of what they give."""
        scaling = self._scaling
        return (*scaling.as_layers(), Dense((self.coef_ * scaling.row_length).T.copy(), self.intercept_), Sigmoids())
