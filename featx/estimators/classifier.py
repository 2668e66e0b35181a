"""Any head, as a classifier of scikit-learn."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from featx.errors import HeadError, TooFewImages
from featx.heads import HEADS, Head, LinearForm, head_spec
from featx.system.kinds import shown

# What heads take as it is; anything else becomes the first. float16 stays what it is: wide features are read so.
_DTYPES = (np.float64, np.float32, np.float16)

_NESTED = "settings__"


def _has_planes(classifier: "HeadClassifier") -> bool:
    """Return whether a classifier has a decision function: fitted, whether it is linear; before, whether it will be."""
    return classifier._form() is not None if hasattr(classifier, "head_") else classifier._will_be_linear()


class HeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """A head as a scikit-learn classifier.

    Parameters
    ----------
    head : str
        ``logreg``, ``svm``, ``ridge``, ``knn``, ``dense`` or ``conv``. The last two run all their epochs: there are no
        validation images to stop by.
    settings : dict or None
        The head's own, such as ``{"C": 0.1, "seed": 3}``; by default those of the head. A search takes each by its name,
        ``{"settings__C": [0.01, 0.1]}``, or all of them at once, ``{"settings": [{"C": 0.01}, {"C": 0.1}]}``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen, ascending: the order of the probability columns. A class whose rows all weigh 0 is not among them.
    head_ : Head
        Fitted; its label i is ``classes_[i]``. ``head_.notes_`` holds remarks on the fit.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.
    coef_ : ndarray of shape (n_classes, n_features_in_), or (1, n_features_in_) for two classes, float64
        Of linear heads with the scale ``standard`` or ``none``: logreg, svm with a linear kernel, ridge, and dense without
        hidden layers. The scaling is in them: ``X @ coef_.T + intercept_`` is the decision function. Other heads have none.
    intercept_ : ndarray of shape (n_classes,) or (1,), float64
        The same.

    Examples
    --------
    >>> X, y = [[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]], ["left", "left", "right", "right"]
    >>> classifier = featx.HeadClassifier("ridge").fit(X, y)
    >>> classifier.predict([[0.0, 0.8]]).tolist()
    ['left']
    >>> classifier.decision_function([[0.0, 0.8]]) < 0
    array([ True])
    """

    def __init__(self, head: str = "logreg", settings: Mapping[str, Any] | None = None) -> None:
        self.head = head
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool
            Also each setting of the head, as ``settings__C``: the value given, or else the head's own default.

        Returns
        -------
        parameters : dict of str to object
        """
        found: dict[str, Any] = super().get_params(deep=False)
        if not deep:
            return found
        given = dict(self.settings) if isinstance(self.settings, Mapping) else {}
        try:
            defaults = head_spec(self.head).make().settings()
        except HeadError:  # fit refuses it
            defaults = {}
        return found | {_NESTED + name: value for name, value in (defaults | given).items()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and with ``settings__C`` one of the head's settings.

        Parameters
        ----------
        **params
            ``head``, ``settings``, and settings by name; those that are not named stay. Their values are looked at by ``fit``.
        """
        nested = {name.removeprefix(_NESTED): params.pop(name) for name in list(params) if name.startswith(_NESTED)}
        super().set_params(**params)
        if nested:
            # A new one: copies of a classifier share the old.
            self.settings = dict(_checked("settings", self.settings or {}, Mapping)) | nested
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        spec = HEADS.get(self.head) if isinstance(self.head, str) else None
        # Heads with epochs are set for the features of a backbone: two columns of scikit-learn's would take them more epochs.
        tags.classifier_tags.poor_score = spec is not None and not spec.classical
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: numbers or texts.
        sample_weight : array-like of shape (n_samples,) or None
            A row of weight k counts as the row k times over, one of weight 0 as none. knn takes whole numbers.

        Raises
        ------
        ValueError
            If X or y are not what a classifier takes, y holds a single class, the head cannot be made with these settings or
            cannot learn from so few or so many samples, or a weight is negative, no number or no weight for this head.
        """
        features, targets = validate_data(self, X, y, dtype=_DTYPES)
        check_classification_targets(targets)
        classes, labels = np.unique(targets, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in the data, but the data contains only one class: "
                f"{classes.tolist()[0]!r}"
            )
        try:
            unfitted = head_spec(_checked("head", self.head, str)).make(**self._plain_settings())
            self.head_: Head = unfitted.fit(features, labels, sample_weight=sample_weight)
        except HeadError as error:  # as ValueError, which callers of a scikit-learn estimator expect
            named = error.named(classes.tolist()) if isinstance(error, TooFewImages) else error
            raise ValueError(str(named)) from error
        self.classes_ = classes[self.head_.classes_]
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row (n_samples,), as ``fit`` was given it; else as ``predict_proba``."""
        probabilities = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return classes

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If X is not what ``fit`` was given.
        """
        check_is_fitted(self)
        probabilities: NDArray[np.float64] = self.head_.predict_proba(validate_data(self, X, dtype=_DTYPES, reset=False))
        return probabilities

    @available_if(_has_planes)  # type: ignore[untyped-decorator] # scikit-learn ships no types
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how much speaks for each class: what the head's probabilities are made of. Linear heads alone have it.

        Of two classes the value of the second less that of the first. For logreg, svm and ridge that is the logarithm of the
        odds; of svm and ridge, the sigmoid from a distance to a probability is in it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        values : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes, float64
            The class predicted is that of the largest value, of two the second where the value is above 0.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If X is not what ``fit`` was given.
        """
        check_is_fitted(self)
        form = self._form()
        assert form is not None, "available_if has looked"
        values = form.values(validate_data(self, X, dtype=_DTYPES, reset=False))
        return values[:, 1] - values[:, 0] if len(self.classes_) == 2 else values

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Coefficients of the features; as above."""
        return self._planes("coef_")[0]

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Intercepts; as above."""
        return self._planes("intercept_")[1]

    def _planes(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        form = self._form() if hasattr(self, "head_") else None
        planes = form.planes() if form else None
        if planes is None:
            raise AttributeError(
                f"HeadClassifier has no {name}: it is not fitted, its head {self.head!r} is not linear, or its scale makes "
                "what a feature adds depend on the others."
            )
        return planes

    def _form(self) -> LinearForm | None:
        return LinearForm.of(self.head_.as_layers())

    def _will_be_linear(self) -> bool:
        try:
            return head_spec(self.head).make(**self._plain_settings()).is_linear
        except (HeadError, ValueError):  # fit says what is wrong
            return False

    def _plain_settings(self) -> dict[str, Any]:
        settings = _checked("settings", {} if self.settings is None else self.settings, Mapping)
        # A grid made by NumPy holds its numbers; a head's settings are JSON types.
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}


def _checked(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"HeadClassifier: {name} must be a {kind.__name__}. Received: {shown(value)}.")
    return value
