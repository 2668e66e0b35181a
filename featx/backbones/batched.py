"""A forward pass over any number of images, in batches of one fixed size that fits the memory."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import BackboneError, ImageSizeError, MemoryExhausted
from featx.recipe import Recipe

Forward = Callable[[NDArray[np.uint8]], Mapping[str, Any]]
"""From images (batch size, height, width, 3), uint8, to each layer's output of all of them."""

# Each backend has an exception of its own; two of them say it in the text alone.
_NAMES = ("ResourceExhaustedError", "OutOfMemoryError")
_TEXTS = ("resource_exhausted", "out of memory", "bad_alloc", "failed to allocate", "can't allocate")


class Batches:
    """Runs a backbone on batches of one shape, and on half as many images from there on where memory runs out.

    The network is compiled once for one shape, and an image's feature cannot depend on how many others happened to be left
    for the last batch: that one is padded.

    Parameters
    ----------
    forward : callable
        Runs one batch.
    recipe : Recipe
        Says backbone, layers and image size.
    size : int
        Images in a batch.

    Attributes
    ----------
    size : int
        Images in a batch now.
    """

    def __init__(self, forward: Forward, recipe: Recipe, size: int) -> None:
        self._forward = forward
        self._recipe = recipe
        self._shape = (*recipe.image_size, 3)
        self.size = size

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return the maps of each layer (n_images, h, w, n_channels).

        Raises
        ------
        ImageSizeError
            If height and width differ from the recipe's image size.
        MemoryExhausted
            If there is no room for a single image.
        """
        if images.shape[1:] != self._shape:
            raise ImageSizeError(f"{self._recipe.backbone}: wants images of shape {self._shape}. Received: {images.shape[1:]}.")
        parts: list[dict[str, NDArray[np.float32]]] = []
        done = 0
        while done < len(images) or not parts:  # no images give maps of no rows, not an error
            part = images[done : done + self.size]
            try:
                parts.append(self._run_padded(part))
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(error)
                continue
            done += len(part)
        return {layer: np.concatenate([part[layer] for part in parts]) for layer in self._recipe.layers}

    def _run_padded(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        padded = images
        if len(images) < self.size:
            padded = np.zeros((self.size, *self._shape), np.uint8)
            padded[: len(images)] = images
        outputs = self._forward(padded)
        maps = {layer: as_maps(np.asarray(outputs[layer], np.float32)[: len(images)]) for layer in self._recipe.layers}
        if self._recipe.precision == "float16":
            for layer, values in maps.items():
                if not np.isfinite(values).all():
                    raise BackboneError(
                        f"{self._recipe.backbone}: {layer} overflows in float16, whose largest number is 65504. "
                        "Give --precision bfloat16 or float32."
                    )
        return maps

    def _halve(self, error: Exception) -> None:
        if self.size == 1:
            height, width = self._recipe.image_size
            raise MemoryExhausted(
                f"{self._recipe.backbone}: memory ran out with a single image of {height}x{width} px. "
                "Give a smaller --image-size, --device cpu, or a machine with more memory."
            ) from error
        self.size //= 2


def as_maps(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a layer's output as maps (n_images, h, w, n_channels): that of a dense layer is one of 1 x 1."""
    return output if output.ndim == 4 else output.reshape(len(output), 1, 1, -1)


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or type(error).__name__ in _NAMES or any(text in said for text in _TEXTS)
