"""The part of a network that has been written down for ncnn, and what every layer needs to be written down."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones.graph import Graph, Setting
from featx.errors import BackboneError

ACTIVATIONS: dict[str, tuple[str, dict[int, Setting]]] = {
    "relu": ("ReLU", {}),
    "relu6": ("Clip", {0: 0.0, 1: 6.0}),
    "sigmoid": ("Sigmoid", {}),
    "silu": ("Swish", {}),
    "swish": ("Swish", {}),
    "hard_sigmoid": ("HardSigmoid", {0: 1 / 6, 1: 0.5}),
    "hard_silu": ("HardSwish", {0: 1 / 6, 1: 0.5}),
    "hard_swish": ("HardSwish", {0: 1 / 6, 1: 0.5}),
    "softmax": ("Softmax", {0: 0, 1: 1}),
}
"""What is done to each number alone, by Keras' name: ncnn's layer and its settings."""


class Translation:
    """A network in the making.

    Attributes
    ----------
    graph : Graph
        ncnn's layers so far.
    """

    def __init__(self) -> None:
        self.graph = Graph()
        self._blobs: dict[int, str] = {}
        self._vectors: set[str] = set()  # what ncnn holds as a row of numbers and not as a map of 1 x 1

    def blob_of(self, tensor: Any) -> str:
        """Return ncnn's name for what a layer gives."""
        return self._blobs[id(tensor)]

    def name(self, tensor: Any, blob: str) -> None:
        """Keep ncnn's name for what a layer gives."""
        self._blobs[id(tensor)] = blob

    def is_vector(self, blob: str) -> bool:
        """Return whether it is a row of numbers."""
        return blob in self._vectors

    def put(
        self,
        kind: str,
        inputs: Sequence[str],
        settings: Mapping[int, Setting] | None = None,
        arrays: Sequence[NDArray[Any]] = (),
        *,
        vector: bool | None = None,
    ) -> str:
        """Add a layer of ncnn; it gives a row of numbers where all its inputs are rows, unless ``vector`` says otherwise."""
        blob = self.graph.add(kind, inputs, settings, [np.asarray(array, np.float32) for array in arrays])
        if self._vectors.issuperset(inputs) if vector is None else vector:
            self._vectors.add(blob)
        return blob

    def activated(self, layer: Any, blob: str) -> str:
        """Add a layer's own activation."""
        name = getattr(layer.activation, "__name__", str(layer.activation))
        if name == "linear":
            return blob
        if name not in ACTIVATIONS:
            raise unknown(layer)
        kind, settings = ACTIVATIONS[name]
        return self.put(kind, [blob], settings)


def unknown(layer: Any) -> BackboneError:
    """Return the error for a layer that cannot be written down."""
    return BackboneError(
        f"layer {layer.name}: is a {type(layer).__name__} that the Winograd engine does not have. Give --engine keras, or auto."
    )
