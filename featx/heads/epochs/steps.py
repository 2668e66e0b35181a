"""One dense layer learned step by step in NumPy, as Keras does it.

Most of a Keras step on so small a layer is overhead: copying the batch, widening it, and a dozen calls. Doing without also
spares the fit the loading of TensorFlow, which takes longer than learning from a few hundred images.
"""

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.epochs.objectives import Objective, OfClasses
from featx.heads.epochs.settings import TrainingRules

LARGEST_LAYER = 2_500_000
"""Weights up to which these steps are taken: 99 classes of 7 x 7 x 512 features. Measured on two cores, a step of 10 classes
takes half of Keras' time and one of 160 two thirds; far beyond that, Keras' threads win."""

# Keras' own constants.
_FIRST, _SECOND, _RHO, _EPSILON = 0.9, 0.999, 0.9, 1e-7

# A float16's sign, exponent and fraction, moved to where a float32 has them, are the same number times 2 to the -112.
_HALF_SHIFT, _HALF_BITS, _HALF_FACTOR = 13, np.int32(-0x70002000), np.float32(2.0**112)

_ROWS = 8
"""Rows that are widened at a time, for the same reason as below."""

_CHUNK = 32_768
"""Weights that are moved at a time: with all that is known of them they stay in the processor's nearest cache."""


def initial_kernel(n_features: int, n_classes: int, seed: int) -> NDArray[np.float32]:
    """Return weights (n_features, n_classes) from Glorot's uniform distribution, as Keras' dense layers have by default."""
    limit = np.float32(np.sqrt(6 / (n_features + n_classes)))
    # Two numbers, so that these draws are others than those of the order of rows.
    draws = np.random.default_rng([seed, n_classes]).random((n_features, n_classes), np.float32)
    return (2 * draws - 1) * limit


class LayerSteps:
    """A dense layer that takes a step on each batch it is given.

    Parameters
    ----------
    n_features, n_classes : int
        Of the layer.
    scale : float
        Rows are multiplied by it.
    rules : TrainingRules
        Loss and optimizer.
    seed : int
        Of the initial weights.
    objective : Objective or None
        What is made small; by default the loss of classes that the rules name.
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        scale: float,
        rules: TrainingRules,
        seed: int,
        objective: Objective | None = None,
    ) -> None:
        # scikit-learn's own way to limit threads, and installed with it.
        from threadpoolctl import ThreadpoolController

        self._rules = rules
        self._objective = objective or OfClasses(rules)
        self._scale = np.float32(scale)
        self._batch = np.empty((0, n_features), np.float32)
        kernel = initial_kernel(n_features, n_classes, seed)
        self._weights = [kernel * 0 if self._objective.starts_flat else kernel, np.zeros(n_classes, np.float32)]
        self._memory = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in self._weights]
        self._spare = np.empty(_CHUNK, np.float32)
        self._n_steps = 0
        self._threads = ThreadpoolController()

    def one_thread(self) -> contextlib.AbstractContextManager[Any]:
        """Keep NumPy's products to one thread: they are too thin to share, and threads that wait for each other cost more."""
        limited: contextlib.AbstractContextManager[Any] = self._threads.limit(limits=1, user_api="blas")
        return limited

    def weights(self) -> list[NDArray[np.float32]]:
        """Return copies of kernel (n_features, n_classes) and bias (n_classes,)."""
        return [weight.copy() for weight in self._weights]

    def step(
        self, X: NDArray[np.floating], labels: NDArray[Any], row_weights: NDArray[np.float32] | None
    ) -> tuple[float, float]:
        """Learn from a batch.

        Parameters
        ----------
        X : ndarray of shape (n_batch, n_features)
            Rows.
        labels : ndarray of shape (n_batch,), int, or (n_batch, n_columns)
            Columns of the classes; or labels or numbers, NaN where not known.
        row_weights : ndarray of shape (n_batch,), float32, or None
            What each row's loss is multiplied by.

        Returns
        -------
        loss, accuracy : float
            Means over the batch, before the step.
        """
        values = self._scaled(X)
        kernel, bias = self._weights
        logits = (values @ kernel + bias).astype(np.float64)
        losses, slopes = self._objective.losses(logits, labels), self._objective.slopes(logits, labels)
        if row_weights is not None:
            losses, slopes = losses * row_weights, slopes * row_weights[:, None]
        slopes = (slopes / len(X)).astype(np.float32)
        self._n_steps += 1
        for weight, memory, slope in zip(self._weights, self._memory, (values.T @ slopes, slopes.sum(axis=0)), strict=True):
            flat = [array.reshape(-1) for array in (weight, slope, *memory)]
            for start in range(0, weight.size, _CHUNK):
                self._move(*(array[start : start + _CHUNK] for array in flat))
        return float(losses.mean()), float(self._objective.right(logits, labels).mean())

    def _scaled(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        if len(self._batch) < len(X):
            self._batch = np.empty(X.shape, np.float32)
        batch = self._batch[: len(X)]
        if X.dtype != np.float16:
            np.multiply(X, self._scale, out=batch, casting="same_kind")
            return batch
        # NumPy widens float16 one number at a time, which takes as long as the rest of the step. This gives the same bits
        # for all finite numbers, and others have been refused (batches.py).
        for start in range(0, len(X), _ROWS):
            rows = batch[start : start + _ROWS]
            bits = rows.view(np.int32)
            np.left_shift(X[start : start + _ROWS].view(np.int16), _HALF_SHIFT, out=bits, dtype=np.int32)
            np.bitwise_and(bits, _HALF_BITS, out=bits)
            np.multiply(rows, self._scale * _HALF_FACTOR, out=rows)
        return batch

    def _move(
        self,
        weight: NDArray[np.float32],
        slope: NDArray[np.float32],
        first: NDArray[np.float32],
        second: NDArray[np.float32],
    ) -> None:
        """Move weights (n,) against their slope (n,), as Keras' optimizer of that name does; ``slope`` is spent."""
        rules, rate = self._rules, np.float32(self._rules.learning_rate)
        spare = self._spare[: len(weight)]
        if rules.weight_decay is not None:
            weight -= weight * np.float32(rules.weight_decay) * rate
        if rules.optimizer in ("adam", "adamw"):
            np.subtract(slope, first, out=spare)
            spare *= np.float32(1 - _FIRST)
            first += spare
            slope *= slope
            slope -= second
            slope *= np.float32(1 - _SECOND)
            second += slope
            np.sqrt(second, out=spare)
            spare += np.float32(_EPSILON)
            np.divide(first, spare, out=spare)
            spare *= np.float32(rate * np.sqrt(1 - _SECOND**self._n_steps) / (1 - _FIRST**self._n_steps))
            weight -= spare
            return
        if rules.optimizer == "rmsprop":
            np.multiply(slope, slope, out=spare)
            spare *= np.float32(1 - _RHO)
            second *= np.float32(_RHO)
            second += spare
            np.add(second, np.float32(_EPSILON), out=spare)
            slope /= np.sqrt(spare, out=spare)
        slope *= rate
        first *= np.float32(rules.momentum)
        first += slope
        weight -= first
