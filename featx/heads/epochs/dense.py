"""The dense head: flatten, optional hidden layers, softmax or sigmoids.

Keras learns it, or steps like Keras' (steps.py) where there is a single small layer; NumPy is enough to use it.
"""

import dataclasses
import itertools
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_features
from featx.heads.epochs.batches import in_order
from featx.heads.epochs.losses import probabilities_of
from featx.heads.epochs.training import EpochHead
from featx.heads.layers import PlainLayer, Probabilities, dense_layers
from featx.heads.product import Multiply, steady_product

_PREDICT_ROWS = 1024


@dataclasses.dataclass(eq=False, repr=False)
class DenseHead(EpochHead):
    """Dense layers trained on cached features; hidden layers have ReLU.

    Parameters
    ----------
    **settings
        As in ``EpochHead``.

    Attributes
    ----------
    kernels_ : list of ndarray of shape (n_inputs, n_units), float32
        Of each layer.
    biases_ : list of ndarray of shape (n_units,), float32
        Of each layer.
    """

    _name: ClassVar[str] = "dense"

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities; a row's are the same whatever rows stand beside it.

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
        check_features(X, self._n_features)
        parts = [self._logits(block, steady_product) for _, block in in_order(X, self._block_rows)]
        return probabilities_of(np.concatenate(parts), self.activation) if parts else np.empty((0, len(self.classes_)))

    def outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what the head gives: the same as ``predict_proba``."""
        return self.predict_proba(X)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(array.size for array in (*self.kernels_, *self.biases_))

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
        # How many there are does not depend on the features or classes.
        numbers = range(len(self._kernel_shapes(1, 1)))
        expected = {"classes"} | {f"{kind}_{i}" for kind in ("kernel", "bias") for i in numbers}
        if set(arrays) != expected:
            raise HeadError(f"{self._name} head: must have the arrays {sorted(expected)}. Received: {sorted(arrays)}.")
        if arrays["classes"].ndim != 1:
            raise HeadError(f"{self._name} head: classes must have shape (n_classes,). Received: {arrays['classes'].shape}.")
        kernels, biases = ([arrays[f"{kind}_{i}"] for i in numbers] for kind in ("kernel", "bias"))
        n_features = kernels[0].shape[0] if kernels[0].ndim == 2 else -1
        for number, shape in enumerate(self._kernel_shapes(n_features, len(arrays["classes"]))):
            if kernels[number].shape != shape or biases[number].shape != shape[-1:]:
                raise HeadError(
                    f"{self._name} head: layer {number} must have shapes {shape} and {shape[-1:]}. "
                    f"Received: {kernels[number].shape} and {biases[number].shape}."
                )
        for name in sorted(expected - {"classes"}):
            if arrays[name].dtype.kind != "f" or not np.isfinite(arrays[name]).all():
                raise HeadError(f"{self._name} head: {name} must hold finite numbers. Received: {arrays[name].dtype}.")
        self.classes_, self.kernels_, self.biases_ = arrays["classes"], kernels, biases
        return self

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the layers as they were learned, and what makes probabilities of the last one's values."""
        return (*dense_layers(self.kernels_, self.biases_), self._probabilities)

    @property
    def _probabilities(self) -> Probabilities:
        return Probabilities("sigmoid" if self.activation == "sigmoid" else "softmax")

    @property
    def _n_features(self) -> int:
        return len(self.kernels_[0])

    @property
    def _block_rows(self) -> int:
        """Rows predicted at a time."""
        return _PREDICT_ROWS

    def _kernel_shapes(self, n_features: int, n_classes: int) -> list[tuple[int, ...]]:
        return list(itertools.pairwise((n_features, *self.hidden, n_classes)))

    def _logits(self, X: NDArray[np.floating], multiply: Multiply = np.matmul) -> NDArray[np.float64]:
        return self._dense(X.astype(np.float32), 0, multiply)

    def _dense(self, values: NDArray[np.float32], first: int, multiply: Multiply) -> NDArray[np.float64]:
        """Run the layers from the number ``first`` on."""
        for kernel, bias in zip(self.kernels_[first:-1], self.biases_[first:-1], strict=True):
            values = np.maximum(multiply(values, kernel).astype(np.float32) + bias, 0)
        return (multiply(values, self.kernels_[-1]) + self.biases_[-1]).astype(np.float64)
