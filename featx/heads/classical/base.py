"""What the classical heads have in common: settings, scaling, and a restore that believes no array."""

import inspect
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.errors import HeadError
from featx.heads.checks import check_seed, check_setting, seen_classes
from featx.heads.classical.scaling import Scaling, check_scale
from featx.heads.epochs.losses import balanced_weights
from featx.heads.head import Features
from featx.heads.layers import PlainLayer, plane_layers
from featx.heads.weights import weighted_rows
from featx.system.memory import check_memory
from featx.system.progress import OnEpoch

Shapes = dict[str, tuple[int, ...]]


class ScaledHead:
    """Settings, scaling and learned arrays of a head without epochs; what it learns beyond these stands in ``_shapes``."""

    takes_weights: ClassVar[bool] = False
    """Whether ``_learn`` takes weights of rows."""

    _least_classes: ClassVar[int] = 2

    _whole_numbers: ClassVar[tuple[str, ...]] = ("classes",)

    classes_: NDArray[np.int64]
    mean_: NDArray[np.float64]
    scale_: NDArray[np.float64]

    def __init__(self, scale: str, seed: int) -> None:
        self.scale = scale
        self.seed = seed
        self.history_: dict[str, list[float]] = {}
        self.notes_: list[str] = []

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each class, with these settings."""
        return False

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as JSON types."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return classes, mean and scale, and what else this head learned."""
        names = ("classes", "mean", "scale", *self._shapes(0, 0, 0))
        return {name: getattr(self, f"{name}_") for name in names}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting.

        Raises
        ------
        HeadError
            If they do not fit together, or hold what no fit gives.
        """
        self._check_settings()
        expected = {"classes", "mean", "scale", *self._shapes(0, 0, 0)}
        kind = type(self).__name__
        if set(arrays) != expected:
            raise HeadError(f"{kind}: must have the arrays {sorted(expected)}. Received: {sorted(arrays)}.")
        n_classes, n_features = arrays["classes"].size, arrays["mean"].size
        n_rows = len(arrays["rows"]) if "rows" in expected and arrays["rows"].ndim else 0
        shapes: Shapes = {"classes": (n_classes,), "mean": (n_features,), "scale": (n_features,)}
        shapes |= self._shapes(n_classes, n_features, n_rows)
        for name, shape in shapes.items():
            array = arrays[name]
            if array.shape != shape:
                raise HeadError(f"{kind}: {name} must have shape {shape}. Received: {array.shape}.")
            kinds, numbers = ("iu", "whole numbers") if name in self._whole_numbers else ("f", "finite numbers")
            if array.dtype.kind not in kinds or not np.isfinite(array).all():
                raise HeadError(f"{kind}: {name} must hold {numbers}. Received: {array.dtype} with {array.size} values.")
        least = self._least_classes
        if n_classes < least or not (np.diff(arrays["classes"]) > 0).all():
            raise HeadError(f"{kind}: classes must be at least {least}, ascending. Received: {n_classes}.")
        if not (arrays["scale"] > 0).all():
            raise HeadError(f"{kind}: scale must be above 0. Received: {arrays['scale'].min()}.")
        for name, array in arrays.items():
            setattr(self, f"{name}_", array)
        return self

    @property
    def n_parameters(self) -> int:
        """Number of learned values that a prediction multiplies or adds."""
        return sum(int(getattr(self, f"{name}_").size) for name in self._shapes(0, 0, 0))

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        """Return the name and shape of each further array; n_rows is that of the array ``rows``, if there is one."""
        raise NotImplementedError

    def _check_settings(self) -> None:
        check_scale(self.scale)
        check_seed(self.seed)

    @property
    def _scaling(self) -> Scaling:
        return Scaling(self.scale, self.mean_, self.scale_)

    def _plane_layers(
        self, coef: NDArray[np.float64], intercept: NDArray[np.float64], kind: Literal["softmax", "sigmoid"]
    ) -> tuple[PlainLayer, ...]:
        """Return the scaling and planes on scaled features; parameters as for ``plane_layers``."""
        scaling = self._scaling
        return (*scaling.as_layers(), *plane_layers(coef * scaling.row_length, intercept, kind))

    def _row_layers(self, rows: NDArray[np.float32]) -> tuple[tuple[PlainLayer, ...], NDArray[np.float32]]:
        """Return scaling, and the training rows that distances are to as that scaling gives them."""
        scaling = self._scaling
        return scaling.as_layers(), (rows.astype(np.float64) / scaling.row_length).astype(np.float32)

    def _learn_scaling(self, X: NDArray[np.floating], weights: NDArray[np.float64] | None = None) -> Scaling:
        scaling = Scaling.learn(self.scale, X, weights)
        self.mean_, self.scale_ = scaling.mean, scaling.scale
        return scaling


class ClassicalHead(ScaledHead):
    """Scale, then learn classes in one go: no epochs, and validation rows are not looked at.

    How a head learns stands in ``_learn``; what it learns beyond classes and scaling, in ``_shapes``.
    """

    def fit(
        self,
        X: Features,
        y: NDArray[np.integer],
        X_val: Features | None = None,
        y_val: NDArray[np.integer] | None = None,
        on_epoch: OnEpoch | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from X (n_samples, n_features) and y (n_samples,); validation rows are not looked at.

        A ``sample_weight`` (n_samples,) of k counts as the row k times over, one of 0 as no row.

        Raises
        ------
        SingleClassError
            If y holds fewer than two labels.
        HeadError
            If a setting is outside its range, or the head cannot learn from that many rows or columns, or that few of a class,
            or takes no such weights.
        """
        self._check_settings()
        X, y, weights = weighted_rows(X, y, sample_weight)
        self.classes_ = seen_classes(y)
        self.notes_ = []
        labels = np.searchsorted(self.classes_, y)
        if weights is None:
            self._learn(X, labels)
        elif self.takes_weights:
            self._learn(X, labels, weights)
        else:
            raise HeadError(f"{type(self).__name__}: takes no weights of images. Leave them out.", wrong_value=True)
        return self

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features)."""
        raise NotImplementedError

    def outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what the head gives: the same as ``predict_proba``."""
        return self.predict_proba(X)

    def _learn(self, X: Features, labels: NDArray[np.integer], weights: NDArray[np.float64] | None = None) -> None:
        """Learn from X, the position of each row's class in ``classes_`` and, with ``takes_weights``, weights above 0."""
        raise NotImplementedError


