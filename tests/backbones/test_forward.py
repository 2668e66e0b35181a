"""One batch through a Keras network, on whichever backend Keras has."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from featx.backbones.batched import Halving
from featx.backbones.forward import forward_of
from featx.backbones.network import KerasBackbone
from featx.backbones.pixels import preprocess
from featx.backbones.preprocess import IN_NETWORK, preprocesses_itself, with_preprocessing
from featx.recipe import PRECISIONS, Recipe

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(8, 8), preprocess="none")


class Greedy(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
    """Wants more memory than any machine has, for more than two rows."""

    def call(self, rows: Any) -> Any:
        """Return the rows."""
        n = ops.shape(rows)[0]
        side = 1 + 10**6 * (n // 3)
        return rows + 0 * ops.sort(ops.broadcast_to(rows[:, :1, None], (n, side, side)), axis=1)[:, :1, 0]

    def compute_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """As it comes in."""
        return shape


class Witness(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
    """Writes down whether factors would be rounded, where it is run or compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[bool] = []

    def call(self, rows: Any) -> Any:
        """Return the rows."""
        self.rounds.append(tf32_is_on())
        return rows


def tf32_is_on() -> bool:
    """Ask TensorFlow, or PyTorch."""
    if keras.backend.backend() == "torch":
        import torch

        return bool(torch.backends.cudnn.allow_tf32)
    from tensorflow.config.experimental import tensor_float_32_execution_enabled

    return bool(tensor_float_32_execution_enabled())


def dense(*more: Any) -> Any:
    """Return a network with weights: a dense layer, and others."""
    inputs = keras.Input((4,))
    values = keras.layers.Dense(4)(inputs)
    for layer in more:
        values = layer(values)
    return keras.Model(inputs, values)


def test_after_memory_ran_out_half_as_many_rows_go_through() -> None:
    """In earnest: the network asks for terabytes. Its weights are still there for the smaller batch."""
    network = dense(Greedy())
    rows = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    halving, forward = Halving(RECIPE, 8), forward_of(network)
    parts = halving.run(lambda batch: np.asarray(forward(batch)), rows)
    assert [n for _, n in parts] == [2, 2, 2, 1]
    assert halving.size == 2
    kernel, bias = network.get_weights()
    np.testing.assert_allclose(np.concatenate([part[:n] for part, n in parts]), rows @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_weights_that_change_are_the_ones_it_computes_with() -> None:
    """A network is trained between two looks at what it gives."""
    network, rows = dense(), np.ones((2, 4), np.float32)
    forward = forward_of(network)
    for factor in (1.0, 3.0):
        network.set_weights([factor * np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])
        np.testing.assert_array_equal(np.asarray(forward(rows)), factor * rows)


def test_factors_are_not_rounded_in_float32() -> None:
    """To TF32, as GPUs do unless told not to; in bfloat16 there is nothing to keep, and other networks are the user's."""
    assert rounds_factors("float32") is False
    assert rounds_factors("bfloat16") is True


def rounds_factors(precision: str) -> bool:
    """Return whether a GPU would be let round factors."""
    rows = np.ones((2, 4), np.float32)
    if keras.backend.backend() == "jax":
        import jax

        return "HIGHEST" not in str(jax.make_jaxpr(forward_of(dense(), precision))(rows))
    seen = Witness()
    network = dense(seen)
    seen.rounds.clear()
    forward_of(network, precision)(rows)
    assert tf32_is_on(), "it stays off afterwards"
    (rounds,) = set(seen.rounds)
    return rounds


@pytest.mark.parametrize("mode", IN_NETWORK)
def test_pixels_are_preprocessed_to_the_same_bits_inside_the_network(mode: str) -> None:
    """As by Keras' own function for arrays, of every value that a byte has."""
    images = np.stack([np.roll(np.arange(256, dtype=np.uint8), 85 * channel).reshape(16, 16) for channel in range(3)], axis=-1)
    pixels = keras.Input((16, 16, 3))
    network = with_preprocessing(keras.Model(pixels, keras.layers.Identity()(pixels)), (16, 16), mode)
    found = np.asarray(forward_of(network)(images[None]))
    np.testing.assert_array_equal(found[0], preprocess(images.astype(np.float32), mode))
    assert found.dtype == np.float32


@pytest.mark.parametrize("mode", ["tf", "torch", "rescale", "mean=0.4,0.5,0.6 std=0.2,0.3,0.4", "torch bgr"])
def test_pixels_are_scaled_inside_the_network_too(mode: str) -> None:
    """To float32's rounding, of every value that a byte has; only the precisions that round more take them so."""
    images = np.arange(256 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    pixels = keras.Input((16, 16, 3))
    network = with_preprocessing(keras.Model(pixels, keras.layers.Identity()(pixels)), (16, 16), mode)
    wanted = preprocess(images.astype(np.float32), mode)
    np.testing.assert_allclose(np.asarray(forward_of(network)(images)), wanted, rtol=1e-5, atol=1e-6)
    taken = [precision for precision in PRECISIONS if preprocesses_itself(mode, precision)]
    assert taken == ["float16", "bfloat16"]


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_rounded_network_is_given_bytes(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pixel is scaled before it: its features are those of float32, but for its rounding."""
    recipe = Recipe(
        backbone="mobilenet", weights="random:0", layers=("conv_pw_2_relu",), image_size=(32, 32), preprocess="tf",
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    wanted = KerasBackbone(recipe, None, 2)(images)["conv_pw_2_relu"]
    monkeypatch.delattr("featx.backbones.network.preprocess")
    found = KerasBackbone(dataclasses.replace(recipe, precision=precision), None, 2)(images)["conv_pw_2_relu"]
    assert np.linalg.norm(found - wanted) < 2e-2 * np.linalg.norm(wanted)
