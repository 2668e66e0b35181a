"""The frozen convolutional base, through Keras 3."""

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from featx.backbones.batched import Batches
from featx.backbones.device import choose_device, on_device
from featx.backbones.fill import build_empty, draw_weights, fill_network
from featx.backbones.forward import forward_of
from featx.backbones.graph import Program
from featx.backbones.imported.keras_described import build_imported
from featx.backbones.imported.keras_file import names_kept
from featx.backbones.pixels import preprocess
from featx.backbones.plain import describe_layers
from featx.backbones.preprocess import preprocesses_itself, with_preprocessing
from featx.backbones.table import BackboneSpec, backbone_spec, unknown_layer
from featx.backbones.translate import translate
from featx.errors import ImageSizeError, UnknownLayer, WeightsError
from featx.recipe import Recipe
from featx.system.keras_settings import plain_keras


class KerasBackbone:
    """A network of Keras' layers, cut at the recipe's layers.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, layers, image size and preprocessing.
    weights : Path or None
        The weights file, already checked against the recipe's digest; None draws random weights from the recipe's seed.
    batch_size : int
        Images in every forward pass; fewer are padded.
    device : str or None
        Where it computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default where Keras does by itself.

    Raises
    ------
    WeightsError
        If the file does not fit the architecture.
    UnknownLayer
        If the network has no such layer.
    DeviceError
        If there is no such device.
    """

    engine = "keras"

    def __init__(self, recipe: Recipe, weights: Path | None, batch_size: int, device: str | None = None) -> None:
        self._recipe = recipe
        self._device = choose_device(device)
        self._batches = Batches(self._forward, recipe, batch_size)
        with on_device(self._device), plain_keras(recipe.precision):
            base = build_network(recipe, weights)
            base.trainable = False
            layers = layers_by_name(base)
            self._kept = {name: layers[name] for name in recipe.layers}
            self._operations = list(base.operations)
            self._model = keras.Model(base.input, {name: layer.output for name, layer in self._kept.items()})
            self._network = describe(self._model, layers)
            self._takes_bytes = preprocesses_itself(recipe.preprocess, recipe.precision)
            if self._takes_bytes:
                self._model = with_preprocessing(self._model, recipe.image_size, recipe.preprocess)
        self._run = forward_of(self._model, recipe.precision)

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each), as far as the last layer kept."""
        return self._network

    @property
    def device(self) -> str:
        """What it runs on, such as ``cpu:0``."""
        return self._device

    def take(self, batch_size: int) -> None:
        """Run on so many images a forward pass from here on."""
        self._batches.take(batch_size)

    def program(self) -> Program:
        """Return the network, preprocessing left out, as the Winograd engine runs it.

        Raises
        ------
        BackboneError
            If it has a layer that this engine does not have.
        """
        return translate(self._operations, self._kept)

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run the frozen base over one batch.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width, 3), uint8
            RGB pixels in [0, 255]. Left unchanged.

        Returns
        -------
        maps : dict of layer name to ndarray of shape (n_images, h, w, n_channels), float32
            ``block5_pool`` at 224 x 224 px: (n_images, 7, 7, 512), 98 KiB an image. What a dense layer gives, such as
            ``fc2``, is a map of 1 x 1.

        Raises
        ------
        ImageSizeError
            If height and width differ from the recipe's image size.
        MemoryExhausted
            If there is no room for a single image.

        References
        ----------
        Simonyan & Zisserman (2015), arXiv:1409.1556, table 1, column D.
        """
        return self._batches.run(images)

    def _forward(self, images: NDArray[np.uint8]) -> dict[str, Any]:
        batch = images if self._takes_bytes else preprocess(images.astype(np.float32), self._recipe.preprocess)
        with on_device(self._device), plain_keras(self._recipe.precision):
            outputs: dict[str, Any] = self._run(batch)
        return outputs


def build_network(recipe: Recipe, weights: Path | None) -> Any:
    """Build the whole network that a recipe's layers are in: without its top, or with it where a layer is in the top.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, weights, layers and image size.
    weights : Path or None
        The weights file; None draws random weights from the recipe's seed.

    Returns
    -------
    network : keras.Model
        From float32 pixels, already preprocessed, to its last layer.

    Raises
    ------
    WeightsError, UnknownLayer, ImageSizeError
        As for ``KerasBackbone``.
    """
    spec = backbone_spec(recipe.backbone)
    if spec.from_file and weights is not None:
        base = build_imported(weights, recipe.image_size, recipe.layers)
        _check_layers(base, spec, recipe.layers)
        return base
    base = _build(spec, recipe, weights, with_top=spec.needs_top(recipe.layers))
    _check_layers(base, spec, recipe.layers)
    return base


