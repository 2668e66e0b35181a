"""The stub backbone: the mean colour of each 32 x 32 px cell, in plain NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageSizeError, UnknownLayer
from featx.recipe import Recipe

CELL = 32
"""Side of a cell, the same reduction as VGG16's five poolings [px]."""


class StubBackbone:
    """Stands in for a network wherever what matters is the pipeline around it."""

    engine = "numpy"

    def __init__(self, recipe: Recipe) -> None:
        if recipe.layers != ("cells",):
            raise UnknownLayer(f"stub: has no layers {', '.join(recipe.layers)}. It has one: cells.")
        self._image_size = recipe.image_size

    @property
    def network(self) -> dict[str, Any]:
        """One layer without parameters."""
        height, width = self._image_size
        shape = [height // CELL, width // CELL, 3]
        return {"parameters": 0, "layers": [{"name": "cells", "type": "Mean", "output_shape": shape, "parameters": 0}]}

    @property
    def device(self) -> str:
        """NumPy's."""
        return "cpu"

    def take(self, batch_size: int) -> None:
        """Any number of images is one pass."""

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Average each cell.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width, 3), uint8
            RGB pixels.

        Returns
        -------
        maps : dict
            ``cells``: (n_images, height // 32, width // 32, 3), float32, in [0, 255].
        """
        if images.shape[1:] != (*self._image_size, 3):
            raise ImageSizeError(f"stub: wants images of shape {(*self._image_size, 3)}. Received: {images.shape[1:]}.")
        rows, columns = (side // CELL for side in self._image_size)
        whole = images[:, : rows * CELL, : columns * CELL].astype(np.float32)
        return {"cells": whole.reshape(len(images), rows, CELL, columns, CELL, 3).mean(axis=(2, 4))}
