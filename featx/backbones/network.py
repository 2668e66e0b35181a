"""The frozen convolutional base, through Keras 3."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageSizeError, UnknownLayer, WeightsError
from featx.recipe import Recipe

_BUILDERS = {"vgg16": keras.applications.VGG16}


class KerasBackbone:
    """A network of ``keras.applications`` without its top, cut at the recipe's layers.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, layers, image size and preprocessing.
    weights : Path or None
        The weights file, already checked against the recipe's digest; None draws random weights from the recipe's seed.
    batch_size : int
        Images in every forward pass; fewer are padded.

    Raises
    ------
    WeightsError
        If the file does not fit the architecture.
    UnknownLayer
        If the network has no such layer.
    """

    def __init__(self, recipe: Recipe, weights: Path | None, batch_size: int) -> None:
        self._recipe = recipe
        self._batch_size = batch_size
        self._shape = (*recipe.image_size, 3)
        base = _build(recipe, weights)
        base.trainable = False
        names = [layer.name for layer in base.layers]
        for layer in recipe.layers:
            if layer not in names:
                raise UnknownLayer(f"{recipe.backbone}: has no layer {layer!r}. It has: {', '.join(names[1:])}.")
        self._network = _describe(base)
        self._model = keras.Model(base.input, {layer: base.get_layer(layer).output for layer in recipe.layers})

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each)."""
        return self._network

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run the frozen base over one batch.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width, 3), uint8
            RGB pixels in [0, 255]. Left unchanged.

        Returns
        -------
        maps : dict of layer name to ndarray of shape (n_images, h, w, n_channels), float32
            ``block5_pool`` at 224 x 224 px: (n_images, 7, 7, 512), 98 KiB an image.

        Raises
        ------
        ImageSizeError
            If height and width differ from the recipe's image size.

        References
        ----------
        Simonyan & Zisserman (2015), arXiv:1409.1556, table 1, column D.
        """
        if images.shape[1:] != self._shape:
            raise ImageSizeError(f"{self._recipe.backbone}: wants images of shape {self._shape}. Received: {images.shape[1:]}.")
        # No images give maps of no rows, not an error.
        parts = [self._forward(images[i : i + self._batch_size]) for i in range(0, max(1, len(images)), self._batch_size)]
        return {layer: np.concatenate([part[layer] for part in parts]) for layer in self._recipe.layers}

    def _forward(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        # One fixed batch shape: the network is compiled once, and an image's feature cannot depend on how many others
        # happened to be left for the last batch.
        padded = np.zeros((self._batch_size, *self._shape), np.float32)
        padded[: len(images)] = images
        outputs = self._model.predict_on_batch(_preprocess(padded, self._recipe.preprocess))
        return {layer: np.asarray(output)[: len(images)] for layer, output in outputs.items()}


def _build(recipe: Recipe, weights: Path | None) -> Any:
    shape = (*recipe.image_size, 3)
    try:
        with warnings.catch_warnings():
            # Of a foreign file Keras first warns, a line for every layer it skips; one error says it better.
            warnings.simplefilter("ignore", UserWarning)
            base = _BUILDERS[recipe.backbone](include_top=False, weights=str(weights) if weights else None, input_shape=shape)
    # Keras answers a file that is no weights file, or another network's, with whatever it stumbles over first.
    except (ValueError, OSError, KeyError, IndexError) as error:
        said = str(error).strip().splitlines()
        raise WeightsError(
            f"{weights}: does not hold weights of {recipe.backbone} without its top: {said[0] if said else error!r}. "
            "Give --weights imagenet, or a file saved from that network."
        ) from error
    if weights is None:
        _draw_weights(base, seed=int(recipe.weights.removeprefix("random:")))
    return base


def _draw_weights(base: Any, seed: int) -> None:
    """Fill a network with He-normal weights from NumPy, so that every Keras backend gets the same ones."""
    rng = np.random.default_rng(seed)
    for variable in base.weights:
        fan_in = int(np.prod(variable.shape[:-1])) or 1
        scale = np.sqrt(2.0 / fan_in) if len(variable.shape) > 1 else 0.0
        variable.assign(rng.normal(0.0, scale, variable.shape).astype(np.float32))


def _preprocess(pixels: NDArray[np.float32], mode: str) -> NDArray[np.float32]:
    """Scale pixels as the network was trained; ``pixels`` is ours alone, Keras may change it in place."""
    if mode == "none":
        return pixels
    if mode == "rescale":
        return pixels / np.float32(255)
    scaled: NDArray[np.float32] = keras.applications.imagenet_utils.preprocess_input(
        pixels, data_format="channels_last", mode=mode
    )
    return scaled


def _describe(base: Any) -> dict[str, Any]:
    layers = [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
        }
        for layer in base.layers
    ]
    return {"parameters": base.count_params(), "layers": layers}
