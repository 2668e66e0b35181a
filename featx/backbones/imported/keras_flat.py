"""A Keras model as one flat graph: models inside it taken apart, and each of its layers there once."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from featx.backbones.imported.layers import Layer, Layers, Tensor, is_grid
from featx.errors import WeightsError

_LARGEST_TENSOR = 2**28  # values of an image: 1 GiB of float32

# What gives four dimensions that need not be rows and columns: the heads of an attention, say.
_OF_ANOTHER_SHAPE = ("Reshape", "Permute", "Transpose", "Matmul", "Einsum", "EinsumDense", "ExpandDims", "GetItem", "MoveAxis")


class Flat:
    """Copies of a model's layers, and of those of models inside it, each called once and all in one graph.

    Attributes
    ----------
    outputs : dict of str to KerasTensor
        What each copy gives, by its path: the names of the models that it is in, and its own.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}
        self._copies: list[tuple[str, Any, Any]] = []
        self._layouts: dict[int, str] = {}

    def run(self, model: Any, inputs: Any, prefix: str = "") -> Any:
        """Copy a model's layers, and call the copies on tensors; return what the last of them give."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = self._apply(layer, prefix, inputs)
            return inputs
        return model._run_through_graph(
            inputs, operation_fn=lambda operation: functools.partial(self._apply, operation, prefix)
        )

    def _apply(self, operation: Any, prefix: str, *inputs: Any, **settings: Any) -> Any:
        if isinstance(operation, keras.Model):
            return self.run(operation, inputs[0] if len(inputs) == 1 else list(inputs), f"{prefix}{operation.name}/")
        if isinstance(operation, keras.layers.InputLayer):
            return inputs[0]
        path, count = f"{prefix}{operation.name}", 1
        while path in self.outputs:  # called before: a copy for each call, so that each has an output of its own
            count += 1
            path = f"{prefix}{operation.name}_{count}"
        copy = type(operation).from_config(operation.get_config() | {"name": path.replace("/", "_")})
        settings.pop("training", None)
        outputs = copy(*inputs, **settings)
        self._copies.append((path, operation, copy))
        self.outputs[path] = keras.tree.flatten(outputs)[0]
        before = [
            self._layouts.get(id(tensor), "nhwc")
            for tensor in keras.tree.flatten(inputs)
            if keras.utils.is_keras_tensor(tensor)
        ]
        is_shaped = type(operation).__name__ in _OF_ANOTHER_SHAPE
        self._layouts[id(self.outputs[path])] = "" if is_shaped or "" in before else "nhwc"
        return outputs

    def is_part(self, layer: Layer) -> bool:
        """Tell whether a layer is a part of tokens, or is given by an operation that is no layer of Keras."""
        copies = {path: copy for path, _, copy in self._copies}
        return bool(layer.part) or not isinstance(copies[layer.tensor.name], keras.Layer)

    def copy_weights(self) -> None:
        """Give each copy its layer's weights."""
        for _, operation, copy in self._copies:
            if getattr(operation, "weights", None):
                copy.set_weights(operation.get_weights())
            if isinstance(copy, keras.layers.Normalization):
                copy.finalize_state()

    def tensors(self, ends: Sequence[Any], image_size: tuple[int, int], path: Path) -> list[Tensor]:
        """Return what the copies give, in their order.

        Raises
        ------
        WeightsError
            If one of them is far larger than any image's.
        """
        given, found = {id(end) for end in ends}, []
        for name, operation, _ in self._copies:
            output = self.outputs[name]
            shape = tuple(output.shape[1:])
            if None in shape or "float" not in str(output.dtype):
                continue
            if math.prod(shape) > _LARGEST_TENSOR:
                raise WeightsError(
                    f"{path}: {name} would be of shape {shape}, and {_LARGEST_TENSOR:,} values an image are the most. Give a "
                    "smaller --image-size, or another network."
                )
            is_map = len(shape) == 3 and (self._layouts[id(output)] or is_grid(*shape[:2], image_size))
            layout = "nhwc" if is_map else ""
            kind = type(operation).__name__
            found.append(Tensor(name, kind, (1, *shape), layout, operation.name, id(output) in given))
        return found

    def named(self, layers: Layers) -> dict[str, Any]:
        """Return the copies by the names that their outputs have among the layers."""
        return {layers.stored_name(path): copy for path, _, copy in self._copies}


def part_of(layer: Layer, tokens: Any) -> Any:
    """Return a part of tokens as a map, by layers of Keras."""
    if not layer.part:
        return keras.layers.Identity()(tokens)
    count = layer.tensor.shape[1]
    if layer.part == "tokens":
        return keras.layers.Reshape(layer.shape)(tokens)
    patches = keras.layers.Cropping1D((layer.first_patch, 0))(tokens)
    if layer.part == "patches":
        return keras.layers.Reshape(layer.shape)(patches)
    parts = keras.layers.Cropping1D((0, count - 1))(tokens)
    if layer.part == "both":
        mean = keras.layers.Reshape((1, layer.tensor.shape[2]))(keras.layers.GlobalAveragePooling1D()(patches))
        parts = keras.layers.Concatenate()([parts, mean])
    return keras.layers.Reshape(layer.shape)(parts)
