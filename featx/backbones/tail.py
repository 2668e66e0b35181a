"""The part of a network behind a cut: run on cached maps, and trained together with a head."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from featx.backbones.batched import Halving, as_maps
from featx.backbones.cuts import choose_cut
from featx.backbones.device import choose_device, on_device
from featx.backbones.forward import Forward, forward_of
from featx.backbones.network import build_network, describe, layers_by_name
from featx.errors import BackboneError
from featx.recipe import Recipe
from featx.system.keras_settings import plain_keras


class Tail:
    """The layers from ``start`` to ``end``, fed with maps of the layer before.

    Parameters
    ----------
    recipe : Recipe
        Of the frozen backbone.
    weights : Path or None
        Its weights file, already checked; None for random weights.
    start : str or None
        The first layer that is no longer frozen; by default the last cut with two fifths of the parameters behind it.
    end : str
        The layer whose output is wanted.
    arrays : dict of str to ndarray
        Weights of these layers in place of the backbone's own, as ``arrays`` gives them.
    batch_size : int
        Maps in every forward pass; fewer are padded. Where memory runs out, half as many from there on.
    device : str or None
        Where it computes, as for ``KerasBackbone``.

    Raises
    ------
    UnknownLayer, BackboneError
        If the network cannot be cut there, or the arrays are not those of the tail.
    WeightsError, ImageSizeError
        If the backbone cannot be built.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights: Path | None,
        start: str | None,
        end: str,
        arrays: dict[str, NDArray[Any]] | None = None,
        batch_size: int = 32,
        device: str | None = None,
    ) -> None:
        self._device = choose_device(device)
        with on_device(self._device), plain_keras():
            base = build_network(recipe, weights)
        self.start, self.before = choose_cut(base, recipe.backbone, start, end)
        self.end = end
        self._batches = Halving(recipe, batch_size)
        self._forwards: dict[Any, Forward] = {}
        layers = layers_by_name(base)
        self._network = keras.Model(layers[self.before].output, layers[end].output)
        # By the layers of the backbone: cutting it makes an input layer of its own.
        within = {id(layer) for layer in self._network.layers}
        self._layers = {name: layer for name, layer in layers.items() if id(layer) in within}
        self.network = describe(keras.Model(base.input, layers[end].output), layers)
        if arrays is not None:
            assign_arrays(self._layers, arrays)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one map of the layer before: (h, w, n_channels)."""
        shape = tuple(self._network.input_shape[1:])
        return shape if len(shape) == 3 else (1, 1, *shape)

    def on_device(self) -> Any:
        """Return a context in which networks are built, run and trained where this tail computes."""
        return on_device(self._device)

    def take(self, batch_size: int) -> None:
        """Run on so many maps a forward pass from here on."""
        self._batches.size = batch_size

    def __call__(self, maps: NDArray[np.floating]) -> NDArray[np.float32]:
        """Run the tail.

        Parameters
        ----------
        maps : ndarray of shape (n_images, h, w, n_channels)
            Of the layer before.

        Returns
        -------
        maps : ndarray of shape (n_images, h, w, n_channels), float32
            Of the layer ``end``.
        """
        with on_device(self._device), plain_keras():
            return as_maps(self._run(self._network, maps))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return copies of the weights, as ``layer/name``."""
        return {
            f"{name}/{variable.name}": np.array(variable.numpy())
            for name, layer in self._layers.items()
            for variable in layer.weights
        }

    @property
    def n_parameters(self) -> int:
        """Number of values in the tail."""
        return int(self._network.count_params())

    @plain_keras()
    def with_head(
        self,
        kernels: Sequence[NDArray[np.float32]],
        biases: Sequence[NDArray[np.float32]],
        *,
        scale: float,
        pooling: str,
        dropout: float,
        seed: int,
        dtype: np.dtype[Any],
    ) -> Any:
        """Put a dense head on top; the whole is trainable, and shares its weights with this tail.

        Batch normalisation stays in inference mode: the statistics of the network's own training images are kept.

        Parameters
        ----------
        kernels, biases : sequence of ndarray
            Of the dense layers, all but the last with ReLU; the last gives logits.
        scale : float
            Pooled features are multiplied by it before the first kernel.
        pooling : str
            ``flatten``, ``avg``, ``max`` or ``avgmax``.
        dropout : float
            Share of inputs dropped before each dense layer while training.
        seed : int
            Of dropout.
        dtype : numpy dtype
            Of the maps.

        Returns
        -------
        network : keras.Model
            From maps of the layer before to logits.
        """
        self._network.trainable = True
        options = {"dtype": "float32"}
        inputs = keras.Input(self._network.input_shape[1:], dtype="float16" if dtype == np.float16 else "float32")
        values = _InferenceMode(self._network)(keras.ops.cast(inputs, "float32"))
        values = keras.layers.Rescaling(scale, **options)(pool_layers(values, pooling))
        for place, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            if dropout:
                values = keras.layers.Dropout(dropout, seed=seed + place, **options)(values)
            activation = None if place == len(kernels) - 1 else "relu"
            dense = keras.layers.Dense(kernel.shape[1], activation=activation, name=f"head_{place}", **options)
            values = dense(values)
            dense.set_weights([kernel, bias])
        return keras.Model(inputs, values)

    def shares(self, network: Any, deepest: float) -> list[float]:
        """Return what each trainable variable of ``with_head``'s network is to learn at, as a share of the head's rate.

        It falls from the last layer, which learns at the head's rate, to the first, which learns at ``deepest`` of it, by the
        same factor from each layer with weights to the one below.
        """
        weighted = [layer for layer in self._network.layers if layer.trainable_variables]
        behind = {
            id(variable): len(weighted) - 1 - place
            for place, layer in enumerate(weighted)
            for variable in layer.trainable_variables
        }
        steps = max(1, len(weighted) - 1)
        return [deepest ** (behind.get(id(variable), 0) / steps) for variable in network.trainable_variables]

    @plain_keras()
    def logits(self, network: Any, maps: NDArray[np.floating]) -> NDArray[np.float32]:
        """Run what ``with_head`` gave on maps (n_images, h, w, n_channels): logits (n_images, n_classes)."""
        return self._run(network, maps)

    def _run(self, network: Any, maps: NDArray[np.floating]) -> NDArray[np.float32]:
        """Run a network that takes maps of the layer before; where memory runs out, on half as many from there on."""
        shape = self._network.input_shape[1:]
        if network not in self._forwards:  # compiled once, however often its weights change
            self._forwards[network] = forward_of(network)
        run = self._forwards[network]

        def forward(batch: NDArray[np.floating]) -> NDArray[np.float32]:
            return np.asarray(run(batch.reshape(len(batch), *shape).astype(np.float32)))

        return np.concatenate([part[:n] for part, n in self._batches.run(forward, maps)])

    def head_arrays(self, network: Any) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Return copies of kernels and biases of the head in what ``with_head`` gave."""
        dense = [layer for layer in network.layers if layer.name.startswith("head_")]
        arrays = [[np.array(variable.numpy()) for variable in layer.weights] for layer in dense]
        return [kernel for kernel, _ in arrays], [bias for _, bias in arrays]


class _InferenceMode(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
    """A network that runs as it does for predictions, also while it is trained.

    ``network(inputs, training=False)`` inside a functional model does not do that: while training, Keras replaces the False.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    @property
    def layers(self) -> list[Any]:
        """The network's."""
        return list(self.network.layers)

    def call(self, inputs: Any) -> Any:
        """Run the network."""
        return self.network(inputs, training=False)