def layers_by_name(network: Any) -> dict[str, Any]:
    """Return a network's layers by name, in order.

    Layers that Keras' builders leave unnamed are numbered through the whole process, so that a second network of the same
    kind has other names. Here they are numbered within the network: the names they have in a fresh process. If the last
    layer is unnamed, it is called ``last``: in some networks its number depends on the image size.
    """
    kept = names_kept(network)
    if kept is not None:  # its names are those of the file
        return kept
    unnamed: dict[str, list[tuple[int, Any]]] = {}
    for layer in network.layers:
        parts = re.fullmatch(r"(.+?)(?:_(\d+))?", layer.name)
        # An unnamed layer is called by its class: Conv2D is conv2d_7, ReLU is re_lu_7.
        if parts and parts[1].replace("_", "") == type(layer).__name__.lower():
            unnamed.setdefault(parts[1], []).append((int(parts[2] or 0), layer))
    names = {
        id(layer): f"{kind}_{place}" if place else kind
        for kind, numbered in unnamed.items()
        for place, (_, layer) in enumerate(sorted(numbered, key=lambda one: one[0]))
    }
    if id(network.layers[-1]) in names:
        names[id(network.layers[-1])] = "last"
    return {names.get(id(layer), layer.name): layer for layer in network.layers}


def describe(network: Any, layers: dict[str, Any]) -> dict[str, Any]:
    """Return ``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each) of a part of a backbone.

    Parameters
    ----------
    network : keras.Model
        The part.
    layers : dict of str to keras.Layer
        Those of the whole, by name.
    """
    within = {id(layer) for layer in network.layers}
    rows = describe_layers({name: layer for name, layer in layers.items() if id(layer) in within})
    return {"parameters": network.count_params(), "layers": rows}


def download_weights(spec: BackboneSpec, with_top: bool, path: Path) -> None:
    """Let Keras fetch ImageNet weights into its own folder, where they are to be ``path``.

    Raises
    ------
    WeightsError
        If it cannot.
    """
    builder = getattr(keras.applications, spec.builder)
    try:
        # Keras says on stdout what it downloads, and how far it is; there a command writes its result.
        with contextlib.redirect_stdout(sys.stderr):
            builder(include_top=with_top, weights="imagenet", input_shape=(*spec.image_size, 3))
    except Exception as error:  # Keras raises plain Exception where the network is not there
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise WeightsError(
            f"{spec.name}: its ImageNet weights, {path.name}, are not at hand and Keras could not download them: "
            f"{said}. Put that file into {path.parent}, where Keras looks for it, or give it "
            "with --weights FILE."
        ) from error


def _build(spec: BackboneSpec, recipe: Recipe, weights: Path | None, *, with_top: bool) -> Any:
    if with_top and recipe.image_size != spec.image_size and not spec.top_is_pooled:
        height, width = spec.image_size
        raise ImageSizeError(
            f"{spec.name}: layers of its top, such as {spec.top_layers[-2]}, take images of {height}x{width} px alone. "
            f"Received: {recipe.image_size[0]}x{recipe.image_size[1]}. Leave --image-size out."
        )
    base = build_empty(spec, recipe.image_size, with_top=with_top)
    if weights is None:
        draw_weights(base, seed=int(recipe.weights.removeprefix("random:")), depthwise=not spec.of_keras)
        return base
    fill_network(base, spec, weights, with_top=with_top)
    return base


def _check_layers(base: Any, spec: BackboneSpec, layers: tuple[str, ...]) -> None:
    names = layers_by_name(base)
    for layer in layers:
        if layer not in names or names[layer] is base.layers[0]:  # the input layer gives the pixels, not features
            raise unknown_layer(spec.name, layer, [*names][1:], spec.top_layers)
        shape = names[layer].output.shape
        if len(shape) not in (2, 4):
            raise UnknownLayer(f"{spec.name}: layer {layer!r} gives no map, but an array of shape {tuple(shape[1:])} an image.")
