"""Which engine computes float32 features: Keras, or Winograd's on a processor. A feature is the same from both.

In float32 they differ by the rounding of some sums, 2e-6 of a layer's length; a cache rounds maps to float16, which is 2e-4. So
an engine is no part of a recipe, and a cache begun with one is continued with the other.
"""

import importlib.metadata
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from featx.backbones.table import backbone_spec
from featx.errors import BackboneError, DeviceError, ExtraMissing
from featx.recipe import Recipe
from featx.system.cores import available_cores
from featx.system.kept import keep_measured, measured_before
from featx.system.kinds import shown
from featx.system.processor import processor_name

ENGINES = ("auto", "keras", "winograd")
VARIABLE = "FEATX_ENGINE"
"""The variable that says which engine is taken where no option does."""

ALWAYS_FASTER = ("vgg16", "vgg19", "efficientnet-lite0")
"""Backbones that need no measurement: convolutions of 3 x 3 through and through, or measured by featx itself."""

LARGEST_DIFFERENCE = 1e-4
"""Of what two engines give, as a part of a layer's length: half of what float16 rounds. Sound ones differ by some 2e-6."""

_FASTER = 1.1
_IMAGES, _SECONDS = 4, 0.5
_ACCELERATORS = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg", "/dev/accel0")
_PLUGINS = ("tensorflow-metal", "jax-metal", "intel-extension-for-tensorflow")
_LIBRARIES = ("ncnn", "keras", "tensorflow", "jax", "torch", "openvino")


Maps = dict[str, NDArray[np.float32]]
"""Each layer's output (n_images, h, w, n_channels)."""


class Runs(Protocol):
    """What a measurement needs of a backbone."""

    def take(self, batch_size: int) -> None:
        """Run on so many images a forward pass from here on."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> Maps:
        """Map images to each layer's output."""
        ...


def check_engine_name(engine: str | None) -> None:
    """Refuse what is no engine, given as an option or else in ``FEATX_ENGINE``.

    Raises
    ------
    BackboneError
        If there is no such engine.
    """
    given = os.environ.get(VARIABLE) or None if engine is None else engine
    if given is not None and given not in ENGINES:
        where = f"the variable {VARIABLE}" if engine is None else "engine"
        raise BackboneError(f"{where} must be one of {', '.join(ENGINES)}. Received: {shown(given)}.", wrong_value=True)


def engine_asked(engine: str | None, precision: str, device: str | None, backbone: str | None = None) -> str:
    """Return the engine that was asked for: by the option; or by ``FEATX_ENGINE``, where that fits what else was asked for.

    Parameters
    ----------
    engine : str or None
        The option's; by default the variable's, or ``auto``.
    precision, device
        Of the features that are to be computed, and where.
    backbone : str or None
        By what network, where that is known.
    """
    if engine is not None:
        return engine
    given = os.environ.get(VARIABLE) or "auto"
    fits = precision == "float32" and _is_processor(device) and (backbone is None or backbone_spec(backbone).can_be_winograd)
    return "auto" if given == "winograd" and not fits else given


def check_engine(engine: str, precision: str, device: str | None) -> None:
    """Refuse, without loading Keras, the Winograd engine for what it does not compute.

    Raises
    ------
    BackboneError
        If another precision than float32 is asked for.
    DeviceError
        If a device is asked for that is no processor.
    ExtraMissing
        If the engine's library is not installed.
    """
    if engine != "winograd":
        return
    if precision != "float32":
        raise BackboneError(
            f"--engine winograd computes in float32. Received: --precision {precision}. Leave one of the two out.",
            wrong_value=True,
        )
    if not _is_processor(device):
        raise DeviceError(f"--device {device}: the Winograd engine runs on the processor. Leave --device out, or --engine.")
    if importlib.util.find_spec("ncnn") is None:
        raise ExtraMissing("--engine winograd: needs ncnn, not installed. Install with: pip install ncnn")


def may_be_winograd(engine: str, precision: str, device: str | None) -> bool:
    """Return whether the Winograd engine can be chosen, as far as can be told without Keras."""
    return (
        engine != "keras" and precision == "float32" and _is_processor(device) and importlib.util.find_spec("ncnn") is not None
    )


def may_have_accelerator() -> bool:
    """Return whether Keras may find a GPU or another accelerator: where this is False, it need not be loaded to tell."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") and not Path("/dev/kfd").exists():
        return False
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").exists()
    if any(Path(device).exists() for device in _ACCELERATORS):
        return True
    return any(_version(plugin) for plugin in _PLUGINS)


def is_faster(recipe: Recipe, keras: Runs, winograd: Callable[[], Runs]) -> bool:
    """Return whether the Winograd engine is faster for a recipe on this machine; measured once, and kept.

    Parameters
    ----------
    recipe : Recipe
        Says the backbone and the image size.
    keras : Runs
        Keras' network.
    winograd : callable
        Loads the same for the other engine.

    Raises
    ------
    BackboneError
        If the network is none for the other engine.
    """
    key = measurement_key(recipe)
    measured = measured_before(key)
    if measured is None or not {"keras", "winograd", "difference"} <= measured.keys():
        rates, maps = measure(recipe, {"keras": keras, "winograd": winograd()})
        apart = (distance(wanted, maps["winograd"][layer]) for layer, wanted in maps["keras"].items())
        measured = rates | {"difference": max(apart)}
        keep_measured(key, measured)
    return measured["difference"] <= LARGEST_DIFFERENCE and measured["winograd"] > _FASTER * measured["keras"]


def measure(recipe: Recipe, engines: dict[str, Runs]) -> tuple[dict[str, float], dict[str, Maps]]:
    """Measure engines on a few images of noise, in turns; half a second each, once it is compiled.

    Returns
    -------
    rates : dict of str to float
        For each engine its images per second, at its best.
    maps : dict of str to dict
        What each gave.
    """
    images = np.random.default_rng(0).integers(0, 256, (_IMAGES, *recipe.image_size, 3), np.uint8)
    maps: dict[str, Maps] = {}
    for name, engine in engines.items():
        engine.take(_IMAGES)
        maps[name] = engine(images)  # compiled, and its memory taken
    best = dict.fromkeys(engines, np.inf)
    started = time.perf_counter()
    while time.perf_counter() - started < _SECONDS * len(engines):
        for name, engine in engines.items():
            began = time.perf_counter()
            engine(images)
            best[name] = min(best[name], time.perf_counter() - began)
    return {name: _IMAGES / seconds for name, seconds in best.items()}, maps


def distance(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Return the length of the difference of two arrays, as a part of the length of the first."""
    plain = wanted.astype(np.float64)
    length = float(np.linalg.norm(plain))
    return float(np.linalg.norm(found - plain)) / length if length else float(np.abs(found).max() > 0)


def _is_processor(device: str | None) -> bool:
    return device is None or device.lower() in ("cpu", "cpu:0")


def measurement_key(recipe: Recipe) -> str:
    """Name what a measurement depends on: machine, network and libraries."""
    network = f"{recipe.backbone} {','.join(recipe.layers)} {recipe.image_size[0]}x{recipe.image_size[1]}"
    versions = " ".join(f"{name} {version}" for name in _LIBRARIES if (version := _version(name)))
    backend = os.environ.get("KERAS_BACKEND", "")
    return f"{processor_name()}, {available_cores()} cores: {network}; {versions} {backend}".strip()


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""
