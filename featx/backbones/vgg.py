"""VGG16 without its top: the function is the architecture."""

from typing import Any

# Of each block: convolutions, channels.
_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def build_vgg16(image_size: tuple[int, int], layers: Any) -> tuple[Any, Any]:
    """Build VGG16's convolutional base, with the names that Keras' own has.

    Parameters
    ----------
    image_size : tuple of int
        Height and width [px].
    layers : module
        What it is made of: ``keras.layers``, or ``plain``.

    Returns
    -------
    pixels, features
        Its input, pixels less ImageNet's means in the order blue, green, red; and its output ``block5_pool``: 7 x 7 x 512 at
        224 x 224 px.

    References
    ----------
    Simonyan & Zisserman (2015), arXiv:1409.1556, table 1, column D.
    """
    pixels = values = layers.Input((*image_size, 3))
    for block, (convolutions, channels) in enumerate(_BLOCKS, 1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            values = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(values)
        values = layers.MaxPooling2D(2, 2, name=f"block{block}_pool")(values)
    return pixels, values
