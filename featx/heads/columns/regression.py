"""Support vector regression of numbers: one matrix of inner products, or of a kernel, for all targets."""

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_features, check_setting, is_number
from featx.heads.classical.base import Shapes, check_penalty, read_whole
from featx.heads.classical.distances import stored_rows
from featx.heads.classical.kernel import rbf_decision, rbf_matrix, scaled_gamma, support_of
from featx.heads.classical.machines import KERNEL_TOLERANCE
from featx.heads.classical.span import LARGEST_DECOMPOSITION, gram_matrix, weighted_sum
from featx.heads.columns.base import NumberHead, Targets
from featx.heads.head import Features
from featx.heads.layers import Dense, PlainLayer, RbfKernel
from featx.heads.product import steady_product

Values = NDArray[np.float64]

REGRESSION_C = {"linear": 0.001, "rbf": 3.0}


class SvmNumbers(NumberHead):
    """Support vector regression (SVR) of each number on scaled features.

    Parameters
    ----------
    C : float or None
        Inverse strength of the L2 penalty; by default 0.001 for the linear kernel and 3 for rbf, as in ``SvmHead``.
    kernel : str
        ``linear``, or ``rbf``: exp(-gamma * squared distance), gamma as scikit-learn's ``scale`` takes it from the scaled
        training rows.
    epsilon : float
        Errors up to this many standard deviations of the target cost nothing.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    seed : int
        Nothing here is random; taken because every head takes it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features), or (n_targets, n_rows) with rbf
        scikit-learn's ``SVR`` of each standardised target, times its standard deviation.
    intercept_ : ndarray of shape (n_targets,)
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    rows_ : ndarray of shape (n_rows, n_features), float32
        With rbf: the support vectors of any target, scaled.
    gamma_ : ndarray of shape (1,)
        With rbf.

    References
    ----------
    Smola & Schölkopf (2004), A tutorial on support vector regression.
    """

    _name = "svm"

    coef_: Values
    intercept_: Values
    rows_: NDArray[np.float32]
    gamma_: Values

    def __init__(
        self, C: float | None = None, kernel: str = "linear", epsilon: float = 0.1, scale: str = "standard", seed: int = 0
    ) -> None:
        super().__init__(scale, seed)
        self.C = C
        self.kernel = kernel
        self.epsilon = epsilon

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each target, with these settings."""
        return self.kernel == "linear"

    def _check_settings(self) -> None:
        check_penalty("C", self.C, self.C is None or (is_number(self.C) and 0 < self.C < 1e12))
        check_setting("kernel", self.kernel, isinstance(self.kernel, str) and self.kernel in REGRESSION_C, "linear or rbf")
        check_setting(
            "epsilon", self.epsilon, is_number(self.epsilon) and 0 <= self.epsilon < 100, "a number from 0, below 100"
        )
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        if self.kernel == "rbf":
            return {
                "coef": (n_classes, n_rows),
                "intercept": (n_classes,),
                "rows": (n_rows, n_features),
                "gamma": (1,),
            }
        return {"coef": (n_classes, n_features), "intercept": (n_classes,)}

    def _learn(self, X: Features, targets: Targets) -> None:
        if len(X) > LARGEST_DECOMPOSITION:
            raise HeadError(
                f"svm: compares every image with every other and takes at most {LARGEST_DECOMPOSITION:,} training images of "
                f"numbers. Received: {len(X):,}. Use --head ridge."
            )
        from sklearn.svm import SVR

        X = read_whole(X, "svm", 0.5)
        scaling = self._learn_scaling(X, targets.weights)
        if self.kernel == "rbf":
            gamma, rows = scaled_gamma(X, scaling, targets.weights), stored_rows(X, scaling)
            matrix = rbf_matrix(rows, gamma)
        else:
            matrix = gram_matrix(X, scaling)
        C = float(self.C if self.C is not None else REGRESSION_C[self.kernel])
        machines, levels, spreads = [], [], []
        for values, known in zip(targets.values.T, targets.known.T, strict=True):
            some = np.flatnonzero(known)
            own = None if targets.weights is None else targets.weights[some]
            level = float(np.average(values[some], weights=own))
            spread = float(np.sqrt(np.average((values[some] - level) ** 2, weights=own)))
            machine = SVR(kernel="precomputed", C=C, epsilon=float(self.epsilon), tol=KERNEL_TOLERANCE)
            machine.fit(matrix[np.ix_(some, some)], (values[some] - level) / spread, own)
            machine.support_ = some[machine.support_]
            machines.append(machine)
            levels.append(level)
            spreads.append(spread)
        spread_of = np.array(spreads)
        support, of_rows, intercept = support_of(machines, len(X))
        of_rows *= spread_of[:, None]
        self.intercept_ = intercept * spread_of + levels
        if self.kernel == "rbf":
            self.coef_, self.rows_, self.gamma_ = of_rows, rows[support], np.array([gamma])
        else:
            self.coef_ = weighted_sum(X[support], scaling, of_rows)

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the numbers; the same as ``predict``."""
        check_features(X, len(self.mean_))
        if self.kernel == "linear":
            return steady_product(self._scaling(X), self.coef_.T, 2) + self.intercept_
        decision = rbf_decision(stored_rows(X, self._scaling), self.rows_, float(self.gamma_[0]), self.coef_)
        return decision + self.intercept_

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes; with rbf, planes of the kernel to each support vector."""
        scaling = self._scaling
        if self.kernel == "linear":
            return (*scaling.as_layers(), Dense((self.coef_ * scaling.row_length).T.copy(), self.intercept_))
        layers, rows = self._row_layers(self.rows_)
        gamma = float(self.gamma_[0]) * scaling.row_length**2
        return (*layers, RbfKernel(rows, gamma), Dense(self.coef_.T.copy(), self.intercept_))
