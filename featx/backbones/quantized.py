"""The frozen convolutional base in int8: a quantized network in one file, and running it with OpenVINO.

A quantized network goes from uint8 pixels, preprocessing included, to the layers kept. Running one needs neither Keras nor
the backbone's weights file.
"""

import dataclasses
import functools
import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones.batched import Batches, is_out_of_memory
from featx.errors import QuantizedNetworkError
from featx.recipe import Recipe
from featx.system.cores import threads_told
from featx.system.zipped import read_members, write_members

MEMBERS = ("graph", "weights", "description")
_guard = threading.Lock()
_LARGEST_FILE = 4_000_000_000
_LARGEST_TEXT = 16_000_000  # in memory some twenty times as much, at worst
RESTORE = "Give --int8-from MODEL, one that was fitted on these features, to put it back; or --overwrite to extract again."
"""What to do about a network that is lost or damaged: models carry a copy."""


@dataclasses.dataclass(frozen=True)
class QuantizedNetwork:
    """A network of int8 arithmetic, as OpenVINO reads it.

    Parameters
    ----------
    graph : bytes
        OpenVINO's XML.
    weights : bytes
        What the graph's constants are.
    description : bytes
        JSON: ``parameters`` and ``layers`` of the network that was quantized, ``images`` it was calibrated on and how
        their ``ranges`` were found, ``versions``.
    """

    graph: bytes
    weights: bytes
    description: bytes

    @property
    def identity(self) -> str:
        """``sha256:…`` of all of it, as the recipe has it."""
        digest = hashlib.sha256()
        for name in MEMBERS:
            digest.update(hashlib.sha256(getattr(self, name)).digest())
        return f"sha256:{digest.hexdigest()}"

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` and ``layers`` of the network that was quantized."""
        described = json.loads(self.description)
        return {name: described[name] for name in ("parameters", "layers")}

    def arrays(self) -> dict[str, NDArray[np.uint8]]:
        """Return the parts as arrays of bytes, by name."""
        return {name: np.frombuffer(getattr(self, name), np.uint8) for name in MEMBERS}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "QuantizedNetwork":
        """Rebuild it from ``arrays``'s result.

        Raises
        ------
        QuantizedNetworkError
            If these are no such arrays.
        """
        if set(arrays) != set(MEMBERS) or any(array.dtype != np.uint8 or array.ndim != 1 for array in arrays.values()):
            raise QuantizedNetworkError(f"quantized network: must be the bytes of {MEMBERS}. Received: {sorted(arrays)}.")
        network = cls(**{name: array.tobytes() for name, array in arrays.items()})
        _check(network)
        return network

    def write(self, path: Path) -> None:
        """Write it as one file, a zip of stored members; atomically."""
        write_members(path, {name: getattr(self, name) for name in MEMBERS})

    @classmethod
    def read(cls, path: Path) -> "QuantizedNetwork":
        """Read ``write``'s file.

        Raises
        ------
        QuantizedNetworkError
            If the file is missing, damaged, or none of these.
        """
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ValueError("it is far larger than featx writes")
            members = read_members(path, len(MEMBERS))
            if set(members) != set(MEMBERS):
                raise ValueError("it has other members")
            network = cls(**members)
            _check(network)
        except QuantizedNetworkError as error:
            raise QuantizedNetworkError(f"{path}: {error}") from error
        except (OSError, ValueError) as error:
            raise QuantizedNetworkError(f"{path}: cannot be read as a quantized network: {error}. {RESTORE}") from error
        return network


def _check(network: QuantizedNetwork) -> None:
    """Refuse what featx never writes, before OpenVINO parses it.

    Raises
    ------
    QuantizedNetworkError
        If the graph has operations that are not OpenVINO's own, or constants from outside.
    """
    try:
        if max(len(network.graph), len(network.description)) > _LARGEST_TEXT:
            raise ValueError("it is far larger than featx writes")
        described = json.loads(network.description)
        sound = (
            isinstance(described, dict) and isinstance(described["parameters"], int) and isinstance(described["layers"], list)
        )
        text = network.graph.decode("utf-8")
    except (ValueError, KeyError, RecursionError) as error:
        raise QuantizedNetworkError(f"quantized network: has no readable description: {error}. {RESTORE}") from error
    kinds = re.findall(r"<layer\b[^<>]*?\bversion=\"([^\"]*)\"", text)
    sound = sound and "<!" not in text and bool(kinds) and text.count("<layer ") == len(kinds)
    sound = sound and all(re.fullmatch(r"opset\d+", kind) for kind in kinds)
    ends = [
        int(offset) + int(size)
        for offset, size in zip(re.findall(r"\boffset=\"(\d+)\"", text), re.findall(r"\bsize=\"(\d+)\"", text), strict=False)
    ]
    if not sound or max(ends, default=0) > len(network.weights):
        raise QuantizedNetworkError(f"quantized network: holds a graph that featx never writes. {RESTORE}")


class QuantizedBackbone:
    """A quantized network, ready to run on the processor.

    Parameters
    ----------
    recipe : Recipe
        Says layers and image size, and which network it is.
    network : QuantizedNetwork
        That network.
    batch_size : int
        Images in every forward pass; fewer are padded.

    Raises
    ------
    QuantizedNetworkError
        If it is another network than the recipe's, or OpenVINO cannot run it.
    """

    engine = "openvino"

    def __init__(self, recipe: Recipe, network: QuantizedNetwork, batch_size: int) -> None:
        import openvino  # here, not above: only int8 needs it

        if network.identity != recipe.quantized:
            raise QuantizedNetworkError(
                f"quantized network: is {network.identity}, but {recipe.quantized} was wanted. {RESTORE}"
            )
        self._recipe = recipe
        self._network = network.network
        self._core = openvino_core()
        try:
            self._model = self._core.read_model(network.graph, openvino.Tensor(np.frombuffer(network.weights, np.uint8)))
        except RuntimeError as error:
            raise QuantizedNetworkError(
                f"quantized network: OpenVINO cannot read it: {openvino_reason(error)}. {RESTORE}"
            ) from error
        if len(self._model.outputs) != len(recipe.layers) or len(self._model.inputs) != 1:
            raise QuantizedNetworkError(
                f"quantized network: has other inputs and outputs than layers {recipe.layers}. {RESTORE}"
            )
        self._batches = Batches(self._forward_named, recipe, batch_size)
        self._compiled: Any = None
        self._compiled_for = 0

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each) of what was quantized."""
        return self._network

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
        if self._compiled_for != len(images):
            self._compiled = None  # what a larger batch took is given back first
            self._model.reshape([len(images), *images.shape[1:]])
            # Whatever is not int8 is to be float32: on some processors OpenVINO would take bfloat16 by itself.
            hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            # What limits everybody else's threads limits OpenVINO's too: it does not look for itself.
            if threads := threads_told():
                hints["INFERENCE_NUM_THREADS"] = threads
            self._compiled = self._core.compile_model(self._model, "CPU", hints)
            self._compiled_for = len(images)
        found = self._compiled([images], share_inputs=True)
        return {layer: found[place] for place, layer in enumerate(self._recipe.layers)}

    def _forward_named(self, images: NDArray[np.uint8]) -> dict[str, Any]:
        """Run it; what OpenVINO makes of a graph that it could read and cannot run becomes one error."""
        try:
            maps = self._forward(images)
        except (RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            raise QuantizedNetworkError(
                f"quantized network: OpenVINO cannot run it: {openvino_reason(error)}. {RESTORE}"
            ) from error
        for layer, values in maps.items():
            if values.ndim != 4 or len(values) != len(images) or values.dtype != np.float32:
                found = f"{values.dtype} of shape {values.shape}"
                raise QuantizedNetworkError(f"quantized network: layer {layer} gives no maps, but {found}. {RESTORE}")
        return maps


@functools.cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def openvino_core() -> Any:
    """Return the one OpenVINO of this process.

    It gives the thread that compiles first a stack for signals, and takes it back where the last of it is freed: in another
    thread, the next Ctrl-C would find no stack and end the process with SIGSEGV. So it is never freed.
    """
    with _guard:
        return _core()


def openvino_reason(error: Exception) -> str:
    """Return the line of an error that says what is wrong: OpenVINO names places in its own source first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = (line for line in lines if not re.match(r"Exception from |Check '.*' failed at ", line))
    return next(said, type(error).__name__).rstrip(".")
