"""A network's layers, as Keras or ``plain`` has them, written down for ncnn."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones.graph import Program, Setting
from featx.backbones.translation import Translation, unknown

_SAME_AS_TENSORFLOW = -233
"""Of a padding: as much as ``same`` takes, the odd pixel behind."""

_SHAPE, _LEFT_OUT, _WINOGRAD = 30, 31, 1 << 6
"""ncnn's numbers: of an output's shape, by which it chooses the size of Winograd's tiles; of what a layer shall do without."""

_TOO_SMALL = 2
"""Side of a map for which Winograd's transformed weights, four times as many, take longer to read than they save [px]."""


def translate(layers: Iterable[Any], kept: Mapping[str, Any]) -> Program:
    """Write a network for ncnn, as far as the last layer kept.

    Parameters
    ----------
    layers : iterable of layers
        All of the network, each after those that it reads: Keras' own, or those of ``plain``. The name of a layer's class, its
        settings and its arrays count.
    kept : dict of str to layer
        The layers kept, by the names that they are kept under.

    Returns
    -------
    program : Program
        From pixels (3, height, width), float32, preprocessed, to the layers kept.

    Raises
    ------
    BackboneError
        If there is a layer on the way that is not known here, or has settings that are not.
    """
    to = Translation()
    names = {id(layer): name for name, layer in kept.items()}
    results = {}
    for layer in layers:
        kind = type(layer).__name__
        if kind == "InputLayer":
            blob = to.graph.source
        elif kind in _KINDS:
            blob = _KINDS[kind](to, layer, _tensors(layer))
        else:
            raise unknown(layer)
        to.name(layer.output, blob)
        if id(layer) in names:
            results[names[id(layer)]] = (blob, tuple(int(side) for side in layer.output.shape[1:]))
            if len(results) == len(names):
                break
    return to.graph.finished(results)


def _convolution(to: Translation, layer: Any, inputs: list[Any]) -> str:
    if layer.groups != 1:
        raise unknown(layer)
    kernel, *bias = _arrays(layer)
    blob = to.blob_of(inputs[0])
    if to.is_vector(blob):  # of a map of 1 x 1: a matrix product
        if kernel.shape[:2] != (1, 1):
            raise unknown(layer)
        return to.activated(layer, _product(to, blob, kernel[0, 0], bias))
    return to.activated(layer, _convolved(to, blob, layer, kernel.transpose(3, 2, 0, 1), bias))


def _depthwise(to: Translation, layer: Any, inputs: list[Any]) -> str:
    kernel, *bias = _arrays(layer)
    return to.activated(layer, _convolved(to, to.blob_of(inputs[0]), layer, _by_channel(layer, kernel), bias, depthwise=True))


def _separable(to: Translation, layer: Any, inputs: list[Any]) -> str:
    depthwise, pointwise, *bias = _arrays(layer)
    blob = _convolved(to, to.blob_of(inputs[0]), layer, _by_channel(layer, depthwise), [], depthwise=True)
    return to.activated(layer, _convolved(to, blob, None, pointwise.transpose(3, 2, 0, 1), bias))


def _by_channel(layer: Any, kernel: NDArray[Any]) -> NDArray[Any]:
    if kernel.shape[3] != 1:
        raise unknown(layer)
    return kernel.transpose(2, 3, 0, 1)


def _convolved(
    to: Translation, blob: str, layer: Any, kernel: NDArray[Any], bias: list[NDArray[Any]], *, depthwise: bool = False
) -> str:
    """Add a convolution by a kernel (n_outputs, n_inputs, height, width); without a layer of stride 1 and no padding."""
    settings: dict[int, Setting] = {0: kernel.shape[0], 1: kernel.shape[3], 11: kernel.shape[2]}
    if layer is not None:
        settings |= {2: layer.dilation_rate[1], 12: layer.dilation_rate[0], 3: layer.strides[1], 13: layer.strides[0]}
        settings[4] = _SAME_AS_TENSORFLOW if layer.padding == "same" else 0
    settings |= {5: len(bias), 6: kernel.size}
    if depthwise:
        settings[7] = kernel.shape[0]
    elif layer is not None and kernel.shape[2:] == (3, 3):
        height, width = (int(side) for side in layer.output.shape[1:3])
        settings[_SHAPE] = (3, width, height, kernel.shape[0])
        if max(height, width) <= _TOO_SMALL:
            settings[_LEFT_OUT] = _WINOGRAD
    return to.put("ConvolutionDepthWise" if depthwise else "Convolution", [blob], settings, [kernel, *bias])


