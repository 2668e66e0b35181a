"""The dense head: flatten, optional hidden layers, softmax. Keras learns it; NumPy is enough to use it."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.head import (
    Features,
    check_features,
    check_seed,
    check_setting,
    is_number,
    is_whole,
    seen_classes,
    softmax,
)
from featx.progress import OnEpoch
from featx.quiet import quiet_loading

# Training rows are divided by one constant so that their mean length is this. VGG16's maps are in the hundreds, where
# Adam's usual step of 0.001 overshoots (sample at 96 px, best validation loss: 1.35 raw, 0.40 at this length). The
# constant is folded into the first kernel afterwards, so the head still takes the backbone's own features.
_ROW_LENGTH = 20.0

_PREDICT_ROWS = 1024
_LARGEST_BATCH = 32
_LEAST_STEPS = 8

_LEAST_PROBABILITY = 1e-7
"""Keras' own bound: one certain mistake must not make a loss infinite."""


class DenseHead:
    """Softmax head trained by Adam on cached features, the best epoch by validation loss kept.

    Parameters
    ----------
    hidden : sequence of int
        Units of the ReLU layers before the softmax; none by default.
    dropout : float
        Share of inputs dropped before each layer while training.
    learning_rate : float
        Adam's step.
    epochs : int
        At most this many.
    batch_size : int or None
        Rows a step; by default 32, fewer for a small training set, so that an epoch has at least 8 steps.
    patience : int
        Stop after this many epochs without a better validation loss.
    seed : int
        Of initial weights, order of rows and dropout.

    Attributes
    ----------
    kernels_ : list of ndarray of shape (n_inputs, n_units), float32
        Of each layer.
    biases_ : list of ndarray of shape (n_units,), float32
        Of each layer.
    """

    classes_: NDArray[np.int64]
    kernels_: list[NDArray[np.float32]]
    biases_: list[NDArray[np.float32]]

    def __init__(
        self,
        hidden: list[int] | tuple[int, ...] = (),
        dropout: float = 0.0,
        learning_rate: float = 1e-3,
        epochs: int = 50,
        batch_size: int | None = None,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.seed = seed
        self.history_: dict[str, list[float]] = {}
        self.notes_: list[str] = []

    def fit(
        self,
        X: Features,
        y: NDArray[np.integer],
        X_val: Features | None = None,
        y_val: NDArray[np.integer] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Learn from features.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Features, in any floating type; float16 stays float16 in memory.
        y : ndarray of shape (n_samples,), int
            Labels.
        X_val, y_val : ndarray or None
            Decide when to stop and which epoch to keep. Without them all epochs run and the last is kept.
        on_epoch : callable or None
            Called after each epoch.

        Raises
        ------
        SingleClassError
            If y holds fewer than two labels.
        HeadError
            If a setting is outside its range.
        """
        self._check_settings()
        self.classes_ = seen_classes(y)
        X, X_val = np.asarray(X), None if X_val is None else np.asarray(X_val)
        with quiet_loading():
            import keras  # here, not above: a fitted head predicts without it

        scale = _ROW_LENGTH / max(_mean_length(X), 1e-12)
        model = self._build(keras, X.shape[1])
        labels = np.searchsorted(self.classes_, y)
        has_val = X_val is not None and y_val is not None and len(X_val) > 0
        self.history_ = {name: [] for name in ("loss", "accuracy", *(("val_loss", "val_accuracy") if has_val else ()))}
        order = np.random.default_rng(self.seed)
        best, waited = np.inf, 0
        for epoch in range(1, self.epochs + 1):
            values = _train_epoch(model, X, labels, scale, self._rows_a_step(len(X)), order)
            with np.errstate(over="ignore", invalid="ignore"):  # weights past every number are an error of ours, below
                self._take_weights(model, scale)
                if X_val is not None and y_val is not None and has_val:
                    values |= self._validate(X_val, np.searchsorted(self.classes_, y_val))
            for name, value in values.items():
                self.history_[name].append(value)
            if on_epoch:
                on_epoch(epoch, self.epochs, values)
            if not has_val:
                continue
            # Written so that a loss that is no number, from a learning rate far too large, never counts as better.
            waited = 0 if values["val_loss"] < best else waited + 1
            if waited == 0 or epoch == 1:
                best, kept = values["val_loss"], (self.kernels_, self.biases_)
            if waited == self.patience or epoch == self.epochs:
                self.kernels_, self.biases_ = kept
                break
        if not all(np.isfinite(array).all() for array in (*self.kernels_, *self.biases_)):
            raise HeadError(
                f"dense head: its weights grew past every number at learning_rate {self.learning_rate}. Give a smaller one."
            )
        self.notes_ = self._say_how_it_ended(has_val)
        return self

    def _say_how_it_ended(self, has_val: bool) -> list[str]:
        if not has_val:
            return ["no validation images: every epoch ran and the last one was kept"]
        if len(self.history_["val_loss"]) == self.epochs > 1 and np.argmin(self.history_["val_loss"]) == self.epochs - 1:
            return [f"the validation loss was still falling at epoch {self.epochs}: more epochs may do better"]
        return []

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns in the order of ``classes_``.

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        check_features(X, self.kernels_[0].shape[0])
        parts = [self._logits(X[i : i + _PREDICT_ROWS]) for i in range(0, len(X), _PREDICT_ROWS)]
        return softmax(np.concatenate(parts)) if parts else np.empty((0, len(self.classes_)))

    def _logits(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        values = X.astype(np.float32)
        for kernel, bias in zip(self.kernels_[:-1], self.biases_[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, 0)
        return (values @ self.kernels_[-1] + self.biases_[-1]).astype(np.float64)

    def _rows_a_step(self, n_rows: int) -> int:
        return self.batch_size or min(_LARGEST_BATCH, math.ceil(n_rows / _LEAST_STEPS))

    def _take_weights(self, model: Any, scale: float) -> None:
        """Copy the weights out of Keras; the constant that the rows were divided by goes into the first kernel."""
        weights = [np.array(weight, np.float32) for weight in model.get_weights()]
        self.kernels_, self.biases_ = weights[0::2], weights[1::2]
        self.kernels_[0] *= np.float32(scale)

    def _validate(self, X: NDArray[np.floating], labels: NDArray[np.integer]) -> dict[str, float]:
        """Measure the head as it will predict; the loss is the mean cross-entropy."""
        probabilities = self.predict_proba(X)
        of_label = np.maximum(probabilities[np.arange(len(X)), labels], _LEAST_PROBABILITY)
        return {
            "val_loss": float(-np.log(of_label).mean()),
            "val_accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
        }

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as JSON types."""
        return {
            "hidden": list(self.hidden),
            "dropout": self.dropout,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "seed": self.seed,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return ``classes``, and ``kernel_I`` and ``bias_I`` of each layer."""
        learned: dict[str, NDArray[Any]] = {"classes": self.classes_}
        for number, (kernel, bias) in enumerate(zip(self.kernels_, self.biases_, strict=True)):
            learned |= {f"kernel_{number}": kernel, f"bias_{number}": bias}
        return learned

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting.

        Raises
        ------
        HeadError
            If they are not a chain of layers that ends in one unit per class.
        """
        self._check_settings()
        n_layers = len(self.hidden) + 1
        wanted = {"classes"} | {f"{kind}_{i}" for kind in ("kernel", "bias") for i in range(n_layers)}
        if set(arrays) != wanted:
            raise HeadError(f"dense head: must have the arrays {sorted(wanted)}. Received: {sorted(arrays)}.")
        if arrays["classes"].ndim != 1:
            raise HeadError(f"dense head: classes must have shape (n_classes,). Received: {arrays['classes'].shape}.")
        kernels = [arrays[f"kernel_{i}"] for i in range(n_layers)]
        biases = [arrays[f"bias_{i}"] for i in range(n_layers)]
        units = [*self.hidden, len(arrays["classes"])]
        widths = [kernels[0].shape[0] if kernels[0].ndim == 2 else -1, *units]
        for i in range(n_layers):
            if kernels[i].shape != (widths[i], units[i]) or biases[i].shape != (units[i],):
                raise HeadError(
                    f"dense head: layer {i} must have shapes {(widths[i], units[i])} and {(units[i],)}. "
                    f"Received: {kernels[i].shape} and {biases[i].shape}."
                )
        self.classes_, self.kernels_, self.biases_ = arrays["classes"], kernels, biases
        return self

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(array.size for array in (*self.kernels_, *self.biases_))

    def _check_settings(self) -> None:
        sound = isinstance(self.hidden, list | tuple) and all(is_whole(units) and 0 < units <= 65536 for units in self.hidden)
        check_setting("hidden", self.hidden, sound and len(self.hidden) <= 10, "up to 10 layer sizes from 1 to 65536")
        share, step = self.dropout, self.learning_rate
        check_setting("dropout", share, is_number(share) and 0 <= share < 1, "a number from 0, below 1")
        check_setting("learning_rate", step, is_number(step) and 0 < step <= 10, "a number above 0 and at most 10")
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            sound = (is_whole(value) and 1 <= value <= 10**6) or (name == "batch_size" and value is None)
            check_setting(name, value, sound, "a whole number from 1 to 1000000")
        check_seed(self.seed)

    def _build(self, keras: Any, n_features: int) -> Any:
        """Seeds are given layer by layer: nobody's global random state is touched."""
        layers: list[Any] = [keras.Input((n_features,))]
        for number, units in enumerate([*self.hidden, len(self.classes_)]):
            last = number == len(self.hidden)
            if self.dropout:
                layers.append(keras.layers.Dropout(self.dropout, seed=self.seed + number))
            initializer = keras.initializers.GlorotUniform(seed=self.seed + number)
            layers.append(keras.layers.Dense(units, activation="softmax" if last else "relu", kernel_initializer=initializer))
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(float(self.learning_rate)), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


def _mean_length(X: NDArray[np.floating]) -> float:
    """Return the mean Euclidean length of the rows, a block at a time: the whole of X in float64 may not fit."""
    total = 0.0
    for start in range(0, len(X), _PREDICT_ROWS):
        total += float(np.linalg.norm(X[start : start + _PREDICT_ROWS].astype(np.float32), axis=1).sum(dtype=np.float64))
    return total / len(X)


def _train_epoch(
    model: Any,
    X: NDArray[np.floating],
    labels: NDArray[np.integer],
    scale: float,
    batch_size: int,
    order: np.random.Generator,
) -> dict[str, float]:
    """Show every row once, in a new order, widened to float32 a batch at a time.

    Keras' own ``fit`` sets up a new input pipeline every epoch, which costs more than the epoch of a head this small.
    """
    rows = order.permutation(len(X))
    totals = dict.fromkeys(("loss", "accuracy"), 0.0)
    for start in range(0, len(X), batch_size):
        batch = rows[start : start + batch_size]
        values = model.train_on_batch(X[batch].astype(np.float32) * np.float32(scale), labels[batch], return_dict=True)
        # Keras answers for this batch alone; the epoch's figure is the mean over all rows.
        for name in totals:
            totals[name] += float(values[name]) * len(batch)
    return {name: total / len(X) for name, total in totals.items()}
