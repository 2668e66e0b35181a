"""The frozen convolutional base in float32 on a processor, by Winograd's algorithm: ncnn runs it.

A convolution of 3 x 3 takes 9 products for each number it gives. Winograd's F(4 x 4, 3 x 3) takes 36 for 16 numbers, a quarter
of them, and sums instead. Every image is computed by itself: a feature depends on its company as little as on the cores.

References
----------
Lavin & Gray (2016), arXiv:1509.09308: fast algorithms for convolutional neural networks.
"""

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import plain
from featx.backbones.batched import Batches
from featx.backbones.graph import Program
from featx.backbones.lite import build_lite0
from featx.backbones.pixels import preprocess
from featx.backbones.table import backbone_spec, unknown_layer
from featx.backbones.translate import translate
from featx.backbones.vgg import build_vgg16
from featx.errors import BackboneError, MemoryExhausted
from featx.recipe import Recipe
from featx.system.cores import available_cores
from featx.system.memory import memory_at_hand
from featx.system.quiet import quiet_loading

BUILDERS = {"vgg16": build_vgg16, "efficientnet-lite0": build_lite0}
"""Networks that are written down without Keras: those whose weights are bundled, and so in a known order."""

_NO_MEMORY = -100
_BYTES_A_WEIGHT = 4 + 4 + 16
"""The array, ncnn's copy, and what Winograd's algorithm makes of it: asked for before, since ncnn does not ask for it."""

_BATCH_FOR_EACH = 3
"""Images of a batch, as Keras holds it, in whose memory the engine computes one."""

_LOWER_PRECISION = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage", "int8_inference")


def is_winograd_installed() -> bool:
    """Return whether the engine's library is there."""
    return importlib.util.find_spec("ncnn") is not None


