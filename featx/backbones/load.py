"""A backbone that runs, or its last layers: built for a recipe, after image size, device and batch size have been checked."""

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from featx.backbones.engines import (
    ALWAYS_FASTER,
    check_engine,
    is_faster,
    may_be_winograd,
    may_have_accelerator,
)
from featx.backbones.quantized import QuantizedBackbone, QuantizedNetwork
from featx.backbones.table import BackboneSpec, backbone_spec
from featx.errors import BackboneError, DeviceError, ExtraMissing, ImageSizeError, QuantizedNetworkError
from featx.recipe import Recipe
from featx.system.kinds import shown
from featx.system.memory import memory_at_hand
from featx.system.quiet import quiet_loading

if TYPE_CHECKING:
    from featx.backbones.network import KerasBackbone
    from featx.backbones.tail import Tail

from featx.backbones.weights import find_weights
from featx.backbones.winograd import WinogradBackbone, is_bundled, load_bundled

_BATCH_ON_CPU, _BATCH_ON_GPU = 32, 128
_WHERE_NOT_TOLD = 4_000_000_000

_BYTES_A_PIXEL = 64 * 4 * 3
"""Of the first layers, which take the most: 64 channels of float32, for what goes in, what comes out and what is between."""


class Backbone(Protocol):
    """A frozen convolutional base, ready to run."""

    @property
    def engine(self) -> str:
        """What runs it: ``keras``, ``winograd``, ``openvino`` or ``onnxruntime``, or ``numpy`` for the stub."""
        ...

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each), for inspection."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, such as ``cpu:0``."""
        ...

    def take(self, batch_size: int) -> None:
        """Run on so many images a forward pass from here on."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Map uint8 images (n_images, height, width, 3) to each layer's output (n_images, h, w, n_channels)."""
        ...


def check_image_size(spec: BackboneSpec, image_size: tuple[int, int]) -> None:
    """Refuse an image size that the backbone would shrink to nothing.

    Raises
    ------
    ImageSizeError
        If a side is too small.
    """
    if min(image_size) < spec.smallest_side:
        height, width = image_size
        raise ImageSizeError(
            f"image size {height}x{width}: {spec.name} needs at least {spec.smallest_side} px on each side. Give --image-size "
            f"{spec.smallest_side} or more."
        )


def check_device(device: str | None, precision: str) -> None:
    """Refuse, without loading Keras, a device that cannot be one.

    Raises
    ------
    DeviceError
        If it is no name of a device, or int8 is asked for anywhere but on the processor.
    """
    if device is None:
        return
    if not re.fullmatch(r"(cpu|gpu|tpu)(:\d+)?", device.lower()):
        raise DeviceError(f"--device must be cpu, gpu or tpu, or one of several, such as gpu:1. Received: {shown(device)}.")
    if precision == "int8" and device.lower() not in ("cpu", "cpu:0"):
        raise DeviceError(f"--device {device}: int8 networks run on the processor. Leave --device out, or take bfloat16.")


def list_devices() -> tuple[str, list[str]]:
    """Load Keras, and return the name of its backend and the devices that this lists, such as ``cpu:0``; some list none.

    Raises
    ------
    BackboneError
        If Keras is set to a backend that there is not.
    """
    with quiet_loading():
        import keras

        from featx.backbones.device import every_device

        return keras.backend.backend(), every_device()


def choose_batch_size(recipe: Recipe, device: str | None = None) -> int:
    """Return how many images a forward pass takes, where nobody has said so.

    32, as a processor is not faster with more, or 128 where there may be an NVIDIA GPU; halved until a rough upper bound of
    what the network's layers take is within half of the memory at hand. What a GPU has is not asked for: there the number is
    halved once its memory runs out.

    Parameters
    ----------
    recipe : Recipe
        Says the image size.
    device : str or None
        The one asked for.
    """
    may_be_gpu = not (device or "").lower().startswith("cpu") and Path("/dev/nvidia0").exists() and recipe.precision != "int8"
    height, width = recipe.image_size
    at_hand = memory_at_hand()
    fitting = (_WHERE_NOT_TOLD if at_hand is None else at_hand) // 2 // (height * width * _BYTES_A_PIXEL)
    size = _BATCH_ON_GPU if may_be_gpu else _BATCH_ON_CPU
    while size > 1 and size > fitting:
        size //= 2
    return size


