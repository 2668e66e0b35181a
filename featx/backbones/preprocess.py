"""Pixels scaled by layers, as ``pixels.preprocess`` does it by NumPy."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from featx.backbones.scaling import MEANS_BGR, factors_of

IN_NETWORK = ("none", "caffe")
"""Modes of preprocessing that a network does to the very bits that NumPy does it.

The others divide, and compilers multiply by the inverse instead, which is another number in its last bit.
"""

ROUNDED = ("float16", "bfloat16")
"""Precisions that round the pixels to 11 bits or 8 at once, so that the last of float32's 24 does not matter."""


def preprocesses_itself(mode: str, precision: str) -> bool:
    """Tell whether a network of this precision takes images as bytes."""
    return mode in IN_NETWORK or precision in ROUNDED


def with_preprocessing(network: Any, image_size: tuple[int, int], mode: str) -> Any:
    """Return a network that takes images as bytes, and preprocesses them itself.

    A quarter of the bytes goes to a GPU, and its subtractions cost nothing there.

    Parameters
    ----------
    network : keras.Model
        Takes preprocessed float32 pixels.
    image_size : tuple of int
        Height and width [px].
    mode : str
        How; the very numbers of ``pixels.preprocess`` for one of ``IN_NETWORK``, else the same to float32's rounding.
    """
    images = keras.Input((*image_size, 3), dtype="uint8")
    pixels = ops.cast(images, "float32")
    if mode == "caffe":
        pixels = ops.subtract(ops.flip(pixels, axis=-1), np.array(MEANS_BGR, np.float32))
    elif mode != "none":
        scale, offset, reverse = factors_of(mode)
        turned = ops.flip(pixels, axis=-1) if reverse else pixels
        pixels = ops.add(ops.multiply(turned, np.array(scale, np.float32)), np.array(offset, np.float32))
    return keras.Model(images, network(pixels))


_FLOAT = {"dtype": "float32"}


def preprocess_layers(images: Any, mode: str) -> Any:
    """Scale pixels as ``pixels.preprocess`` does, as layers: uint8 or float32 (n, h, w, 3) to float32."""
    scale, offset, reverse = factors_of(mode)
    values = layers.Rescaling(scale, offset, **_FLOAT)
    # Turned round first, as the means are of blue, green and red.
    return values(ops.flip(images, axis=-1) if reverse else images)