class WinogradBackbone:
    """A network that ncnn runs on the processor.

    Parameters
    ----------
    recipe : Recipe
        Says layers, image size and preprocessing.
    program : Program
        The network, from preprocessed pixels to the recipe's layers.
    network : dict
        What ``describe`` says of it.
    batch_size : int
        Images given at a time, at most: it bounds the memory.

    Raises
    ------
    BackboneError
        If ncnn cannot load it.
    """

    engine = "winograd"

    def __init__(self, recipe: Recipe, program: Program, network: dict[str, Any], batch_size: int) -> None:
        self._recipe = recipe
        self._network = network
        self._source, self._results = program.source, program.results
        self._batches = Batches(self._forward, recipe, batch_size, pads=False)
        cores = _threads()
        self._at_a_time = min(cores, max(1, batch_size // _BATCH_FOR_EACH))
        self._net = _loaded(recipe.backbone, program, max(1, cores // self._at_a_time))

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each), as far as the last layer kept."""
        return self._network

    @property
    def device(self) -> str:
        """What it runs on."""
        return "cpu:0"

    def take(self, batch_size: int) -> None:
        """Take so many images at a time from here on."""
        self._batches.take(batch_size)

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run the frozen base over one batch; parameters, returns and errors as for ``KerasBackbone``."""
        return self._batches.run(images)

    def _forward(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        maps = {name: np.empty((len(images), *shape), np.float32) for name, (_, shape) in self._results.items()}
        at_a_time = min(self._at_a_time, len(images))
        if at_a_time <= 1:
            for place in range(len(images)):
                self._one(images, maps, place)
            return maps
        pool = ThreadPoolExecutor(at_a_time, thread_name_prefix="featx-winograd")
        try:
            for _ in pool.map(lambda place: self._one(images, maps, place), range(len(images))):
                pass
        finally:  # on Ctrl-C, or an error, the images that have not begun are left
            pool.shutdown(cancel_futures=True)
        return maps

    def _one(self, images: NDArray[np.uint8], maps: dict[str, NDArray[np.float32]], place: int) -> None:
        """Compute one image, and put what its layers give into its place."""
        import ncnn

        pixels = preprocess(images[place].astype(np.float32), self._recipe.preprocess)
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        with self._net.create_extractor() as extractor:
            # A copy, while the array has a name: ncnn writes over its input, and keeps no array alive.
            extractor.input(self._source, ncnn.Mat(pixels).clone())
            for name, (blob, shape) in self._results.items():
                code, values = extractor.extract(blob)
                if code == _NO_MEMORY:
                    raise MemoryError
                found = np.asarray(values)
                found = found.transpose(1, 2, 0) if found.ndim == 3 else found
                if code or (found.shape != shape and found.size != np.prod(shape)):
                    raise BackboneError(
                        f"{self._recipe.backbone}: the Winograd engine gives {found.shape} for layer {name}, not {shape} "
                        f"(code {code}). Give --engine keras."
                    )
                maps[name][place] = found.reshape(shape)


def load_bundled(recipe: Recipe, weights: Path, batch_size: int) -> WinogradBackbone:
    """Load a network with bundled weights, without Keras.

    Raises
    ------
    UnknownLayer
        If it has no such layer.
    BackboneError
        If ncnn cannot load it.
    """
    spec = backbone_spec(recipe.backbone)
    _, features = BUILDERS[recipe.backbone](recipe.image_size, plain)
    layers = {layer.name: layer for layer in features.layers}
    for name in recipe.layers:
        if name not in layers or isinstance(layers[name], plain.InputLayer):
            raise unknown_layer(recipe.backbone, name, [*layers][1:], spec.top_layers)
    last = max([*layers].index(name) for name in recipe.layers)
    used = dict([*layers.items()][: last + 1])
    plain.read_weights([*used.values()], weights)
    rows = plain.describe_layers(used)
    network = {"parameters": sum(row["parameters"] for row in rows), "layers": rows}
    program = translate(used.values(), {name: used[name] for name in recipe.layers})
    return WinogradBackbone(recipe, program, network, batch_size)


def is_bundled(recipe: Recipe) -> bool:
    """Return whether a recipe's network can be loaded by ``load_bundled``."""
    spec = backbone_spec(recipe.backbone)
    return (
        recipe.backbone in BUILDERS and recipe.weights == f"sha256:{spec.bundled_digest}" and not spec.needs_top(recipe.layers)
    )


def _threads() -> int:
    """Return how many threads may compute: what limits everybody else's threads limits these too."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(available_cores(), int(told)) if told.isdecimal() and int(told) else available_cores()


def _loaded(backbone: str, program: Program, threads: int) -> Any:
    """Return ncnn's network.

    ``threads`` are those of one image. ncnn arranges the weights for them as it loads, so that their number stays.
    """
    _check_memory(backbone, program)
    with quiet_loading():
        import ncnn

        net = ncnn.Net()
    net.opt.num_threads = threads
    # F(6 x 6, 3 x 3) would be no faster where ncnn chooses it and rounds a hundred times as much.
    net.opt.use_winograd63_convolution = False
    net.opt.use_vulkan_compute = False
    for name in _LOWER_PRECISION:
        if hasattr(net.opt, f"use_{name}"):
            setattr(net.opt, f"use_{name}", False)
    if net.load_param_mem(program.text) or net.load_model(_reader(ncnn, program)):
        raise BackboneError(f"{backbone}: the Winograd engine cannot load it. Give --engine keras.")
    return net


def _check_memory(backbone: str, program: Program) -> None:
    """Refuse what would not fit: ncnn ends the process where it cannot load a network.

    Raises
    ------
    MemoryExhausted
        If there is less memory than loading takes.
    """
    needed = _BYTES_A_WEIGHT * sum(part.size for part in program.weights if not isinstance(part, bytes))
    left = memory_at_hand()
    if left is not None and left < needed:
        raise MemoryExhausted(
            f"{backbone}: needs {needed / 1e6:,.0f} MB of memory to be loaded, and {max(left, 0) / 1e6:,.0f} MB are left. "
            "Take a machine with more memory, or --backbone efficientnet-lite0."
        )


def _reader(ncnn: Any, program: Program) -> Any:
    """Return what hands the weights to ncnn as it asks for them: it keeps a copy of its own, and the arrays can go."""
    import ctypes

    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    parts = (part if isinstance(part, bytes) else np.ascontiguousarray(part, np.float32).data for part in program.weights)

    class Reader(ncnn.DataReader):  # type: ignore[misc] # ncnn ships no types
        rest = memoryview(b"")

        def read(self, target: Any, size: int) -> int:
            if not self.rest:
                self.rest = memoryview(next(parts, b"")).cast("B")
            part, self.rest = bytes(self.rest[:size]), self.rest[size:]
            ctypes.memmove(address_of(target, None), part, len(part))
            return len(part)

    return Reader()
