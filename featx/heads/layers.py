"""The plain layers that a fitted head can be written as: what a program without featx has to compute, step by step.

The last of a head of classes is ``Probabilities`` or ``Neighbors``, of labels ``Sigmoids`` or ``NeighborMeans``, of numbers the
last ``Dense`` itself or ``NeighborMeans``.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class Standardized:
    """Each column less a mean, divided by a deviation.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,), float64
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class SignedRoots:
    """The square root of each value's size, with the value's sign."""


@dataclasses.dataclass(frozen=True)
class UnitRows:
    """Each row divided by its length; a row of zeros stays one."""


@dataclasses.dataclass(frozen=True)
class Maps:
    """Rows laid out as maps again.

    Parameters
    ----------
    shape : tuple of int
        (height, width, channels) of a row.
    """

    shape: tuple[int, int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution of 3 x 3 with ReLU, edges filled with zeros, then the maximum of each 2 x 2, odd sides rounded up.

    Parameters
    ----------
    kernel : ndarray of shape (3, 3, n_channels, n_filters), float32
    bias : ndarray of shape (n_filters,), float32
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Dense:
    """A matrix product and a sum; maps are laid out flat before it.

    Parameters
    ----------
    kernel : ndarray of shape (n_inputs, n_units)
        In the precision it is known in: the program that runs it rounds it.
    bias : ndarray of shape (n_units,)
    relu : bool
        Whether negative results become 0.
    """

    kernel: NDArray[np.floating]
    bias: NDArray[np.floating]
    relu: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class RbfKernel:
    """How near a row is to each of some training rows: exp(-gamma * squared distance).

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), float32
        As the layers before give them.
    gamma : float
    """

    rows: NDArray[np.float32]
    gamma: float


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbors:
    """The share of the nearest training rows that is of each class: probabilities already, and so the last of the list.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), float32
        As the layers before give them.
    labels : ndarray of shape (n_rows,), int64
        Position of each row's class among the columns.
    count : int
        How many vote.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    count: int


@dataclasses.dataclass(frozen=True)
class Probabilities:
    """From the last layer's values to class probabilities that sum to 1; the last of the list, but for ``Neighbors``.

    Parameters
    ----------
    kind : str
        ``softmax``; or ``sigmoid``, one for each class, divided by their sum.
    temperature : float
        What the probabilities' logarithms are divided by before they are made to sum to 1 again.
    """

    kind: Literal["softmax", "sigmoid"]
    temperature: float = 1.0


@dataclasses.dataclass(frozen=True)
class Sigmoids:
    """From the last layer's values to the probability of each label, whatever the others are; the last of the list."""


@dataclasses.dataclass(frozen=True, eq=False)
class NeighborMeans:
    """The mean of the nearest training rows' targets, of each column among the rows where it is known; the last of the list.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), float32
        As the layers before give them.
    targets : ndarray of shape (n_rows, n_columns), float64
        0 where not known.
    known : ndarray of shape (n_rows, n_columns), bool
    count : int
        How many each column takes the mean of; all that are known, where these are fewer.
    """

    rows: NDArray[np.float32]
    targets: NDArray[np.float64]
    known: NDArray[np.bool_]
    count: int


PlainLayer = (
    Standardized
    | SignedRoots
    | UnitRows
    | Maps
    | Convolution
    | Dense
    | RbfKernel
    | Neighbors
    | Probabilities
    | Sigmoids
    | NeighborMeans
)


def dense_layers(kernels: Sequence[NDArray[np.floating]], biases: Sequence[NDArray[np.floating]]) -> tuple[Dense, ...]:
    """Return a chain of dense layers, ReLU behind each but the last."""
    last = len(kernels) - 1
    return tuple(Dense(kernel, bias, relu=i < last) for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)))


def plane_layers(
    coef: NDArray[np.floating], intercept: NDArray[np.floating], kind: Literal["softmax", "sigmoid"]
) -> tuple[Dense, Probabilities]:
    """Return one unit for each class of a head that has one hyperplane for each, or one in all for two classes.

    Parameters
    ----------
    coef, intercept : ndarray of shape (n_planes, n_features) and (n_planes,)
    kind : str
        As in ``Probabilities``.
    """
    if len(coef) == 1:
        # Of two classes: the softmax of 0 and z is what the sigmoid of z is, and 1 less that.
        coef, intercept, kind = np.vstack([np.zeros_like(coef), coef]), np.append(0.0, intercept), "softmax"
    return Dense(coef.T.copy(), intercept), Probabilities(kind)
