"""The conv head: small convolutions over whole maps, then dense layers. Keras learns it; NumPy is enough to use it."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_setting, is_whole
from featx.heads.epochs.dense import DenseHead
from featx.heads.epochs.settings import check_sizes
from featx.heads.layers import Convolution, Maps, PlainLayer, dense_layers
from featx.heads.product import Multiply

_LARGEST_SIDE = 65536
_MOST_ROWS = 1024
_PREDICT_BYTES = 128_000_000
"""Of a layer's products, in a block of rows that is predicted at a time."""


@dataclasses.dataclass(eq=False, repr=False)
class ConvHead(DenseHead):
    """Convolutions of 3 x 3 with ReLU, each followed by 2 x 2 max pooling, then the layers of the dense head.

    Sides are padded: a convolution leaves them as they are and pooling halves them, rounded up, so that no map is too
    small: 7 x 7 becomes 4 x 4 and 2 x 2, and 1 x 1 stays 1 x 1.

    Parameters
    ----------
    map_shape : sequence of int
        (height, width, channels) of the map that a row of features is, flattened. It must be given.
    filters : sequence of int
        Filters of each convolution.
    **settings
        As in ``EpochHead``; ``hidden`` and ``dropout`` are those of the dense layers behind.

    Attributes
    ----------
    kernels_, biases_ : list of ndarray, float32
        Of each layer: convolutions, with kernels of shape (3, 3, n_channels, n_filters), then dense layers.
    """

    map_shape: list[int] | tuple[int, ...] | None = None
    filters: list[int] | tuple[int, ...] = (32, 64)

    _name: ClassVar[str] = "conv"

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each class, with these settings."""
        return False

    def _check_settings(self) -> None:
        super()._check_settings()
        shape = self.map_shape
        sound = isinstance(shape, list | tuple) and all(is_whole(side) and 0 < side <= _LARGEST_SIDE for side in shape)
        check_setting("map_shape", shape, sound and len(shape or ()) == 3, "height, width and channels of the maps")
        check_sizes("filters", self.filters, least=1, most=5, largest=2048)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return maps, convolutions, dense layers, and what makes probabilities of the last one's values."""
        n_filters = len(self.filters)
        convolutions = map(Convolution, self.kernels_[:n_filters], self.biases_[:n_filters])
        dense = dense_layers(self.kernels_[n_filters:], self.biases_[n_filters:])
        return (Maps(self._map_shape), *convolutions, *dense, self._probabilities)

    def _check_width(self, shape: tuple[int, ...]) -> None:
        if shape[1:] != (self._n_features,):
            raise HeadError(
                f"conv head: maps of map_shape {list(self._map_shape)} have {self._n_features} features. "
                f"Received: an array of shape {shape}. Take whole maps (pooling flatten) of that shape."
            )

    @property
    def _map_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.map_shape or (0, 0, 0)
        return height, width, channels

    @property
    def _n_features(self) -> int:
        return math.prod(self._map_shape)

    @property
    def _map_shapes(self) -> list[tuple[int, int, int]]:
        """What goes into each convolution, and last what goes into the dense layers."""
        shapes = [self._map_shape]
        for n_filters in self.filters:
            height, width, _ = shapes[-1]
            shapes.append((math.ceil(height / 2), math.ceil(width / 2), n_filters))
        return shapes

    @property
    def _block_rows(self) -> int:
        products = (h * w * 9 * n for (h, w, _), n in zip(self._map_shapes[:-1], self.filters, strict=True))
        return min(_MOST_ROWS, max(1, _PREDICT_BYTES // (4 * max(self._n_features, *products))))

    def _kernel_shapes(self, n_features: int, n_classes: int) -> list[tuple[int, ...]]:
        shapes = self._map_shapes
        convolutions = [(3, 3, shape[2], n) for shape, n in zip(shapes[:-1], self.filters, strict=True)]
        return convolutions + super()._kernel_shapes(math.prod(shapes[-1]), n_classes)

    def _network_options(self) -> dict[str, Sequence[int]]:
        return {"map_shape": self._map_shape, "filters": self.filters}

    def _logits(self, X: NDArray[np.floating], multiply: Multiply = np.matmul) -> NDArray[np.float64]:
        maps = X.astype(np.float32).reshape(-1, *self._map_shape)
        n_filters = len(self.filters)
        for kernel, bias in zip(self.kernels_[:n_filters], self.biases_[:n_filters], strict=True):
            maps = _halved(np.maximum(_convolved(maps, kernel, multiply) + bias, 0))
        return self._dense(maps.reshape(len(maps), -1), n_filters, multiply)


def _convolved(maps: NDArray[np.float32], kernel: NDArray[np.float32], multiply: Multiply) -> NDArray[np.float32]:
    """Convolve maps (n, h, w, n_channels) with a kernel (3, 3, n_channels, n_filters), zeros around the edges."""
    n, height, width, n_channels = maps.shape
    n_filters = kernel.shape[3]
    # One product gives what each pixel contributes to its nine neighbours, and these are added up. Laying out the nine
    # neighbours of each pixel for one product (im2col) would hold nine times the maps, which have far more channels.
    across = kernel.transpose(2, 0, 1, 3).reshape(n_channels, 9 * n_filters)
    parts = multiply(maps.reshape(-1, n_channels), across).astype(np.float32).reshape(n, height, width, 3, 3, n_filters)
    sums = np.zeros((n, height + 2, width + 2, n_filters), np.float32)
    for row in range(3):
        for column in range(3):
            sums[:, 2 - row : 2 - row + height, 2 - column : 2 - column + width] += parts[:, :, :, row, column]
    return sums[:, 1:-1, 1:-1]


def _halved(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the maximum of each 2 x 2 pixels of maps (n, h, w, c), none of them negative; odd sides are filled with zeros."""
    n, height, width, n_channels = maps.shape
    even = np.pad(maps, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    halved: NDArray[np.float32] = even.reshape(n, even.shape[1] // 2, 2, even.shape[2] // 2, 2, n_channels).max(axis=(2, 4))
    return halved
