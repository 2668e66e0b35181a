"""A forward pass over any number of images or maps, in batches of one fixed size that fits the memory."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from featx.errors import BackboneError, ImageSizeError, MemoryExhausted
from featx.recipe import Recipe
from featx.system.finite import first_not_finite
from featx.system.quiet import check_not_forked

Forward = Callable[[NDArray[np.uint8]], Mapping[str, Any]]
"""From images (batch size, height, width, 3), uint8, to each layer's output of all of them."""

Part = TypeVar("Part")

# Each backend has an exception of its own; two of them say it in the text alone.
_NAMES = ("ResourceExhaustedError", "OutOfMemoryError")
_TEXTS = ("resource_exhausted", "out of memory", "bad_alloc", "failed to allocate", "can't allocate")
_NO_THREAD = "can't start new thread"
"""Python's own words, where there is no room for a thread's stack."""


class Halving:
    """Runs something on batches of one size, and on half as many rows from there on where memory runs out.

    A network is compiled once for one shape, and a row's result cannot depend on how many others happened to be left for the
    last batch: that one is padded.

    Parameters
    ----------
    recipe : Recipe
        Of the backbone; for the error.
    size : int
        Rows in a batch.
    pads : bool
        Whether a batch of fewer is filled up: not where rows are computed one by one.

    Attributes
    ----------
    size : int
        Rows in a batch now.
    """

    def __init__(self, recipe: Recipe, size: int, *, pads: bool = True) -> None:
        self._recipe = recipe
        self._pads = pads
        self.size = size

    def run(self, forward: Callable[[NDArray[Any]], Part], rows: NDArray[Any]) -> list[tuple[Part, int]]:
        """Run it on all rows.

        Parameters
        ----------
        forward : callable
            Runs one batch.
        rows : ndarray of shape (n, …)
            What it runs on; where there are none, it is run once all the same, so that its result's shape is known.

        Returns
        -------
        parts : list of (result, int)
            Of each batch, with the number of rows in it that are none of the padding.

        Raises
        ------
        MemoryExhausted
            If there is no room for a single row.
        BackboneError
            In a process that was forked from one that had loaded a network.
        """
        check_not_forked()
        parts: list[tuple[Part, int]] = []
        done = 0
        while done < len(rows) or not parts:
            part = rows[done : done + self.size]
            try:
                parts.append((forward(_padded(part, self.size) if self._pads else part), len(part)))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)
                continue
            done += len(part)
        return parts

    def _halve(self, error: Exception) -> None:
        if self.size == 1:
            height, width = self._recipe.image_size
            raise MemoryExhausted(
                f"{self._recipe.backbone}: memory ran out with a single image of {height}x{width} px. "
                "Give a smaller --image-size, --device cpu, or a machine with more memory."
            ) from error
        self.size //= 2


class Batches:
    """Runs a backbone on batches of one shape, and on half as many images from there on where memory runs out.

    Parameters
    ----------
    forward : callable
        Runs one batch.
    recipe : Recipe
        Says backbone, layers and image size.
    size : int
        Images in a batch.
    pads : bool
        As for ``Halving``.
    """

    def __init__(self, forward: Forward, recipe: Recipe, size: int, *, pads: bool = True) -> None:
        self._forward = forward
        self._recipe = recipe
        self._halving = Halving(recipe, size, pads=pads)

    @property
    def size(self) -> int:
        """Images in a batch now."""
        return self._halving.size

    def take(self, size: int) -> None:
        """Run on so many images a forward pass from here on; once memory runs out, on half as many again."""
        self._halving.size = size

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return the maps of each layer (n_images, h, w, n_channels).

        Raises
        ------
        ImageSizeError
            If height and width differ from the recipe's image size.
        MemoryExhausted
            If there is no room for a single image.
        """
        wanted = (*self._recipe.image_size, 3)
        if images.shape[1:] != wanted:
            raise ImageSizeError(f"{self._recipe.backbone}: wants images of shape {wanted}. Received: {images.shape[1:]}.")
        parts = self._halving.run(self._maps, images)
        maps = {layer: np.concatenate([outputs[layer][:n] for outputs, n in parts]) for layer in self._recipe.layers}
        for layer, values in maps.items():
            if first_not_finite(values) is not None:
                raise _not_finite(self._recipe, layer)
        return maps

    def _maps(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        outputs = self._forward(images)
        return {layer: as_maps(np.asarray(outputs[layer], np.float32)) for layer in self._recipe.layers}


def _padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    if len(rows) == size:
        return rows
    padded = np.zeros((size, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return padded


def as_maps(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a layer's output as maps (n_images, h, w, n_channels): that of a dense layer is one of 1 x 1."""
    return output if output.ndim == 4 else output.reshape(len(output), 1, 1, -1)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a backend says that memory ran out, each in its own way."""
    said = str(error).lower()
    return (
        isinstance(error, MemoryError) or type(error).__name__ in _NAMES or any(text in said for text in (*_TEXTS, _NO_THREAD))
    )


def _not_finite(recipe: Recipe, layer: str) -> BackboneError:
    """Return the error for values that are infinite or no numbers: no head could learn from them, or give them a class."""
    if recipe.precision == "float16":
        return BackboneError(
            f"{recipe.backbone}: {layer} overflows in float16, whose largest number is 65504. "
            "Give --precision bfloat16 or float32."
        )
    other = "" if recipe.precision == "float32" else " --precision float32 or"
    return BackboneError(
        f"{recipe.backbone}: {layer} gives values that are infinite or no numbers, with precision {recipe.precision}. "
        f"Give{other} other --weights, or another --device."
    )
