"""Logistic regression and support vector machine: learned as scikit-learn learns them, used with NumPy alone."""

import threading
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, TooFewImages
from featx.heads.checks import check_class_weight, check_features, check_setting, is_number
from featx.heads.classical.base import ClassicalHead, Shapes, check_penalty, n_decisions, read_whole, row_weights
from featx.heads.classical.distances import stored_rows
from featx.heads.classical.kernel import DEFAULT_C, rbf_decision, rbf_matrix, scaled_gamma, support_of
from featx.heads.classical.logistic import fit_logistic
from featx.heads.classical.machines import Calibrated, kernel_machine, linear_machine
from featx.heads.classical.platt import sigmoid_planes, sigmoid_probabilities
from featx.heads.classical.scaling import Scaling
from featx.heads.classical.span import LARGEST_DECOMPOSITION, Span
from featx.heads.copies import halved_if_alone, without_copies
from featx.heads.head import Features, softmax
from featx.heads.layers import PlainLayer, RbfKernel, plane_layers
from featx.heads.product import steady_product

_MAX_ITERATIONS = 2000

# Python keeps its warning filters for the whole process: a thread of a search would undo what another had set.
_one_at_a_time = threading.Lock()

_ROTATE_FROM = 2
"""Columns a row. Below that, finding the directions costs more than it saves; so do rows that were rotated already."""


def _rotates(shape: tuple[int, ...]) -> bool:
    return shape[1] >= _ROTATE_FROM * shape[0] and shape[0] <= LARGEST_DECOMPOSITION


class _LinearHead(ClassicalHead):
    """One hyperplane per class (one in all for two classes) on scaled features."""

    takes_weights: ClassVar[bool] = True

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each class, with these settings."""
        return True

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        n_planes = n_decisions(n_classes)
        return {"coef": (n_planes, n_features), "intercept": (n_planes,)}

    def _decision(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return signed distances: (n, n_classes), or (n, 1) for two classes."""
        check_features(X, len(self.mean_))
        distances: NDArray[np.float64] = steady_product(self._scaling(X), self.coef_.T, 2) + self.intercept_
        return distances

    def _fit_noting(
        self, estimator: Any, X: NDArray[np.float64], labels: NDArray[np.integer], weights: NDArray[np.float64] | None
    ) -> None:
        """Fit; keep what scikit-learn warns about as notes of the result instead of printing it on the terminal."""
        with _one_at_a_time, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, labels, weights)
        self.notes_ = sorted({f"{type(self).__name__}: {str(w.message).splitlines()[0]}" for w in caught})


