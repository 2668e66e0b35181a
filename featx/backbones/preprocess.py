"""Pixels scaled, by NumPy and by layers."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

MEANS_BGR = (103.939, 116.779, 123.68)
"""Of ImageNet's images, as VGG and ResNet were trained; Keras' own constants."""

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
    if mode == "none":
        return pixels
    if mode == "rescale":
        return pixels / np.float32(255)
    scaled: NDArray[np.float32] = keras.applications.imagenet_utils.preprocess_input(
        pixels, data_format="channels_last", mode=mode
    )
    return scaled


_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SCALING: dict[str, tuple[Any, Any]] = {
    "none": (1.0, 0.0),
    "rescale": (1 / 255, 0.0),
    "tf": (1 / 127.5, -1.0),
    "caffe": (1.0, [-mean for mean in MEANS_BGR]),
    "torch": ([1 / 255 / d for d in _DEVIATIONS], [-m / d for m, d in zip(_MEANS, _DEVIATIONS, strict=True)]),
}
"""What pixels are multiplied by, and what is then added, for each preprocess mode."""
_FLOAT = {"dtype": "float32"}


def preprocess_layers(images: Any, mode: str) -> Any:
    """Scale pixels as ``network.preprocess`` does, as layers: uint8 or float32 (n, h, w, 3) to float32."""
    scale, offset = _SCALING[mode]
    values = layers.Rescaling(scale, offset, **_FLOAT)
    # Turned round first, as the means are of blue, green and red.
    return values(ops.flip(images, axis=-1) if mode == "caffe" else images)
