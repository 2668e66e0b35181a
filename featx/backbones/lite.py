"""EfficientNet-Lite0, which ``keras.applications`` does not have: the function is the architecture."""

from typing import Any

# Of each stage: blocks, side of the depthwise kernel, stride of the first block, factor of the expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _TOP = 32, 1280


def build_lite0(image_size: tuple[int, int], layers: Any) -> tuple[Any, Any]:
    """Build EfficientNet-Lite0 without its top, and with random weights.

    EfficientNet-B0 without what phones and int8 do badly: no squeeze and excitation, ReLU6 for swish. Its layers are called
    like those of Keras' ``EfficientNetB0``. Where a stride is 2, padding is TensorFlow's ``same``: of an even side all of it
    comes behind the last pixel.

    Parameters
    ----------
    image_size : tuple of int
        Height and width [px].
    layers : module
        What it is made of: ``keras.layers``, or ``plain``.

    Returns
    -------
    pixels, features
        Its input, pixels in [0, 255], which it scales itself; and its output ``top_activation``: 7 x 7 x 1,280 at 224 x 224 px.

    References
    ----------
    Tan & Le (2019), arXiv:1905.11946, table 1; tensorflow/tpu, models/official/efficientnet/lite.
    """
    pixels = layers.Input((*image_size, 3))
    # (pixel - 127) / 128, and exactly that: each of the two products and sums is a number of at most 8 bits.
    values = layers.Rescaling(1 / 128, -127 / 128, name="rescaling")(pixels)
    values = _activated(layers, _conv(layers, values, "stem_conv", _STEM, side=3, strides=2), "stem")
    for stage, (blocks, side, strides, expansion, channels) in enumerate(_STAGES, 1):
        for block in range(blocks):
            name = f"block{stage}{'abcd'[block]}"
            values = _block(layers, values, name, side, strides if block == 0 else 1, expansion, channels)
    return pixels, _activated(layers, _conv(layers, values, "top_conv", _TOP), "top")


def _block(layers: Any, inputs: Any, name: str, side: int, strides: int, expansion: int, channels: int) -> Any:
    """Expand the channels, filter each by itself, project them to fewer; where the shape stays, add what went in."""
    values, before = inputs, inputs.shape[-1]
    if expansion > 1:
        values = _activated(layers, _conv(layers, values, f"{name}_expand_conv", before * expansion), f"{name}_expand")
    values = layers.DepthwiseConv2D(side, strides, padding="same", use_bias=False, name=f"{name}_dwconv")(values)
    values = _conv(layers, _activated(layers, values, name), f"{name}_project_conv", channels)
    values = _normalised(layers, values, f"{name}_project")
    return layers.Add(name=f"{name}_add")([values, inputs]) if strides == 1 and before == channels else values


def _conv(layers: Any, values: Any, name: str, channels: int, side: int = 1, strides: int = 1) -> Any:
    return layers.Conv2D(channels, side, strides, padding="same", use_bias=False, name=name)(values)


def _normalised(layers: Any, values: Any, name: str) -> Any:
    return layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(values)


def _activated(layers: Any, values: Any, name: str) -> Any:
    return layers.ReLU(max_value=6.0, name=f"{name}_activation")(_normalised(layers, values, name))
