"""Where a Keras network computes, and in which arithmetic: devices and mixed precision."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import keras

from featx.errors import DeviceError

_KINDS = ("cpu", "gpu", "tpu")
_POLICIES = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}


def choose_device(asked: str | None) -> str:
    """Return the name of the device to compute on, such as ``cpu:0``.

    Parameters
    ----------
    asked : str or None
        ``cpu``, ``gpu``, ``gpu:1`` …; by default what Keras takes by itself: an accelerator if there is one.

    Raises
    ------
    DeviceError
        If there is no such device.
    """
    if asked is None:
        return _devices(None)[0]
    name = asked.lower()
    if re.fullmatch(r"(cpu|gpu|tpu)(:\d+)?", name):
        wanted = name if ":" in name else f"{name}:0"
        if wanted in _devices(wanted.split(":")[0]):
            return wanted
    found = [device for kind in _KINDS for device in _devices(kind)]
    raise DeviceError(
        f"--device {asked}: Keras on {keras.backend.backend()} has no such device. Give one of: {', '.join(found)}; "
        "or none, for the one that Keras takes by itself."
    )


def on_device(name: str) -> Any:
    """Return a context in which networks are built and run on a device."""
    return keras.device(name)


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Let layers that are built inside compute in a narrower type; their weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES.get(precision, "float32"))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def worth_compiling(device: str) -> bool:
    """Tell whether XLA makes a forward pass faster.

    On a processor TensorFlow's own kernels are faster than what XLA makes of them: 1.2 times with VGG16, 12 times with the
    depthwise convolutions of MobileNetV2 (``python -m benchmarks.demo`` found it). JAX is nothing without XLA.
    """
    return keras.backend.backend() != "tensorflow" or not device.startswith("cpu")


def _devices(kind: str | None) -> list[str]:
    try:
        return [name.lower().replace("cuda", "gpu") for name in keras.distribution.list_devices(kind)]
    # A backend without such devices says so in its own way, and one that lists none at all has a processor.
    except (RuntimeError, ValueError, NotImplementedError, AttributeError):
        return [] if kind in ("gpu", "tpu") else ["cpu:0"]
