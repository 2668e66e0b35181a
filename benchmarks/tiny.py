"""A VGG16 with a thirtieth of the channels, under the same names, for runs in which only the files matter."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

# In one thread sums come in one order, and two trainings end in the same bits.
for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_BLOCKS = ((2, 4), (2, 8), (3, 8), (3, 16), (3, 64))


def _build(**options: Any) -> Any:
    import keras

    inputs = keras.Input(options["input_shape"], name="input_layer")
    maps = inputs
    for number, (depth, channels) in enumerate(_BLOCKS, 1):
        for place in range(1, depth + 1):
            convolution = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"block{number}_conv{place}")
            maps = convolution(maps)
        maps = keras.layers.MaxPooling2D(2, name=f"block{number}_pool")(maps)
    return keras.Model(inputs, maps, name="vgg16")


@contextlib.contextmanager
def small_vgg16() -> Iterator[None]:
    """Let featx build the small network where it asks Keras for VGG16."""
    import keras

    usual = keras.applications.VGG16
    keras.applications.VGG16 = _build
    try:
        yield
    finally:
        keras.applications.VGG16 = usual