def assign_arrays(layers: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace weights of a network's layers.

    Parameters
    ----------
    layers : dict of str to keras.Layer
        By name, from ``layers_by_name``.
    arrays : dict of str to ndarray
        As ``layer/name``.

    Raises
    ------
    BackboneError
        If there is no such weight, it has another shape, or holds what is no number.
    """
    variables = {f"{name}/{variable.name}": variable for name, layer in layers.items() for variable in layer.weights}
    for name, array in arrays.items():
        if name not in variables or tuple(variables[name].shape) != array.shape:
            found = tuple(variables[name].shape) if name in variables else "no such weight"
            raise BackboneError(
                f"weight {name!r} of shape {array.shape} does not fit the backbone: it has {found}. Fine-tune again."
            )
        if not np.isfinite(array).all():
            raise BackboneError(f"weight {name!r} holds values that are infinite or no numbers. Fine-tune again.")
        variables[name].assign(array)


def pool_layers(maps: Any, pooling: str) -> Any:
    """Pool a network's maps into features by layers of Keras, as ``store.pool_maps`` does it for arrays, unrounded.

    Parameters
    ----------
    maps : KerasTensor of shape (n, h, w, c), or (n, c) of a dense layer
        What a layer gives.
    pooling : str
        ``flatten``, ``avg``, ``max`` or ``avgmax``.
    """
    options = {"data_format": "channels_last", "dtype": "float32"}
    if len(maps.shape) == 2:  # one place: its average, and its maximum, is itself
        return keras.layers.Concatenate(dtype="float32")([maps, maps]) if pooling == "avgmax" else maps
    if pooling == "flatten":
        return keras.layers.Flatten(**options)(maps)
    parts = []
    if pooling in ("avg", "avgmax"):
        parts.append(keras.layers.GlobalAveragePooling2D(**options)(maps))
    if pooling in ("max", "avgmax"):
        parts.append(keras.layers.GlobalMaxPooling2D(**options)(maps))
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(dtype="float32")(parts)
