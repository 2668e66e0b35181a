"""Learning by epochs: settings, the epochs themselves, and the best of them kept."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.errors import HeadError
from featx.heads.checks import seen_classes
from featx.heads.copies import without_copies
from featx.heads.epochs import batches
from featx.heads.epochs.epoch import measured, train_epoch
from featx.heads.epochs.losses import balanced_weights, best_epoch
from featx.heads.epochs.network import KerasSteps, build_network
from featx.heads.epochs.objectives import Objective, OfClasses
from featx.heads.epochs.settings import TrainingRules, check_training, rules_of
from featx.heads.epochs.steps import LARGEST_LAYER, LayerSteps
from featx.heads.head import Features
from featx.heads.product import Multiply
from featx.heads.weights import weighted_rows
from featx.system.progress import OnEpoch

# Training rows are divided by one constant so that their mean length is this. VGG16's maps are in the hundreds, where
# Adam's usual step of 0.001 overshoots (sample at 96 px, best validation loss: 1.35 raw, 0.40 at this length). The
# constant is folded into the first kernel afterwards, so the head still takes the backbone's own features.
_ROW_LENGTH = 20.0

_SHORTEST = 1e-6
"""Shorter rows are as good as zeros: to bring them to length would only enlarge their rounding."""

_LARGEST_BATCH = 32
_LEAST_STEPS = 8


@dataclasses.dataclass(eq=False, repr=False)
class EpochHead:
    """What dense and conv have in common: a network is trained, and the best epoch on the validation images kept.

    Parameters
    ----------
    hidden : sequence of int
        Units of the ReLU layers before the last; none by default.
    dropout : float
        Share of inputs dropped before each layer while training.
    activation : str
        Of the last layer: ``softmax``, or ``sigmoid`` for each class, divided by their sum to give probabilities.
    loss : str or None
        ``categorical_crossentropy``, or ``binary_crossentropy`` (of sigmoids, the mean over the classes). By default the
        first for softmax, the second for sigmoid.
    optimizer : str
        ``adam``, ``sgd``, ``rmsprop`` or ``adamw``.
    learning_rate : float or None
        Its step; by default 0.001, and 0.05 for sgd, times 1 - momentum.
    momentum : float
        Of sgd and rmsprop.
    weight_decay : float or None
        Share of each weight taken off a step, times the learning rate, whatever the gradient; by default none, and 0.004
        for adamw.
    epochs : int
        At most this many.
    batch_size : int or None
        Rows a step; by default 32, fewer for a small training set, so that an epoch has at least 8 steps.
    steps_per_epoch : int or None
        Steps in an epoch; the next epoch goes on where it stopped. By default an epoch is all rows.
    class_weight : str or None
        ``balanced``: each class weighs the same, however few rows it has.
    monitor : str
        ``val_loss`` or ``val_accuracy``: what decides when to stop and which epoch to keep.
    patience : int
        Stop after this many epochs in which it did not improve.
    min_delta : float
        What counts as an improvement must exceed this. The epoch kept is the best all the same.
    label_smoothing : float
        Share of the target spread over all classes (categorical) or moved towards one half (binary).
    seed : int
        Of initial weights, order of rows and dropout.

    Attributes
    ----------
    kernels_, biases_ : list of ndarray, float32
        Of each layer.
    history_ : dict of str to list of float
        By epoch. ``loss``: the mean over the rows shown, while the weights were changing, with class weights, label
        smoothing and dropout. ``accuracy``: top-1 of the same outputs. ``val_loss``: the mean over the validation rows
        after the epoch, with label smoothing and without class weights, as Keras' ``evaluate`` gives it.
        ``val_accuracy``: top-1 of what ``predict_proba`` gives for them.
    """

    hidden: list[int] | tuple[int, ...] = ()
    dropout: float = 0.0
    activation: str = "softmax"
    loss: str | None = None
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float = 0.0
    weight_decay: float | None = None
    epochs: int = 50
    batch_size: int | None = None
    steps_per_epoch: int | None = None
    class_weight: str | None = None
    monitor: str = "val_loss"
    patience: int = 5
    min_delta: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0

    classes_: NDArray[np.int64] = dataclasses.field(init=False)
    kernels_: list[NDArray[np.float32]] = dataclasses.field(init=False)
    biases_: list[NDArray[np.float32]] = dataclasses.field(init=False)
    history_: dict[str, list[float]] = dataclasses.field(init=False, default_factory=dict)
    notes_: list[str] = dataclasses.field(init=False, default_factory=list)

    takes_weights: ClassVar[bool] = True

    _name: ClassVar[str]

    def fit(
        self,
        X: Features,
        y: NDArray[Any],
        X_val: Features | None = None,
        y_val: NDArray[Any] | None = None,
        on_epoch: OnEpoch | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from features.

        Parameters
        ----------
        X : ndarray or Rows of shape (n_samples, n_features)
            Features, in any floating type; float16 stays float16 in memory. Rows are read whole if they fit into
            ``batches.MEMORY_BYTES``, otherwise in shuffled blocks, once an epoch.
        y : ndarray of shape (n_samples,), int
            Labels.
        X_val, y_val : ndarray or Rows, and ndarray; or None
            Decide when to stop and which epoch to keep. Without them all epochs run and the last is kept.
        on_epoch : callable or None
            Called after each epoch.
        sample_weight : array-like of shape (n_samples,) or None
            What each row's loss is multiplied by, over their mean; a row of weight 0 is left out, and one of weight 2 is one
            that stands twice. Validation rows have none.

        Raises
        ------
        SingleClassError
            If y holds fewer than two labels.
        HeadError
            If a setting or a weight is outside its range, a feature is no number, or what is learned grows past every number.
        """
        self._check_settings()
        X, y, own_weights = weighted_rows(X, y, sample_weight)
        labels = self._encoded(y)
        self._check_width(X.shape)
        X = batches.held(X)
        if isinstance(X, np.ndarray):
            X, labels, own_weights = without_copies(X, labels, own_weights)
        if own_weights is not None:
            # Their size as such would change the length of a step, and no penalty gives it another meaning.
            own_weights = own_weights / own_weights.mean()
        length = batches.mean_length(X, self.seed)
        scale = _ROW_LENGTH / length if length > _SHORTEST else 1.0
        weights, objective = self._weighted(labels, own_weights)
        val = None
        if X_val is not None and y_val is not None and len(X_val):
            val = batches.held(X_val), self._encoded_for_validation(y_val)
        learner = self._build(X, scale, objective)
        names = objective.figures
        self.history_ = {name: [] for name in (*names, *((f"val_{name}" for name in names) if val else ()))}
        passes = batches.epochs(X, self._rows_a_step(len(X)), self.steps_per_epoch, np.random.default_rng(self.seed))
        mark, waited = -np.inf, 0
        for epoch in range(1, self.epochs + 1):
            with np.errstate(all="ignore"):  # weights past every number are an error of ours, below
                values = train_epoch(learner, next(passes), labels, weights, names)
                self._take_weights(learner, scale)
                if val:
                    values |= measured(*val, self._objective, self._logits, self._block_rows)
            for name, value in values.items():
                self.history_[name].append(value)
            if on_epoch:
                on_epoch(epoch, self.epochs, values)
            if self.best_epoch_ == epoch:
                kept = self.kernels_, self.biases_
            if not val:
                continue
            reached = values["val_accuracy"] if self.monitor == "val_accuracy" else -values["val_loss"]
            # Written so that a loss that is no number, from a learning rate far too large, never counts as better.
            waited = 0 if reached - mark > self.min_delta else waited + 1
            mark = reached if waited == 0 else mark
            if waited == self.patience:
                break
        self.kernels_, self.biases_ = kept
        self._finish()
        if not all(np.isfinite(array).all() for array in (*self.kernels_, *self.biases_)):
            rate = self._rules.learning_rate
            raise HeadError(
                f"{self._name} head: its weights grew past every number at learning_rate {rate:g}. Give a smaller one."
            )
        self.notes_ = self._describe_ending()
        return self

    @property
    def best_epoch_(self) -> int:
        """The epoch that was kept, from 1; 0 before a fit and after ``restore``, which knows no history."""
        return best_epoch(self.history_, self.monitor)

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each class, with these settings."""
        return not self.hidden

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as JSON types."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def _check_settings(self) -> None:
        check_training(self)

    def _check_width(self, shape: tuple[int, ...]) -> None:
        """Any number of features will do."""

    @property
    def _block_rows(self) -> int:
        """Rows predicted at a time."""
        raise NotImplementedError

    def _logits(self, X: NDArray[np.floating], multiply: Multiply = np.matmul) -> NDArray[np.float64]:
        """Return what the last layer gives (n_samples, n_classes), by NumPy; training is content with the quickest product."""
        raise NotImplementedError

    def _network_options(self) -> dict[str, Sequence[int]]:
        """Return what stands before the dense layers."""
        return {}

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        """Learn which classes there are, and return the column of each row (n_samples,)."""
        self.classes_ = seen_classes(y)
        return np.searchsorted(self.classes_, y)

    def _encoded_for_validation(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return the same of other rows."""
        return np.searchsorted(self.classes_, y)

    def _weighted(
        self, labels: NDArray[Any], weights: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64] | None, Objective]:
        """Return how much each row counts with class weights, and what is made small."""
        if self.class_weight:
            balanced = balanced_weights(labels, len(self.classes_), weights)[labels]
            weights = balanced if weights is None else weights * balanced
        return weights, self._objective

    @property
    def _objective(self) -> Objective:
        """What is made small, without class weights."""
        return OfClasses(self._rules)

    def _finish(self) -> None:
        """Do what is left to do with the weights that are kept."""

    def _build(self, X: Features, scale: float, objective: Objective) -> LayerSteps | KerasSteps:
        units = (*self.hidden, len(self.classes_))
        before = self._network_options()
        if not self.hidden and not self.dropout and not before and X.shape[1] * units[0] <= LARGEST_LAYER:
            return LayerSteps(X.shape[1], units[0], scale, self._rules, self.seed, objective)
        options: dict[str, Any] = {"units": units, "dropout": self.dropout, "seed": self.seed, **before}
        network = build_network(X.shape[1], X.dtype, scale, starts_flat=objective.starts_flat, **options)
        return KerasSteps(network, self._rules, objective)

    @property
    def _rules(self) -> TrainingRules:
        return rules_of(self)

    def _rows_a_step(self, n_rows: int) -> int:
        return self.batch_size or min(_LARGEST_BATCH, math.ceil(n_rows / _LEAST_STEPS))

    def _take_weights(self, learner: LayerSteps | KerasSteps, scale: float) -> None:
        """Copy the weights; the constant that the rows were divided by goes into the first kernel."""
        weights = learner.weights()
        self.kernels_, self.biases_ = weights[0::2], weights[1::2]
        self.kernels_[0] *= np.float32(scale)

    def _describe_ending(self) -> list[str]:
        if "val_loss" not in self.history_:
            return ["no validation images: every epoch ran and the last one was kept"]
        if self.best_epoch_ == self.epochs > 1:
            trend = "loss was still falling" if self.monitor == "val_loss" else "accuracy was still rising"
            return [f"the validation {trend} at epoch {self.epochs}: more epochs may do better"]
        return []
