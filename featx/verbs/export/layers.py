"""A fitted head told as a short list of plain layers, which the rooms of heads and of backbones both know."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray


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
        In the precision it is known in: whoever runs it rounds it.
    bias : ndarray of shape (n_units,)
    relu : bool
        Whether negative results become 0.
    """

    kernel: NDArray[np.floating]
    bias: NDArray[np.floating]
    relu: bool = False


@dataclasses.dataclass(frozen=True)
class Probabilities:
    """From the last layer's values to class probabilities that sum to 1; always the last of the list.

    Parameters
    ----------
    kind : str
        ``softmax``; or ``sigmoid``, one for each class, divided by their sum.
    temperature : float
        What the probabilities' logarithms are divided by before they are made to sum to 1 again.
    """

    kind: Literal["softmax", "sigmoid"]
    temperature: float = 1.0


INPUT, OUTPUT = "images", "probabilities"
"""Names of a network's input and of its output."""


PlainLayer = SignedRoots | UnitRows | Maps | Convolution | Dense | Probabilities
