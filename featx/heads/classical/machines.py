"""scikit-learn's support vector machines, and the sigmoids of what they decide about rows held out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.base import n_decisions, row_weights

SIGMOID_FOLDS = 5

KERNEL_TOLERANCE = 1e-7
"""At scikit-learn's own 0.001 the last bit of a distance moves probabilities in their fourth digit."""

Values = NDArray[np.float64]


def linear_machine(
    labels: NDArray[np.integer], weights: Values | None, class_weight: str | None, **options: Any
) -> tuple[Any, dict[str, Any]]:
    """Return a linear machine with these options, and what its ``fit`` takes beside rows and labels."""
    from sklearn.svm import LinearSVC

    if weights is None:
        return LinearSVC(class_weight=class_weight, **options), {}
    return LinearSVC(**options), {"sample_weight": row_weights(labels, class_weight, weights)}


def kernel_machine(C: float, class_weight: str | None, seed: int, weights: Values | None) -> tuple[Any, dict[str, Any]]:
    """Return machines on a matrix of the kernel's values, one class against the others, and what ``fit`` takes beside."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    options = {"kernel": "precomputed", "C": C, "tol": KERNEL_TOLERANCE, "random_state": seed}
    if weights is None:
        return OneVsRestClassifier(SVC(class_weight=class_weight, **options)), {}

    class Weighted(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
        """As ``OneVsRestClassifier``, which hands no weights of rows on; ``balanced`` is a class against the others there."""

        def fit(self, X: Any, y: Any, sample_weight: Any) -> Any:
            self.classes_ = np.unique(y)
            sides = [(y == label).astype(np.int64) for label in self.classes_[-n_decisions(len(self.classes_)) :]]
            each = [row_weights(side, class_weight, sample_weight) for side in sides]
            self.estimators_ = [SVC(**options).fit(X, side, own) for side, own in zip(sides, each, strict=True)]
            return self

        def decision_function(self, X: Any) -> Any:
            decided = np.column_stack([machine.decision_function(X) for machine in self.estimators_])
            return decided[:, 0] if decided.shape[1] == 1 else decided

        def predict(self, X: Any) -> Any:
            raise NotImplementedError  # scikit-learn wants there to be one

        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            tags.input_tags.pairwise = True
            return tags

    return Weighted(), {"sample_weight": weights}


class Calibrated:
    """A machine fitted on all rows, with sigmoids fitted on what it decides about rows held out of its fit.

    Parameters
    ----------
    machine : object
        scikit-learn's, not fitted.
    given : dict
        What its ``fit`` takes beside rows and labels.
    class_weight : str or None
        The machine has its class weights already. Without them the sigmoid would learn how frequent each class is, and so give
        back what the weights gained: the rare class would hardly ever be the most probable.
    seed : int
        Of the folds.

    Attributes
    ----------
    machine : object
        Fitted.
    sigmoids : list
        scikit-learn's calibrators, one a decision.
    """

    def __init__(self, machine: Any, given: dict[str, Any], class_weight: str | None, seed: int) -> None:
        self.machine, self._given, self._class_weight, self._seed = machine, given, class_weight, seed
        self.sigmoids: list[Any] = []

    def fit(self, X: Values, labels: NDArray[np.integer], weights: Values | None) -> None:
        """Fit both on rows X (n_samples, n_features), or (n_samples, n_samples) of a kernel's values."""
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        n_folds = min(SIGMOID_FOLDS, int(np.bincount(labels).min()))
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self._seed)
        held_out = cross_val_predict(self.machine, X, labels, cv=folds, method="decision_function", params=self._given or None)
        self.machine.fit(X, labels, **self._given)
        is_weighted = weights is not None or self._class_weight is not None
        of_rows = row_weights(labels, self._class_weight, weights) if is_weighted else None
        # Its way from decisions to sigmoids. Given the machine itself, it would hand it the weights of the sigmoids.
        calibrated = CalibratedClassifierCV(_decided(), method="sigmoid", cv=folds, ensemble=False)
        calibrated.fit(held_out if held_out.ndim == 2 else held_out[:, None], labels, sample_weight=of_rows)
        self.sigmoids = list(calibrated.calibrated_classifiers_[0].calibrators)


def _decided() -> Any:
    """Return a classifier that learns nothing, and whose decisions are the rows that it is given."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Decided(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            self.classes_ = np.unique(y)
            return self

        def decision_function(self, X: Any) -> Any:
            return X[:, 0] if X.shape[1] == 1 else X

        def predict(self, X: Any) -> Any:
            raise NotImplementedError  # scikit-learn wants there to be one

    return Decided()