def read_whole(X: Features, name: str, copies: float) -> NDArray[np.floating]:
    """Read all rows at once, for a head that cannot learn from them a block at a time.

    Parameters
    ----------
    X : ndarray or Rows of shape (n_samples, n_features)
        Features.
    name : str
        The head's.
    copies : float
        How many times the head holds the features in float64 beside these, at its peak.

    Raises
    ------
    HeadError
        If they do not fit into memory.
    """
    if not isinstance(X, np.ndarray):
        n_rows, n_columns = X.shape
        check_memory(
            int(n_rows * n_columns * (X.dtype.itemsize + 8 * copies)),
            f"{name}: takes all features at once, and {n_rows:,} rows of {n_columns:,}",
            "Use --head ridge or --head dense, which read any number of rows a block at a time, or --pooling avg.",
        )
    return np.asarray(X)


def check_penalty(name: str, value: object, is_sound: bool) -> None:
    """Refuse a strength of a penalty, or its inverse, that is not a number within sense.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    check_setting(name, value, is_sound, "a number above 0 and below 1e12")


def row_weights(
    labels: NDArray[np.integer], class_weight: str | None, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the weight of each row (n_samples,): its own, by default 1, with ``balanced`` times ``balanced_weights``."""
    own = np.ones(len(labels)) if weights is None else weights
    if class_weight is None:
        return own
    balanced: NDArray[np.float64] = balanced_weights(labels, int(labels.max()) + 1, weights)[labels]
    return balanced if weights is None else weights * balanced


def signed_targets(labels: NDArray[np.integer], n_classes: int) -> NDArray[np.float64]:
    """Return +1 where a row is of the class and -1 elsewhere: (n_samples, n_classes), or (n_samples, 1) for two classes."""
    targets = np.where(labels[:, None] == np.arange(n_classes), 1.0, -1.0)
    return targets[:, 1:] if n_classes == 2 else targets


def n_decisions(n_classes: int) -> int:
    """Return how many hyperplanes separate this many classes: one a class, but a single one for two classes."""
    return 1 if n_classes == 2 else n_classes