def _dense(to: Translation, layer: Any, inputs: list[Any]) -> str:
    kernel, *bias = _arrays(layer)
    blob = to.blob_of(inputs[0])
    if not to.is_vector(blob):
        raise unknown(layer)
    return to.activated(layer, _product(to, blob, kernel, bias))


def _product(to: Translation, blob: str, kernel: NDArray[Any], bias: list[NDArray[Any]]) -> str:
    settings: dict[int, Setting] = {0: kernel.shape[1], 1: len(bias), 2: kernel.size}
    return to.put("InnerProduct", [blob], settings, [kernel.T, *bias])


def _scaled(to: Translation, blob: str, factors: NDArray[Any], sums: NDArray[Any]) -> str:
    return to.put("Scale", [blob], {0: len(factors), 1: 1}, [factors, sums])


def _batch_normalized(to: Translation, layer: Any, inputs: list[Any]) -> str:
    arrays = [array.astype(np.float64) for array in _arrays(layer)]
    mean, variance = arrays[-2:]
    factors = 1 / np.sqrt(variance + layer.epsilon) * (arrays[0] if layer.scale else 1.0)
    return _scaled(to, to.blob_of(inputs[0]), factors, (arrays[int(layer.scale)] if layer.center else 0.0) - mean * factors)


def _normalized(to: Translation, layer: Any, inputs: list[Any]) -> str:
    factors = 1 / np.sqrt(np.asarray(layer.variance, np.float64).reshape(-1))
    return _scaled(to, to.blob_of(inputs[0]), factors, -np.asarray(layer.mean, np.float64).reshape(-1) * factors)


def _rescaled(to: Translation, layer: Any, inputs: list[Any]) -> str:
    channels = int(inputs[0].shape[-1])
    factors, sums = (np.broadcast_to(np.asarray(value, np.float64), channels) for value in (layer.scale, layer.offset))
    return _scaled(to, to.blob_of(inputs[0]), factors, sums)


def _rectified(to: Translation, layer: Any, inputs: list[Any]) -> str:
    if layer.negative_slope or layer.threshold:
        raise unknown(layer)
    blob = to.blob_of(inputs[0])
    return to.put("ReLU", [blob]) if layer.max_value is None else to.put("Clip", [blob], {0: 0.0, 1: float(layer.max_value)})


def _activation(to: Translation, layer: Any, inputs: list[Any]) -> str:
    return to.activated(layer, to.blob_of(inputs[0]))


def _pooled(kind: int, everything: bool) -> Callable[[Translation, Any, list[Any]], str]:
    """Return what adds a maximum (0) or an average (1) of places, those outside the image left out; or of all places."""

    def add(to: Translation, layer: Any, inputs: list[Any]) -> str:
        blob = to.blob_of(inputs[0])
        if everything:
            return to.put("Pooling", [blob], {0: kind, 4: 1}, vector=True)
        size, strides = layer.pool_size, layer.strides
        (top, bottom), (left, right) = (_margins(layer, inputs[0].shape, axis) for axis in (0, 1))
        window: dict[int, Setting] = {0: kind, 1: size[1], 11: size[0], 2: strides[1], 12: strides[0]}
        # As many places as these margins say, and those in them are not averaged.
        return to.put("Pooling", [blob], window | {3: left, 14: right, 13: top, 15: bottom, 5: 1, 6: 0})

    return add


