"""A backbone from an ONNX file, ready to run."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones.batched import Batches
from featx.backbones.imported.onnx_described import OnnxNetwork
from featx.backbones.imported.onnx_runtime import Outputs, installed_runtimes, run_once, start
from featx.errors import BackboneError, DeviceError
from featx.recipe import Recipe


class OnnxBackbone:
    """A network from an ONNX file, ready to run on the processor.

    Parameters
    ----------
    recipe : Recipe
        Says layers, image size and pixel scaling.
    path : Path
        The file, already compared with the recipe's digest.
    batch_size : int
        Images in every forward pass; fewer are padded. A graph that takes another number of images alone gets so many.
    device : str or None
        The processor alone.
    runtimes : list of str or None
        Which may run it; by default those that are installed.

    Raises
    ------
    DeviceError
        If another device is asked for.
    BackboneError, WeightsError, UnknownLayer, ImageSizeError, ExtraMissing
        If the file does not hold what the recipe says, or cannot be run.
    """

    def __init__(
        self,
        recipe: Recipe,
        path: Path,
        batch_size: int,
        device: str | None = None,
        runtimes: list[str] | None = None,
    ) -> None:
        if device is not None and device.lower() not in ("cpu", "cpu:0"):
            raise DeviceError(f"--device {device}: networks from ONNX files run on the processor. Leave --device out.")
        self._recipe = recipe
        self._path = path
        network = OnnxNetwork.of_recipe(path, recipe)
        layers = network.chosen(recipe.layers)
        self._network = network.description(layers)
        self._shapes = [layer.shape for layer in layers]
        self._rows = network.spec.batch
        chosen = installed_runtimes() if runtimes is None else runtimes
        self._runtime = start(path, network.program(recipe.preprocess, layers), chosen)
        self._batches = Batches(self._forward, recipe, batch_size)

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each), as far as the layers kept."""
        return self._network

    @property
    def engine(self) -> str:
        """What runs it: ``onnxruntime`` or ``openvino``."""
        return self._runtime.name

    @property
    def device(self) -> str:
        """What it runs on."""
        return "cpu"

    def take(self, batch_size: int) -> None:
        """Run on so many images a forward pass from here on."""
        self._batches.take(batch_size)

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run it over one batch; parameters, returns and errors as for ``KerasBackbone``."""
        return self._batches.run(images)

    def _forward(self, images: NDArray[np.uint8]) -> dict[str, Any]:
        size = self._rows or len(images)
        parts = [self._run(images[first : first + size], size) for first in range(0, len(images), size)]
        return {layer: np.concatenate([part[place] for part in parts]) for place, layer in enumerate(self._recipe.layers)}

    def _run(self, images: NDArray[np.uint8], size: int) -> Outputs:
        count = len(images)
        if count < size:
            images = np.concatenate([images, np.zeros((size - count, *images.shape[1:]), np.uint8)])
        outputs = run_once(self._path, self._runtime, images)
        for layer, shape, values in zip(self._recipe.layers, self._shapes, outputs, strict=True):
            if values.shape != (size, *shape):
                raise BackboneError(
                    f"{self._path}: {layer} is of shape {values.shape} for {size} images, and {(size, *shape)} is wanted: the "
                    "graph was made for another number of images. Export it with a dynamic batch, or for one image."
                )
        return [values[:count] for values in outputs]
