"""Images that a program holds: which values are images, and their pixels as the backbone sees them.

Content of files (bytes) is not decoded here: it comes from anywhere, and is for the processes that decode files.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from featx.errors import ImageListError, ImageRejected
from featx.images.colour import to_rgb
from featx.images.resize import resize
from featx.recipe import Recipe

Pixels = Image.Image | NDArray[np.uint8]
"""Pixels in memory; an array has the shape (height, width, 3)."""

Source = Path | bytes | Pixels
"""One image: a file, its content, or its pixels."""

_KINDS = "paths, bytes, PIL images, or uint8 arrays (height, width, 3)"


def as_sources(images: object, name: str = "images") -> list[Source] | None:
    """Return a list of images for what may be one or many; None for anything that holds no image, as an array of features.

    Parameters
    ----------
    images : object
        A path (str or Path), the bytes of a file, a PIL image, a uint8 array (height, width, 3), any iterable of these, or a
        uint8 array (n_images, height, width, 3).
    name : str
        Of the argument, for messages.

    Raises
    ------
    ImageListError
        If some but not all of a list are images; or if an array can be neither images nor features.
    """
    one = _source(images)
    if one is not None:
        return [one]
    # Tensors and tables are arrays in disguise; a list is not made an array of, since its images may differ in size.
    array = np.asarray(images) if hasattr(images, "__array__") else None
    if array is not None and array.dtype.kind not in "OUS":
        if array.ndim == 4 and array.dtype == np.uint8 and array.shape[3] == 3:
            return list(array)
        if array.ndim == 2 and array.dtype != np.uint8:
            return None
        one = _source(array)
        if one is not None:
            return [one]
        raise ImageListError(
            f"{name} must be uint8 of shape (n_images, height, width, 3) or (height, width, 3), or features of 2 dimensions "
            f"and another type. Received: {_kind(array)}.",
            wrong_value=True,
        )
    if array is not None and array.ndim == 2:
        return None
    if isinstance(images, Mapping) or not isinstance(images, Iterable):
        raise ImageListError(f"{name} must be {_KINDS}, one or many. Received: {_kind(images)}.", wrong_value=True)
    given = list(images)
    found = [source for source in map(_source, given) if source is not None]
    if given and not found:
        return None
    if len(found) < len(given):
        place = next(place for place, value in enumerate(given) if _source(value) is None)
        raise ImageListError(f"{name}[{place}] must be one of {_KINDS}. Received: {_kind(given[place])}.", wrong_value=True)
    return found


def pixels_of(picture: Pixels, recipe: Recipe) -> NDArray[np.uint8]:
    """Return the pixels (height, width, 3) that the backbone sees: upright, RGB on the background, of the recipe's size.

    Raises
    ------
    ImageRejected
        If the image has no pixels, cannot be loaded, or has numbers of more than 8 bits.
    """
    if isinstance(picture, np.ndarray):
        if not picture.size:
            raise ImageRejected("has no pixels")
        picture = Image.fromarray(np.ascontiguousarray(picture))
    if picture.mode.startswith("I;16"):
        raise ImageRejected(
            "16 bits in a PIL image: what its numbers mean is for its file. Give the file, or convert it to 8 bits"
        )
    try:
        upright = ImageOps.exif_transpose(picture)
        return np.asarray(resize(to_rgb(upright, recipe), recipe)[0], dtype=np.uint8)
    except ImageRejected:
        raise
    # An image that was opened but not loaded reads its file now, and Pillow's plugins raise nearly every exception there is.
    except Exception as error:
        raise ImageRejected(f"corrupt image ({type(error).__name__})") from error


def _source(value: object) -> Source | None:
    if isinstance(value, str | os.PathLike):
        return Path(os.fsdecode(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3:
        return value
    return None


def _kind(value: Any) -> str:
    """Name what was received, and not its content, which may be large."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    return "None" if value is None else f"a value of type {type(value).__name__}"
