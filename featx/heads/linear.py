"""Logistic regression and linear SVM: scikit-learn learns them, NumPy is enough to use them."""

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.head import Features, check_features, check_seed, check_setting, is_number, seen_classes, softmax
from featx.progress import OnEpoch

_MAX_ITERATIONS = 2000
_CALIBRATION_FOLDS = 5


class _LinearHead:
    """Standardise, then one hyperplane per class (one in all for two classes).

    What a head learns beyond that stands in ``_extra``, and how it learns in ``_learn``.
    """

    _extra: ClassVar[tuple[str, ...]] = ()

    def __init__(self, C: float, seed: int) -> None:
        self.C = C
        self.seed = seed
        self.history_: dict[str, list[float]] = {}
        self.notes_: list[str] = []

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as JSON types."""
        return {"C": self.C, "seed": self.seed}

    def fit(
        self,
        X: Features,
        y: NDArray[np.integer],
        X_val: Features | None = None,
        y_val: NDArray[np.integer] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Learn from X (n_samples, n_features) and y (n_samples,); validation rows are not looked at.

        Raises
        ------
        SingleClassError
            If y holds fewer than two labels.
        HeadError
            If a setting is outside its range, or the head needs more images of a class than there are.
        """
        self._check_settings()
        self.classes_ = seen_classes(y)
        self._learn(self._standardise(np.asarray(X)), y)
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return classes, mean, scale, coef and intercept, and what else this head learned."""
        learned: dict[str, NDArray[Any]] = {
            "classes": self.classes_,
            "mean": self.mean_,
            "scale": self.scale_,
            "coef": self.coef_,
            "intercept": self.intercept_,
        }
        return learned | {name: getattr(self, f"{name}_") for name in self._extra}

    def _learn(self, X: NDArray[np.float64], y: NDArray[np.integer]) -> None:
        raise NotImplementedError

    @property
    def n_parameters(self) -> int:
        """Number of coefficients and intercepts."""
        return int(self.coef_.size + self.intercept_.size)

    def _check_settings(self) -> None:
        check_setting("C", self.C, is_number(self.C) and 0 < self.C < 1e12, "a number above 0 and below 1e12")
        check_seed(self.seed)

    def _standardise(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        standardised: NDArray[np.float64] = scaler.fit_transform(X.astype(np.float64))
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        return standardised

    def _decision(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return signed distances: (n, n_classes), or (n, 1) for two classes."""
        check_features(X, len(self.mean_))
        distances: NDArray[np.float64] = (X.astype(np.float64) - self.mean_) / self.scale_ @ self.coef_.T + self.intercept_
        return distances

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting.

        Raises
        ------
        HeadError
            If they do not fit together.
        """
        self._check_settings()
        wanted = {"classes", "mean", "scale", "coef", "intercept", *self._extra}
        if set(arrays) != wanted:
            raise HeadError(f"linear head: must have the arrays {sorted(wanted)}. Received: {sorted(arrays)}.")
        n_classes, n_features = arrays["classes"].size, arrays["mean"].size
        n_rows = 1 if n_classes == 2 else n_classes
        shapes = {
            "classes": (n_classes,),
            "mean": (n_features,),
            "scale": (n_features,),
            "coef": (n_rows, n_features),
            "intercept": (n_rows,),
        } | dict.fromkeys(self._extra, (n_rows,))
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise HeadError(f"linear head: {name} must have shape {shape}. Received: {arrays[name].shape}.")
        self.classes_ = arrays["classes"]
        self.mean_, self.scale_ = arrays["mean"], arrays["scale"]
        self.coef_, self.intercept_ = arrays["coef"], arrays["intercept"]
        for name in self._extra:
            setattr(self, f"{name}_", arrays[name])
        return self

    def _fit_noting(self, estimator: Any, X: NDArray[np.float64], y: NDArray[np.integer]) -> None:
        """Fit; say what scikit-learn warns about in the result instead of on the terminal."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, y)
        self.notes_ = sorted({f"{type(self).__name__}: {str(w.message).splitlines()[0]}" for w in caught})


class LogregHead(_LinearHead):
    """Multinomial logistic regression on standardised features.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty. 0.01 did best or within half a point of it, whatever the pooling, by
        three-fold cross-validation inside the sample's training images.
    seed : int
        Passed to scikit-learn as ``random_state``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        On standardised features.
    intercept_ : ndarray of shape (n_classes,) or (1,)
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features.
    """

    def __init__(self, C: float = 0.01, seed: int = 0) -> None:
        super().__init__(C, seed)

    def _learn(self, X: NDArray[np.float64], y: NDArray[np.integer]) -> None:
        from sklearn.linear_model import LogisticRegression

        estimator = LogisticRegression(C=self.C, max_iter=_MAX_ITERATIONS, random_state=self.seed)
        self._fit_noting(estimator, X, y)
        self.coef_, self.intercept_ = estimator.coef_, estimator.intercept_

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


class SvmHead(_LinearHead):
    """Linear support vector machine on standardised features, its distances calibrated to probabilities.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty; 0.001 by cross-validation inside the sample's training images.
    seed : int
        Passed to scikit-learn as ``random_state``.

    Attributes
    ----------
    coef_, intercept_, mean_, scale_ : ndarray
        As in ``LogregHead``.
    slope_, offset_ : ndarray of shape (n_classes,) or (1,)
        Platt's sigmoid: probability = 1 / (1 + exp(slope * distance + offset)), scaled to sum to 1.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.
    """

    _extra = ("slope", "offset")
    slope_: NDArray[np.float64]
    offset_: NDArray[np.float64]

    def __init__(self, C: float = 0.001, seed: int = 0) -> None:
        super().__init__(C, seed)

    def _learn(self, X: NDArray[np.float64], y: NDArray[np.integer]) -> None:
        fewest = int(np.unique(y, return_counts=True)[1].min())
        if fewest < 2:
            raise HeadError("svm: needs at least 2 training images in each class, to calibrate. Received: 1 in one class.")
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold
        from sklearn.svm import LinearSVC

        folds = StratifiedKFold(min(_CALIBRATION_FOLDS, fewest), shuffle=True, random_state=self.seed)
        svm = LinearSVC(C=self.C, max_iter=_MAX_ITERATIONS, random_state=self.seed)
        # ensemble=False: one hyperplane fitted on all rows, its sigmoid on held-out distances.
        estimator = CalibratedClassifierCV(svm, method="sigmoid", cv=folds, ensemble=False)
        self._fit_noting(estimator, X, y)
        fitted = estimator.calibrated_classifiers_[0]
        self.coef_, self.intercept_ = fitted.estimator.coef_, fitted.estimator.intercept_
        self.slope_ = np.array([sigmoid.a_ for sigmoid in fitted.calibrators])
        self.offset_ = np.array([sigmoid.b_ for sigmoid in fitted.calibrators])

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        exponent = np.clip(self._decision(X) * self.slope_ + self.offset_, -700, 700)  # exp stays finite
        shares: NDArray[np.float64] = 1 / (1 + np.exp(exponent))
        if shares.shape[1] == 1:
            return np.hstack([1 - shares, shares])
        normalised: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return normalised

    @property
    def n_parameters(self) -> int:
        """Number of coefficients, intercepts and calibration values."""
        return super().n_parameters + int(self.slope_.size + self.offset_.size)
