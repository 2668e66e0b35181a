"""What training by epochs makes small, and the figure that is shown beside it: of classes, of labels, of numbers."""

import dataclasses
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featx.heads.epochs.losses import logit_slopes, probabilities_of, row_losses
from featx.heads.epochs.settings import TrainingRules

Values = NDArray[np.float64]


class Objective(Protocol):
    """A loss of each row, its slopes, and a figure.

    Attributes
    ----------
    figures : tuple of str
        Names of what is shown of an epoch: ``loss``, and ``accuracy`` where there is one.
    starts_flat : bool
        Whether the last layer starts with kernels of zeros. Sigmoids and softmax bound what random ones may cost; the squared
        error of numbers would spend its first hundreds of steps on undoing them.
    """

    @property
    def starts_flat(self) -> bool:
        """Whether the last layer starts with zeros."""
        ...

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what is shown."""
        ...

    def losses(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return the loss of each row (n,) of logits (n, k)."""
        ...

    def slopes(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return the derivative of each row's loss by its logits (n, k)."""
        ...

    def right(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return how right each row is (n,): 0 to 1; zeros where that has no meaning."""
        ...


@dataclasses.dataclass(frozen=True)
class OfClasses:
    """Cross-entropy of classes; targets are their columns (n,)."""

    rules: TrainingRules

    figures = ("loss", "accuracy")
    starts_flat = False

    def losses(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return the loss of each row."""
        return row_losses(logits, targets, self.rules.activation, self.rules.loss, self.rules.label_smoothing)

    def slopes(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return its derivative."""
        return logit_slopes(logits, targets, self.rules.activation, self.rules.loss, self.rules.label_smoothing)

    def right(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return 1 where the most probable class is the right one."""
        hits: Values = (probabilities_of(logits, self.rules.activation).argmax(axis=1) == targets).astype(np.float64)
        return hits


@dataclasses.dataclass(frozen=True, eq=False)
class OfLabels:
    """Binary cross-entropy of each label, mean over the labels; a cell that is not known costs nothing.

    Parameters
    ----------
    smoothing : float
        How far targets are moved towards one half.
    cell_weights : ndarray of shape (2, n_labels) or None
        What a cell without the label, and one with it, is multiplied by; None for 1.
    """

    smoothing: float
    cell_weights: NDArray[np.float64] | None = None

    figures = ("loss", "accuracy")
    starts_flat = False

    def losses(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return the loss of each row."""
        weights, wanted = self._cells(targets)
        each: Values = (weights * (np.logaddexp(0, logits) - wanted * logits)).mean(axis=1)
        return each

    def slopes(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return its derivative."""
        weights, wanted = self._cells(targets)
        slopes: Values = weights * (np.exp(-np.logaddexp(0, -logits)) - wanted) / logits.shape[1]
        return slopes

    def right(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return the share of a row's known labels that is right at a probability of one half."""
        known = ~np.isnan(targets)
        hits = ((logits > 0) == (targets > 0)) & known
        shares: Values = hits.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return shares

    def _cells(self, targets: NDArray[Any]) -> tuple[Values, Values]:
        known = ~np.isnan(targets)
        own = np.where(known, targets, 0).astype(np.float64)
        weights = known.astype(np.float64)
        if self.cell_weights is not None:
            weights *= np.where(own > 0, self.cell_weights[1], self.cell_weights[0])
        return weights, own * (1 - self.smoothing) + self.smoothing / 2


@dataclasses.dataclass(frozen=True)
class OfNumbers:
    """Squared error, mean over the targets; a cell that is not known costs nothing."""

    figures = ("loss",)
    starts_flat = True

    def losses(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return the loss of each row."""
        each: Values = (np.where(np.isnan(targets), 0, logits - targets) ** 2).mean(axis=1)
        return each

    def slopes(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return its derivative."""
        slopes: Values = 2 * np.where(np.isnan(targets), 0, logits - targets) / logits.shape[1]
        return slopes

    def right(self, logits: Values, targets: NDArray[Any]) -> Values:
        """Return zeros: a number is not right or wrong."""
        return np.zeros(len(logits))
