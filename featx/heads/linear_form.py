"""A head whose values are sums over the features: what each feature adds to the value of each class."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from featx.heads.layers import Dense, PlainLayer, Probabilities, SignedRoots, Standardized, UnitRows

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class LinearForm:
    """The value of each class before it becomes a probability: (row times factors) @ kernel + bias.

    The factors are 1, or constants of the row: with ``l2`` one over its length; with ``sqrt`` what makes the root of each value
    of the value itself, over the length of the roots.

    Parameters
    ----------
    kernel : ndarray of shape (n_features, n_classes), float64
        A standardisation is in it and in the bias, so that a value of 0 adds nothing.
    bias : ndarray of shape (n_classes,), float64
    kind : str
        What the values become probabilities by: ``softmax``, or ``sigmoid``, one for each class.
    roots, unit : bool
        Whether roots are taken, and whether rows are brought to length 1.
    """

    kernel: Values
    bias: Values
    kind: Literal["softmax", "sigmoid"]
    roots: bool = False
    unit: bool = False

    @classmethod
    def of(cls, layers: Sequence[PlainLayer]) -> Self | None:
        """Return the form of a head's layers; None of a head that has hidden layers or compares with training images."""
        *before, dense, last = layers
        if not isinstance(dense, Dense) or dense.relu or not isinstance(last, Probabilities):
            return None
        kernel, bias = dense.kernel.astype(np.float64), dense.bias.astype(np.float64)
        match before:
            case []:
                return cls(kernel, bias, last.kind)
            case [Standardized() as standard]:
                kernel = kernel / standard.scale[:, None]
                return cls(kernel, bias - standard.mean @ kernel, last.kind)
            case [UnitRows()]:
                return cls(kernel, bias, last.kind, unit=True)
            case [SignedRoots(), UnitRows()]:
                return cls(kernel, bias, last.kind, roots=True, unit=True)
        return None

    def planes(self) -> tuple[Values, Values] | None:
        """Return coefficients (n_classes, n_features) and intercepts (n_classes,), of two classes (1, n_features) and (1,).

        None where what a feature adds depends on the others: with roots, or with rows brought to length 1.
        """
        if self.roots or self.unit:
            return None
        if len(self.bias) == 2:
            return self.kernel[:, 1:].T - self.kernel[:, :1].T, self.bias[1:] - self.bias[:1]
        return self.kernel.T.copy(), self.bias

    def values(self, X: NDArray[np.floating]) -> Values:
        """Return the value of each class (n, n_classes) for rows X (n, n_features)."""
        values: Values = (X * self._factors(X.astype(np.float64))) @ self.kernel + self.bias
        return values

    def weights(self, X: NDArray[np.floating], mix: Values) -> Values:
        """Return what each value of each row is multiplied by.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows of features.
        mix : ndarray of shape (n, n_classes)
            Which class of each row, as a row of zeros with a 1; or which against which, with a 1 and a -1.

        Returns
        -------
        weights : ndarray of shape (n, n_features), float64
            Times X and summed, with ``mix @ bias``, they give ``mix`` of the classes' values.
        """
        weights: Values = (mix @ self.kernel.T) * self._factors(X.astype(np.float64))
        return weights

    def _factors(self, X: Values) -> Values:
        factors = np.ones((len(X), 1))
        sizes = np.abs(X)
        if self.unit:
            squares = sizes.sum(axis=1) if self.roots else np.einsum("ij,ij->i", X, X)
            # As in the head: a row of zeros stays one.
            factors = np.divide(1, np.sqrt(squares), out=np.zeros(len(X)), where=squares > 0)[:, None]
        if self.roots:
            factors = np.divide(factors, np.sqrt(sizes), out=np.zeros(X.shape), where=sizes > 0)
        return factors
