"""Pixels scaled, by NumPy and by layers."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from featx.backbones.scaling import MEANS_BGR, factors_of, is_plain, scale_pixels

IN_NETWORK = ("none", "caffe")
"""Modes of preprocessing that a network does to the very bits that NumPy does it.

The others divide, and compilers multiply by the inverse instead, which is another number in its last bit.
"""


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
        One of ``IN_NETWORK``.
    """
    images = keras.Input((*image_size, 3), dtype="uint8")
    pixels = ops.cast(images, "float32")
    if mode == "caffe":
        pixels = ops.subtract(ops.flip(pixels, axis=-1), np.array(MEANS_BGR, np.float32))
    return keras.Model(images, network(pixels))


def preprocess(pixels: NDArray[np.float32], mode: str) -> NDArray[np.float32]:
    """Scale pixels as the network was trained; ``pixels`` is ours alone, Keras may change it in place."""
    if not is_plain(mode):
        return scale_pixels(pixels, mode)
    if mode == "none":
        return pixels
    if mode == "rescale":
        return pixels / np.float32(255)
    scaled: NDArray[np.float32] = keras.applications.imagenet_utils.preprocess_input(
        pixels, data_format="channels_last", mode=mode
    )
    return scaled


_FLOAT = {"dtype": "float32"}


def preprocess_layers(images: Any, mode: str) -> Any:
    """Scale pixels as ``network.preprocess`` does, as layers: uint8 or float32 (n, h, w, 3) to float32."""
    scale, offset, reverse = factors_of(mode)
    values = layers.Rescaling(scale, offset, **_FLOAT)
    # Turned round first, as the means are of blue, green and red.
    return values(ops.flip(images, axis=-1) if reverse else images)
