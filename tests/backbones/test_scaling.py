"""Pixels scaled by NumPy and by layers of Keras: the same numbers, for every mode and for numbers of one's own."""

import keras
import numpy as np
import pytest

from featx.backbones.pixels import preprocess
from featx.backbones.preprocess import preprocess_layers
from featx.recipe import PREPROCESS_MODES

IMAGENET = "mean=0.485,0.456,0.406 std=0.229,0.224,0.225"


@pytest.mark.parametrize("mode", [*PREPROCESS_MODES, IMAGENET, "mean=120,110,100 std=50,60,70 bgr", "torch bgr"])
def test_layers_scale_as_numpy_does(mode: str) -> None:
    """To float32's rounding."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    images = keras.Input((4, 4, 3))
    network = keras.Model(images, preprocess_layers(images, mode))
    np.testing.assert_allclose(network.predict_on_batch(pixels), preprocess(pixels.copy(), mode), rtol=1e-5, atol=1e-4)


def test_the_numbers_of_imagenet_are_what_torch_means() -> None:
    """The mode of that name and its numbers written out; with bgr, the same with blue first."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    wanted = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for mode, turned in (("torch", False), (IMAGENET, False), (f"{IMAGENET} bgr", True)):
        found = preprocess(pixels.copy(), mode)
        np.testing.assert_allclose(found, wanted[..., ::-1] if turned else wanted, rtol=1e-5, atol=1e-5)