def load_backbone(
    recipe: Recipe,
    weights_file: Path | None = None,
    batch_size: int = 32,
    *,
    device: str | None = None,
    quantized: QuantizedNetwork | None = None,
    engine: str = "keras",
) -> Backbone:
    """Build the backbone of a recipe and load its weights.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, weights digest, layers and image size.
    weights_file : Path or None
        Where weights that are not bundled lie.
    batch_size : int
        Every forward pass runs on exactly this many images (the last batch is padded), so that a feature does not
        depend on the company it was computed in. Where memory runs out it is halved from there on.
    device : str or None
        ``cpu``, ``gpu``, ``gpu:1`` …; by default what Keras takes by itself.
    quantized : QuantizedNetwork or None
        For int8: the network that the recipe names.
    engine : str
        What computes it in float32: ``keras``; ``winograd``, on the processor; ``auto`` for the faster of the two.

    Returns
    -------
    backbone : Backbone
        Ready to call.

    Raises
    ------
    UnknownBackbone, UnknownLayer, WeightsError, ImageSizeError
        If the recipe cannot be built.
    QuantizedNetworkError, ExtraMissing
        For int8: if it is another network, or OpenVINO is not installed.
    DeviceError
        If there is no such device.
    BackboneError, ExtraMissing
        For the Winograd engine: if the network has layers that it does not have, or it is not installed.
    """
    spec = backbone_spec(recipe.backbone)
    check_image_size(spec, recipe.image_size)
    check_device(device, recipe.precision)
    check_engine(engine, recipe.precision, device)
    if spec.from_file and engine == "winograd":
        raise BackboneError(
            f"--engine winograd: computes the networks that featx lists, and {recipe.backbone} is one in a file. Leave it out."
        )
    if spec.is_stub:
        from featx.backbones.stub import StubBackbone

        return StubBackbone(recipe)
    if recipe.precision == "int8":
        return _load_quantized(recipe, batch_size, quantized)
    path = find_weights(recipe, weights_file)
    if spec.name == "onnx" and path:
        from featx.backbones.imported.found import load_onnx

        return cast("Backbone", load_onnx(recipe, path, batch_size, device))
    if spec.from_file or not may_be_winograd(engine, recipe.precision, device):
        return _load_keras(recipe, path, batch_size, device)
    may_differ = engine == "auto" and device is None and may_have_accelerator()
    if path is not None and is_bundled(recipe) and not may_differ:
        return load_bundled(recipe, path, batch_size)
    keras = _load_keras(recipe, path, batch_size, device if engine == "auto" else "cpu")
    if may_differ and not keras.device.startswith("cpu"):
        return keras
    return _load_winograd(recipe, keras, batch_size, engine)


def _load_keras(recipe: Recipe, weights: Path | None, batch_size: int, device: str | None) -> "KerasBackbone":
    with quiet_loading():
        from featx.backbones.network import KerasBackbone  # here, not above: this loads Keras

    return KerasBackbone(recipe, weights, batch_size, device)


def _load_winograd(recipe: Recipe, keras: "KerasBackbone", batch_size: int, engine: str) -> Backbone:
    """Return a network of Keras for the Winograd engine; or, where this is not asked for and not faster, as it is."""

    def winograd() -> WinogradBackbone:
        return WinogradBackbone(recipe, keras.program(), keras.network, batch_size)

    if engine == "winograd" or recipe.backbone in ALWAYS_FASTER:
        return winograd()
    try:
        if is_faster(recipe, keras, winograd):
            return winograd()
    except BackboneError:  # a layer that this engine does not have
        pass
    keras.take(batch_size)
    return keras


def _load_quantized(recipe: Recipe, batch_size: int, quantized: QuantizedNetwork | None) -> Backbone:
    if quantized is None:
        raise QuantizedNetworkError(f"{recipe.backbone}: its int8 network {recipe.quantized} is not at hand. Extract again.")
    if importlib.util.find_spec("openvino") is None:
        raise ExtraMissing("int8 features: need openvino, not installed. Install with: pip install 'featx[int8]'")
    return QuantizedBackbone(recipe, quantized, batch_size)


def load_tail(
    recipe: Recipe,
    weights: Path | None,
    start: str | None,
    end: str,
    arrays: dict[str, NDArray[Any]] | None = None,
    batch_size: int = 32,
    device: str | None = None,
) -> "Tail":
    """Build the part of a backbone behind a cut; parameters and errors as for ``Tail``."""
    if backbone_spec(recipe.backbone).is_stub:
        raise BackboneError(f"backbone {recipe.backbone}: has no layers to fine-tune. Extract with another --backbone.")
    if recipe.backbone == "onnx":
        raise BackboneError(
            "backbone onnx: the layers of an ONNX file are for running, not for training. Extract with the same network as "
            ".keras, or with another --backbone."
        )
    with quiet_loading():
        from featx.backbones.tail import Tail  # here, not above: this loads Keras

    return Tail(recipe, weights, start, end, arrays, batch_size, device)
