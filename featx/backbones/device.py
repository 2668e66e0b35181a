"""Where a Keras network computes."""

import contextlib
from typing import Any

import keras

from featx.errors import DeviceError

BY_ITSELF = "default"
"""The device that a backend takes where it does not list those that it has, as PyTorch under Keras does not."""

_KINDS = ("cpu", "gpu", "tpu")


def choose_device(asked: str | None) -> str:
    """Return the name of the device to compute on, such as ``cpu:0``.

    Parameters
    ----------
    asked : str or None
        ``cpu``, ``gpu``, ``gpu:1`` …, as ``check_device`` lets it pass; by default what Keras takes by itself: an
        accelerator if there is one.

    Raises
    ------
    DeviceError
        If there is no such device.
    """
    if asked is None:
        return _devices(None)[0] if _can_list() else BY_ITSELF
    name = asked.lower()
    wanted = name if ":" in name else f"{name}:0"
    if not _can_list() or wanted in _devices(wanted.split(":")[0]):
        return wanted
    raise DeviceError(
        f"--device {asked}: Keras on {keras.backend.backend()} has no such device. Give one of: {', '.join(every_device())}; "
        "or none, for the one that Keras takes by itself."
    )


def every_device() -> list[str]:
    """Return the names of all devices that the backend of Keras lists, processors first; empty where it lists none."""
    return [device for kind in _KINDS for device in _devices(kind)] if _can_list() else []


def on_device(name: str) -> Any:
    """Return a context in which networks are built and run on a device."""
    return contextlib.nullcontext() if name == BY_ITSELF else keras.device(name)


def _can_list() -> bool:
    try:
        return bool(keras.distribution.list_devices("cpu"))
    except (RuntimeError, ValueError, NotImplementedError, AttributeError):
        return False


def _devices(kind: str | None) -> list[str]:
    try:
        return [name.lower() for name in keras.distribution.list_devices(kind)]
    except (RuntimeError, ValueError):  # a backend without devices of that kind says so in its own way
        return []