class LogregHead(_LinearHead):
    """Multinomial logistic regression on scaled features.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty. 0.01 did best or within half a point of it, whatever the pooling, by
        three-fold cross-validation inside the sample's training images.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced`` gives each class the same weight in all, whatever its number of images.
    seed : int
        Passed to scikit-learn as ``random_state``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        On scaled features.
    intercept_ : ndarray of shape (n_classes,) or (1,)
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    """

    def __init__(self, C: float = 0.01, scale: str = "standard", class_weight: str | None = None, seed: int = 0) -> None:
        super().__init__(scale, seed)
        self.C = C
        self.class_weight = class_weight

    def _check_settings(self) -> None:
        check_penalty("C", self.C, is_number(self.C) and 0 < self.C < 1e12)
        check_class_weight(self.class_weight)
        super()._check_settings()

    def _learn(self, X: Features, labels: NDArray[np.integer], weights: NDArray[np.float64] | None = None) -> None:
        X = read_whole(X, "logreg", 1.5)
        scaling = self._learn_scaling(X, weights)
        if X.shape[0] < X.shape[1]:
            return self._learn_wide(X, scaling, labels, weights)
        from sklearn.linear_model import LogisticRegression

        estimator = LogisticRegression(C=self.C, max_iter=_MAX_ITERATIONS, random_state=self.seed)
        is_weighted = weights is not None or self.class_weight is not None
        of_rows = row_weights(labels, self.class_weight, weights) if is_weighted else None
        self._fit_noting(estimator, scaling(X), labels, of_rows)
        self.coef_, self.intercept_ = estimator.coef_, estimator.intercept_
        return None

    def _learn_wide(
        self, X: NDArray[np.floating], scaling: Scaling, labels: NDArray[np.integer], weights: NDArray[np.float64] | None
    ) -> None:
        """Find the same minimum that scikit-learn walks towards, in the directions that the rows span."""
        span = Span(X, scaling) if _rotates(X.shape) else None
        rows = span.rows if span else scaling(X)
        coef, self.intercept_, converged = fit_logistic(rows, labels, row_weights(labels, self.class_weight, weights), self.C)
        self.coef_ = span.back(coef) if span else coef
        if not converged:
            self.notes_ = [f"LogregHead: did not converge at C {self.C}: a smaller one would"]

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        decision = self._decision(X)
        if decision.shape[1] == 1:
            decision = np.hstack([np.zeros_like(decision), decision])
        return softmax(decision)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes, and the softmax of what they give."""
        return self._plane_layers(self.coef_, self.intercept_, "softmax")


class SvmHead(_LinearHead):
    """Support vector machine on scaled features, one class against the others, with sigmoids from distance to probability.

    Parameters
    ----------
    C : float or None
        Inverse strength of the L2 penalty; by default 0.001 for the linear kernel and 3 for rbf, by three-fold
        cross-validation inside the sample's training images.
    kernel : str
        ``linear``, or ``rbf``: exp(-gamma * squared distance), gamma as scikit-learn's ``scale`` takes it from the scaled
        training rows.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced`` as scikit-learn's ``LinearSVC`` and, one class against the others, ``SVC`` have it.
    seed : int
        Passed to scikit-learn as ``random_state``.

    Attributes
    ----------
    coef_, intercept_, mean_, scale_ : ndarray
        As in ``LogregHead``; with rbf, coef_ of shape (n_classes, n_rows) or (1, n_rows) weighs the kernel's values.
    slope_, offset_ : ndarray of shape (n_classes,) or (1,)
        Platt's sigmoid: probability = 1 / (1 + exp(slope * distance + offset)), scaled to sum to 1.
    rows_ : ndarray of shape (n_rows, n_features), float32
        With rbf: the support vectors, scaled.
    gamma_ : ndarray of shape (1,)
        With rbf.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.
    """

    slope_: NDArray[np.float64]
    offset_: NDArray[np.float64]
    rows_: NDArray[np.float32]
    gamma_: NDArray[np.float64]

    def __init__(
        self,
        C: float | None = None,
        kernel: str = "linear",
        scale: str = "standard",
        class_weight: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(scale, seed)
        self.C = C
        self.kernel = kernel
        self.class_weight = class_weight

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each class, with these settings."""
        return self.kernel == "linear"

    def _check_settings(self) -> None:
        check_penalty("C", self.C, self.C is None or (is_number(self.C) and 0 < self.C < 1e12))
        check_setting("kernel", self.kernel, isinstance(self.kernel, str) and self.kernel in DEFAULT_C, "linear or rbf")
        check_class_weight(self.class_weight)
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        n_planes = n_decisions(n_classes)
        shapes = super()._shapes(n_classes, n_features, n_rows) | {"slope": (n_planes,), "offset": (n_planes,)}
        if self.kernel == "rbf":
            shapes |= {"coef": (n_planes, n_rows), "rows": (n_rows, n_features), "gamma": (1,)}
        return shapes

    def _learn(self, X: Features, labels: NDArray[np.integer], weights: NDArray[np.float64] | None = None) -> None:
        counts = np.maximum(np.bincount(labels), np.bincount(labels, weights))  # one row of weight 2 is two rows
        few = {int(self.classes_[at]): int(count) for at, count in enumerate(counts.tolist()) if count < 2}
        if few:
            raise TooFewImages("svm", "at least 2 training images in each class, to fit its sigmoids", few)
        if self.kernel == "rbf" and len(X) > LARGEST_DECOMPOSITION:
            raise HeadError(
                f"svm: kernel rbf compares every image with every other and takes at most {LARGEST_DECOMPOSITION:,} training "
                f"images. Received: {len(X):,}. Use kernel linear."
            )
        X = read_whole(X, "svm", 4)  # liblinear keeps a copy with a number beside each value, and a copy of a fold
        X, labels, weights = halved_if_alone(*without_copies(X, labels, weights))
        scaling = self._learn_scaling(X, weights)
        learn = self._learn_linear if self.kernel == "linear" else self._learn_rbf
        sigmoids = learn(X, scaling, labels, weights, self.C if self.C is not None else DEFAULT_C[self.kernel])
        self.slope_ = np.array([sigmoid.a_ for sigmoid in sigmoids])
        self.offset_ = np.array([sigmoid.b_ for sigmoid in sigmoids])

    def _learn_linear(
        self,
        X: NDArray[np.floating],
        scaling: Scaling,
        labels: NDArray[np.integer],
        weights: NDArray[np.float64] | None,
        C: float,
    ) -> list[Any]:
        span = Span(X, scaling) if _rotates(X.shape) else None
        # What scikit-learn would choose for rows of that many columns: the same steps, on fewer numbers.
        options = {"C": C, "dual": True if span else "auto", "max_iter": _MAX_ITERATIONS, "random_state": self.seed}
        machine, given = linear_machine(labels, weights, self.class_weight, **options)
        fitted = Calibrated(machine, given, self.class_weight, self.seed)
        self._fit_noting(fitted, span.rows if span else scaling(X), labels, weights)
        self.intercept_ = machine.intercept_
        self.coef_ = span.back(machine.coef_) if span else machine.coef_
        return fitted.sigmoids

    def _learn_rbf(
        self,
        X: NDArray[np.floating],
        scaling: Scaling,
        labels: NDArray[np.integer],
        weights: NDArray[np.float64] | None,
        C: float,
    ) -> list[Any]:
        # One gamma for all folds, so that one matrix serves them all.
        gamma = scaled_gamma(X, scaling, weights)
        rows = stored_rows(X, scaling)
        machines, given = kernel_machine(C, self.class_weight, self.seed, weights)
        fitted = Calibrated(machines, given, self.class_weight, self.seed)
        self._fit_noting(fitted, rbf_matrix(rows, gamma), labels, weights)
        support, self.coef_, self.intercept_ = support_of(machines.estimators_, len(rows))
        self.rows_, self.gamma_ = rows[support], np.array([gamma])
        return fitted.sigmoids

    def _decision(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        if self.kernel == "linear":
            return super()._decision(X)
        check_features(X, len(self.mean_))
        queries = stored_rows(X, self._scaling)
        return rbf_decision(queries, self.rows_, float(self.gamma_[0]), self.coef_) + self.intercept_

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        return sigmoid_probabilities(self._decision(X), self.slope_, self.offset_)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes inside of the sigmoids, and these; with rbf, planes of the kernel to each support vector."""
        coef, intercept = sigmoid_planes(self.coef_, self.intercept_, self.slope_, self.offset_)
        if self.kernel == "linear":
            return self._plane_layers(coef, intercept, "sigmoid")
        layers, rows = self._row_layers(self.rows_)
        gamma = float(self.gamma_[0]) * self._scaling.row_length**2
        return (*layers, RbfKernel(rows, gamma), *plane_layers(coef, intercept, "sigmoid"))
