"""What every head offers, what features look like to it, and the softmax that heads share."""

from collections.abc import Iterator
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.heads.layers import PlainLayer
from featx.system.progress import OnEpoch


class Rows(Protocol):
    """Features that may be larger than memory: whole through ``np.asarray``, or a block at a time.

    Attributes
    ----------
    shape : tuple of int
        (n_samples, n_features).
    dtype : numpy dtype
        Of what is read.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """Return n_samples."""
        ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything at once."""
        ...

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield (positions, X) a block of some 64 MB at a time, each row once.

        With a seed, rows from all over are mixed, in an order that is a function of the seed; without, they come in order.
        """
        ...


Features = NDArray[np.floating] | Rows
"""What a head learns from: an array of shape (n_samples, n_features), or rows that are read when they are needed."""


class Head(Protocol):
    """From features to class probabilities; or to the probabilities of labels, or to numbers (``featx.heads.columns``).

    The constructor only stores settings; ``fit`` validates, learns and returns ``self``; learned values end in ``_``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen, ascending: the order of the probability columns. Of heads of labels and of numbers, the positions of
        their columns.
    history_ : dict of str to list of float
        Loss and accuracy by epoch; empty for heads without epochs.
    notes_ : list of str
        What a user should know about this fit.
    takes_weights : bool
        Whether ``fit`` takes weights of rows; where it does not, they are refused.
    is_linear : bool
        Whether it will be a plane for each class, with these settings.
    """

    takes_weights: ClassVar[bool]
    classes_: NDArray[np.int64]
    history_: dict[str, list[float]]
    notes_: list[str]

    @property
    def is_linear(self) -> bool:
        """Whether ``LinearForm.of`` its layers is not None once it is fitted."""
        ...

    def fit(
        self,
        X: Features,
        y: NDArray[Any],
        X_val: Features | None = None,
        y_val: NDArray[Any] | None = None,
        on_epoch: OnEpoch | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from X (n_samples, n_features) and y (n_samples,), where a row counts as its weight (n_samples,) says.

        Heads of labels and of numbers take y (n_samples, n_columns), NaN where a cell is not known.
        """
        ...

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes), each row summing to 1; of labels, each column on its own.

        Heads of numbers have none and refuse.
        """
        ...

    def outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what the head gives (n_samples, n_columns): probabilities, or numbers in the units that it learned."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as JSON types."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned; with the settings, enough to rebuild the head."""
        ...

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting."""
        ...

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return what a fitted head computes, from features to probabilities: all that an export knows of it."""
        ...

    @property
    def n_parameters(self) -> int:
        """Number of learned values that a prediction multiplies or adds."""
        ...


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(logits), each row scaled to sum to 1.

    SciPy's softmax to the last bit or two; ours, as loading SciPy would take longer than a whole prediction.
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares
