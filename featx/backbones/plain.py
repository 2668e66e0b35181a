"""Layers of a network as a list of facts, called and named as Keras' own: enough to write a network down, and no more.

Loading Keras and TensorFlow takes seconds and half a gigabyte. Where a network's function takes its layers from here, its
shapes, its numbers of parameters and its arrays' places in a weights file are known without.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from featx.backbones.weights_file import saved_arrays
from featx.errors import WeightsError

Shape = tuple[int, ...]


class Values:
    """What a layer gives: a shape, and all layers up to there."""

    def __init__(self, shape: Shape, layers: list["Layer"]) -> None:
        self.shape: tuple[int | None, ...] = (None, *shape)
        self.layers = layers


class Layer:
    """What all layers have.

    Attributes
    ----------
    input, output : Values
        What it reads and gives; ``input`` is a list where it reads several.
    weights : list of ndarray
        Its arrays; empty until ``read_weights`` has put them there.
    weight_shapes : list of tuple of int
        Their shapes.
    saved_as : str
        What Keras calls its class in a weights file; empty where it has no arrays.
    """

    saved_as = ""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.input: Any = None
        self.output: Any = None
        self.weights: list[NDArray[Any]] = []
        self.weight_shapes: list[Shape] = []

    def __call__(self, values: Any) -> Values:
        """Put the layer behind one or several others."""
        first: Values = values[0] if isinstance(values, list) else values
        self.input = values
        self.build(int(first.shape[-1] or 0))
        self.output = Values(self.shape_of(tuple(int(side or 0) for side in first.shape[1:])), first.layers)
        first.layers.append(self)
        return self.output  # type: ignore[no-any-return] # a Values

    def build(self, channels: int) -> None:
        """Learn from how many channels it reads which arrays it has."""

    def shape_of(self, shape: Shape) -> Shape:
        """Return the shape that it gives of the shape that it reads."""
        return shape

    def count_params(self) -> int:
        """Return how many numbers its arrays hold."""
        return sum(math.prod(shape) for shape in self.weight_shapes)


class InputLayer(Layer):
    """Where the pixels come in."""


def Input(shape: Shape) -> Values:  # noqa: N802 # Keras' name
    """Begin a network."""
    layer = InputLayer("input_layer")
    layer.output = Values(shape, [layer])
    return layer.output  # type: ignore[no-any-return] # a Values


class _Windowed(Layer):
    """A layer that looks at the places of a window: with padding ``same`` at one window for each stride."""

    strides: tuple[int, int]
    padding: str
    window: tuple[int, int]

    def shape_of(self, shape: Shape) -> Shape:
        """Count its windows."""
        sides = (
            -(-side // stride) if self.padding == "same" else (side - window) // stride + 1
            for side, stride, window in zip(shape, self.strides, self.window, strict=False)
        )
        return (*sides, *shape[2:])


class Conv2D(_Windowed):
    """A convolution."""

    saved_as = "conv2d"
    groups = 1
    dilation_rate = (1, 1)

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        *,
        padding: str = "valid",
        activation: str = "linear",
        use_bias: bool = True,
        name: str = "",
    ) -> None:
        super().__init__(name)
        self.filters, self.window, self.strides = filters, (kernel_size, kernel_size), (strides, strides)
        self.padding, self.activation, self.use_bias = padding, activation, use_bias

    def build(self, channels: int) -> None:
        """Learn its arrays."""
        self.weight_shapes = [(*self.window, channels, self.filters), *([(self.filters,)] if self.use_bias else [])]

    def shape_of(self, shape: Shape) -> Shape:
        """Count its windows; each has a number for each filter."""
        return (*super().shape_of(shape)[:2], self.filters)


class DepthwiseConv2D(_Windowed):
    """A convolution of each channel by itself."""

    saved_as = "depthwise_conv2d"
    dilation_rate = (1, 1)
    activation = "linear"

    def __init__(
        self, kernel_size: int, strides: int = 1, *, padding: str = "valid", use_bias: bool = True, name: str = ""
    ) -> None:
        super().__init__(name)
        self.window, self.strides = (kernel_size, kernel_size), (strides, strides)
        self.padding, self.use_bias = padding, use_bias

    def build(self, channels: int) -> None:
        """Learn its arrays."""
        self.weight_shapes = [(*self.window, channels, 1), *([(channels,)] if self.use_bias else [])]


class BatchNormalization(Layer):
    """Each channel less its mean over the training images, divided by its deviation."""

    saved_as = "batch_normalization"
    scale = center = True

    def __init__(self, *, epsilon: float = 1e-3, name: str = "") -> None:
        super().__init__(name)
        self.epsilon = epsilon

    def build(self, channels: int) -> None:
        """Learn its arrays."""
        self.weight_shapes = [(channels,)] * 4


class ReLU(Layer):
    """What is above 0, up to a limit."""

    negative_slope = threshold = 0.0

    def __init__(self, max_value: float | None = None, *, name: str = "") -> None:
        super().__init__(name)
        self.max_value = max_value


class Rescaling(Layer):
    """A factor and a sum for all values."""

    def __init__(self, scale: float, offset: float = 0.0, *, name: str = "") -> None:
        super().__init__(name)
        self.scale, self.offset = scale, offset


class MaxPooling2D(_Windowed):
    """The largest of the places of a window."""

    def __init__(self, pool_size: int, strides: int, *, padding: str = "valid", name: str = "") -> None:
        super().__init__(name)
        self.pool_size = self.window = (pool_size, pool_size)
        self.strides, self.padding = (strides, strides), padding


class Add(Layer):
    """The sum of several."""


def read_weights(layers: Sequence[Layer], path: Path) -> None:
    """Fill layers from a ``.weights.h5`` file that Keras saved of the network that they begin.

    Raises
    ------
    WeightsError
        If it holds other arrays.
    """
    # Keras calls each layer there by its class, and numbers those of one class.
    places: dict[str, Layer] = {}
    for kind in {layer.saved_as for layer in layers if layer.weight_shapes}:
        for number, layer in enumerate(layer for layer in layers if layer.saved_as == kind):
            places[f"{kind}_{number}" if number else kind] = layer
    arrays = saved_arrays(path, places)
    for group, layer in places.items():
        layer.weights = arrays[group]
        found = [array.shape for array in layer.weights]
        if found != layer.weight_shapes:
            raise WeightsError(f"{path}: {group} has arrays of shapes {found}. Wanted: {layer.weight_shapes}. Reinstall featx.")


def describe_layers(layers: dict[str, Any]) -> list[dict[str, Any]]:
    """Return name, type, output shape and number of parameters of each layer; of Keras or from here."""
    return [
        {
            "name": name,
            "type": type(layer).__name__,
            "output_shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
        }
        for name, layer in layers.items()
    ]
