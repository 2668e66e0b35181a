"""How fast int8 would be on this processor: a network of a backbone's shapes, whose int8 numbers mean nothing.

Making the real one takes images and minutes; how fast it is depends on neither.
"""

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import plain
from featx.backbones.quantized import openvino_core
from featx.backbones.table import backbone_spec
from featx.backbones.winograd import BUILDERS
from featx.errors import BackboneError
from featx.recipe import Recipe

_LEVELS = 256
_EIGHT_BITS = ("FakeQuantize", "MaxPool")


def can_try_int8(recipe: Recipe) -> bool:
    """Return whether a recipe's network can be tried in int8: one that is written in ``plain`` layers, where OpenVINO is.

    Those of its top are not.
    """
    if recipe.backbone not in BUILDERS or importlib.util.find_spec("openvino") is None:
        return False
    return not backbone_spec(recipe.backbone).needs_top(recipe.layers)


class Int8Trial:
    """A network of int8 products as OpenVINO runs it, of the shapes that a recipe's network has.

    Parameters
    ----------
    recipe : Recipe
        Says backbone, layers and image size.

    Raises
    ------
    BackboneError
        If OpenVINO cannot run it.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._compiled: Any = None
        self._compiled_for = 0

    def take(self, batch_size: int) -> None:
        """Take any number of images: it is compiled for as many as come first."""

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run it over images (n_images, height, width, 3); return nothing, as nothing of it means anything."""
        try:
            if self._compiled_for != len(images):
                hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
                self._compiled = openvino_core().compile_model(_model(self._recipe, len(images)), "CPU", hints)
                self._compiled_for = len(images)
            self._compiled([images])
        except RuntimeError as error:
            raise BackboneError(f"{self._recipe.backbone}: cannot be tried in int8: {error}") from error
        return {}


def _model(recipe: Recipe, n_images: int) -> Any:
    """Return a network of OpenVINO: convolutions of int8 numbers, and what stands between them."""
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    _, features = BUILDERS[recipe.backbone](recipe.image_size, plain)
    images = ops.parameter([n_images, *recipe.image_size, 3], np.uint8)
    made: dict[int, Any] = {}
    kept: dict[str, Any] = {}

    def in_8_bits(values: Any, low: float, high: float) -> Any:
        ends = [np.array(end, np.float32) for end in (low, high, low, high)]
        return ops.fake_quantize(values, *ends, levels=_LEVELS).output(0)

    for layer in features.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        values = [made[id(one)] for one in inputs if one is not None]
        match layer:
            case plain.InputLayer():
                channels_first = ops.transpose(ops.convert(images, "f32"), np.array([0, 3, 1, 2]))
                given = in_8_bits(channels_first, 0, 255)
            case plain.Conv2D() | plain.DepthwiseConv2D():
                (given,) = values
                if given.get_node().get_type_name() not in _EIGHT_BITS:
                    given = in_8_bits(given, -6, 6)
                given = _convolved(ops, layer, given, rng)
                if getattr(layer, "activation", "") == "relu":
                    given = in_8_bits(ops.relu(given), 0, 6)
            case plain.ReLU():
                given = in_8_bits(ops.relu(values[0]), 0, 6)
            case plain.MaxPooling2D():
                given = ops.max_pool(values[0], [*layer.strides], [1, 1], [0, 0], [0, 0], [*layer.pool_size]).output(0)
            case plain.Add():
                given = in_8_bits(ops.add(*values), -6, 6)
            case _:  # factors and sums of a channel become part of a convolution
                given = values[0]
        made[id(layer.output)] = given
        if layer.name in recipe.layers:
            kept[layer.name] = given
            if len(kept) == len(recipe.layers):
                break
    return openvino.Model([*kept.values()], [images], "trial")


def _convolved(ops: Any, layer: Any, values: Any, rng: np.random.Generator) -> Any:
    (height, width, channels, filters), *_ = layer.weight_shapes
    strides, padding = [*layer.strides], "same_upper" if layer.padding == "same" else "valid"
    if isinstance(layer, plain.DepthwiseConv2D):
        shape: tuple[int, ...] = (channels, 1, 1, height, width)
    else:
        shape = (filters, channels, height, width)
    kernel = ops.convert(ops.constant(rng.integers(-127, 128, shape, np.int8)), "f32")
    kernel = ops.multiply(kernel, np.full((shape[0], *[1] * (len(shape) - 1)), 1e-3, np.float32))
    convolution = ops.group_convolution if len(shape) == 5 else ops.convolution
    return convolution(values, kernel, strides, [0, 0], [0, 0], [1, 1], auto_pad=padding).output(0)