def _margins(layer: Any, shape: Sequence[int], axis: int) -> tuple[int, int]:
    """Return how many places a window reaches past an image on each side: with ``same``, as TensorFlow and Keras count them."""
    size, stride, side = layer.pool_size[axis], layer.strides[axis], int(shape[axis + 1])
    total = max((-(-side // stride) - 1) * stride + size - side, 0) if layer.padding == "same" else 0
    return total // 2, total - total // 2


def _padded(to: Translation, layer: Any, inputs: list[Any]) -> str:
    (top, bottom), (left, right) = layer.padding
    return to.put("Padding", [to.blob_of(inputs[0])], {0: top, 1: bottom, 2: left, 3: right, 4: 0, 5: 0.0})


def _cropped(to: Translation, layer: Any, inputs: list[Any]) -> str:
    (top, _), (left, _) = layer.cropping
    height, width, channels = (int(side) for side in layer.output.shape[1:])
    return to.put("Crop", [to.blob_of(inputs[0])], {0: left, 1: top, 2: 0, 3: width, 4: height, 5: channels})


def _flattened(to: Translation, layer: Any, inputs: list[Any]) -> str:
    blob = to.blob_of(inputs[0])
    if to.is_vector(blob):
        return blob
    # Keras counts the channels of a place first, ncnn the places of a channel.
    return to.put("Flatten", [to.put("Permute", [blob], {0: 3})], vector=True)


def _reshaped(to: Translation, layer: Any, inputs: list[Any]) -> str:
    blob = to.blob_of(inputs[0])
    if not to.is_vector(blob) or max(layer.target_shape) != int(np.prod(layer.target_shape)):
        raise unknown(layer)
    return blob  # a row of numbers stays one


def _unchanged(to: Translation, layer: Any, inputs: list[Any]) -> str:
    return to.blob_of(inputs[0])


def _joined(to: Translation, layer: Any, inputs: list[Any]) -> str:
    if layer.axis not in (-1, len(inputs[0].shape) - 1):
        raise unknown(layer)
    return to.put("Concat", [to.blob_of(one) for one in inputs], {0: 0})


def _combined(operation: int) -> Callable[[Translation, Any, list[Any]], str]:
    """Return what adds (0) or multiplies (2) maps, or a map and a number."""

    def add(to: Translation, layer: Any, inputs: list[Any]) -> str:
        if len(inputs) == 1:  # Keras has no public name for the number that an operation was called with
            (number,) = (one for one in layer._inbound_nodes[0].arguments.args if isinstance(one, int | float))
            return to.put("BinaryOp", [to.blob_of(inputs[0])], {0: operation, 1: 1, 2: float(number)})
        blobs = [to.blob_of(one) for one in inputs]
        if not all(map(to.is_vector, blobs)):
            blobs = [_as_map(to, blob, one) for blob, one in zip(blobs, inputs, strict=True)]
        return functools.reduce(lambda first, second: to.put("BinaryOp", [first, second], {0: operation}), blobs)

    return add


def _as_map(to: Translation, blob: str, tensor: Any) -> str:
    """Make a map of 1 x 1 of a row of numbers: ncnn would not know which of a map's sides it goes with."""
    if not to.is_vector(blob):
        return blob
    return to.put("Reshape", [blob], {0: 1, 1: 1, 2: int(tensor.shape[-1])}, vector=False)


def _scaled_sum(to: Translation, layer: Any, inputs: list[Any]) -> str:
    """Inception-ResNet's: the first input, and so many times the second."""
    first, second = (to.blob_of(one) for one in inputs)
    return to.put("BinaryOp", [first, to.put("BinaryOp", [second], {0: 2, 1: 1, 2: float(layer.scale)})], {0: 0})


_KINDS: dict[str, Callable[[Translation, Any, list[Any]], str]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_normalized,
    "Normalization": _normalized,
    "Rescaling": _rescaled,
    "ReLU": _rectified,
    "Activation": _activation,
    "MaxPooling2D": _pooled(0, everything=False),
    "AveragePooling2D": _pooled(1, everything=False),
    "GlobalMaxPooling2D": _pooled(0, everything=True),
    "GlobalAveragePooling2D": _pooled(1, everything=True),
    "ZeroPadding2D": _padded,
    "Cropping2D": _cropped,
    "Flatten": _flattened,
    "Reshape": _reshaped,
    "Dropout": _unchanged,
    "Concatenate": _joined,
    "Add": _combined(0),
    "Multiply": _combined(2),
    "CustomScaleLayer": _scaled_sum,
}
"""What writes each layer down, by the name of its class in Keras."""


def _arrays(layer: Any) -> list[NDArray[Any]]:
    return [np.asarray(weight) for weight in layer.weights]


def _tensors(layer: Any) -> list[Any]:
    return list(layer.input) if isinstance(layer.input, list | tuple) else [layer.input]
