"""The network from pixels to probabilities does what featx's prediction does, step by step, on a small base."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from featx.backbones import network
from featx.backbones.fill import draw_weights
from featx.errors import BackboneError, UnknownLayer
from featx.heads.layers import (
    Convolution,
    Dense,
    Maps,
    PlainLayer,
    Probabilities,
    SignedRoots,
    Standardized,
    UnitRows,
)
from featx.recipe import Recipe
from featx.store import pool_maps
from featx.verbs.export import network as whole_network
from featx.verbs.export.whole import Whole

SIZE = (12, 10)
N_CHANNELS = 6
POOLINGS = {"flatten": 6 * 5 * N_CHANNELS, "avg": N_CHANNELS, "max": N_CHANNELS, "avgmax": 2 * N_CHANNELS}


def made_recipe(**settings: Any) -> Recipe:
    """Return the recipe of the base below."""
    options: dict[str, Any] = {"backbone": "vgg16", "weights": "random:0", "layers": ("maps",), "preprocess": "caffe"}
    return Recipe(**(options | {"image_size": SIZE} | settings))


@pytest.fixture(scope="module")
def base() -> Any:
    """A base of two layers with drawn weights: maps of shape (6, 5, 6), and a layer of 4 units behind them."""
    images = keras.Input((*SIZE, 3))
    maps = keras.layers.Conv2D(N_CHANNELS, 3, strides=2, padding="same", name="maps")(images)
    units = keras.layers.Dense(4, name="units")(keras.layers.Flatten(name="flat")(maps))
    made = keras.Model(images, units)
    draw_weights(made, seed=3)
    return made


@pytest.fixture(name="pixels")
def made_pixels() -> NDArray[np.uint8]:
    """Five images, black and white ones among them."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), np.uint8)
    pixels[0], pixels[1] = 0, 255
    return pixels


def made_dense(n_features: int, n_classes: int = 3, seed: int = 1) -> Dense:
    """Return a layer whose results are of the size of logits."""
    rng = np.random.default_rng(seed)
    return Dense(rng.normal(0, 0.02, (n_features, n_classes)), rng.normal(0, 0.1, n_classes))


def maps_of(base: Any, recipe: Recipe, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what featx's own backbone gives for pixels."""
    cut = keras.Model(base.input, base.get_layer("maps").output)
    scaled = network.preprocess(pixels.astype(np.float32), recipe.preprocess)
    return np.asarray(cut.predict_on_batch(scaled))


def softmax(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return exp(values), each row divided by its sum."""
    raised = np.exp(values)
    return raised / raised.sum(axis=1, keepdims=True)


def build_whole(base: Any, recipe: Recipe, layer: str, pooling: str, head: tuple[PlainLayer, ...], replaced: Any = None) -> Any:
    """Build the whole network on a base."""
    return whole_network.build_whole(base, Whole(recipe, None, layer, pooling, head, replaced))


def probabilities(whole: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run a whole network."""
    return np.asarray(whole.predict_on_batch(pixels))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("preprocess", ["caffe", "torch", "tf", "rescale", "none"])
def test_pixels_are_scaled_and_pooled_as_featx_does(
    base: Any, pixels: NDArray[np.uint8], preprocess: str, pooling: str
) -> None:
    """Every preprocess mode and every pooling, stored in float16: as Keras' preprocess_input and featx's pool_maps give it."""
    recipe = made_recipe(preprocess=preprocess)
    dense = made_dense(POOLINGS[pooling])
    whole = build_whole(base, recipe, "maps", pooling, (dense, Probabilities("softmax")))
    X = pool_maps(maps_of(base, recipe, pixels), pooling, recipe.stored_dtype)
    wanted = softmax(X @ dense.kernel + dense.bias)
    np.testing.assert_allclose(probabilities(whole, pixels), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stored_dtype", ["float16", "float32"])
def test_whole_maps_are_rounded_as_the_cache_rounds_them(base: Any, pixels: NDArray[np.uint8], stored_dtype: str) -> None:
    """A kernel that lets single features through shows them rounded to float16, or not at all for float32."""
    recipe = made_recipe(stored_dtype=stored_dtype)
    chosen = np.eye(POOLINGS["flatten"])[:, ::7]
    dense = Dense(chosen * 0.01, np.zeros(chosen.shape[1]))
    whole = build_whole(base, recipe, "maps", "flatten", (dense, Probabilities("softmax")))
    logits = keras.Model(whole.input, whole.layers[-1].input)
    found = np.asarray(logits.predict_on_batch(pixels)) * 100
    wanted = pool_maps(maps_of(base, recipe, pixels), "flatten", stored_dtype)[:, ::7]
    np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1e-4)
    bits = np.abs(found - found.astype(np.float16)) / np.abs(found).clip(1e-3)
    assert (bits.max() < 3e-6) == (stored_dtype == "float16")


def test_features_past_the_half_precision_range_stay_finite(base: Any) -> None:
    """The cache keeps such rows in float32; the network rounds them, and neither makes them infinite."""
    recipe = made_recipe(preprocess="none")
    huge = {"maps/kernel": np.full((3, 3, 3, N_CHANNELS), 100.0, np.float32), "maps/bias": np.zeros(N_CHANNELS, np.float32)}
    before = {variable.path: np.array(variable.numpy()) for variable in base.variables if variable.path in huge}
    dense = Dense(np.full((POOLINGS["flatten"], 2), 1e-9), np.array([0.0, 1.0]))
    white = np.full((1, *SIZE, 3), 255, np.uint8)
    try:
        whole = build_whole(base, recipe, "maps", "flatten", (dense, Probabilities("softmax")), huge)
        np.testing.assert_allclose(probabilities(whole, white), softmax(np.array([[0.0, 1.0]])), rtol=0, atol=1e-5)
    finally:
        build_whole(base, recipe, "maps", "flatten", (dense, Probabilities("softmax")), before)


def test_every_kind_of_layer_does_what_it_says(base: Any, pixels: NDArray[np.uint8]) -> None:
    """The ones before, between and behind dense layers, each against NumPy."""
    recipe = made_recipe(stored_dtype="float32")
    X = pool_maps(maps_of(base, recipe, pixels), "flatten", "float32").astype(np.float64)
    n_features = X.shape[1]
    dense, second = made_dense(n_features), made_dense(3, 4, seed=2)
    roots = np.copysign(np.sqrt(np.abs(X)), X)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    standard = (X - X.mean(axis=0)) / (X.std(axis=0) + 1)
    hidden = np.maximum(X @ dense.kernel + dense.bias, 0)
    wide = Dense(dense.kernel * 50, dense.bias)  # rows of roots and of length 1 are small
    sigmoids = 1 / (1 + np.exp(-(X @ dense.kernel + dense.bias)))
    kinds: list[tuple[tuple[PlainLayer, ...], NDArray[np.floating]]] = [
        ((SignedRoots(), dense), softmax(roots @ dense.kernel + dense.bias)),
        ((UnitRows(), wide), softmax(unit @ wide.kernel + wide.bias)),
        ((Dense(dense.kernel, dense.bias, relu=True), second), softmax(hidden @ second.kernel + second.bias)),
        ((Standardized(X.mean(axis=0), X.std(axis=0) + 1), dense), softmax(standard @ dense.kernel + dense.bias)),
        ((dense,), sigmoids / sigmoids.sum(axis=1, keepdims=True)),
    ]
    for number, (layers, wanted) in enumerate(kinds):
        last = Probabilities("sigmoid" if number == len(kinds) - 1 else "softmax")
        whole = build_whole(base, recipe, "maps", "flatten", (*layers, last))
        np.testing.assert_allclose(probabilities(whole, pixels), wanted, rtol=0, atol=1e-5, err_msg=str(number))


def test_sigmoids_that_are_all_tiny_still_sum_to_one(base: Any, pixels: NDArray[np.uint8]) -> None:
    """Far from every class float32 has no such small sigmoids; their shares are still known."""
    dense = Dense(np.zeros((N_CHANNELS, 2)), np.array([-300.0, -301.0]))
    whole = build_whole(base, made_recipe(), "maps", "avg", (dense, Probabilities("sigmoid")))
    np.testing.assert_allclose(probabilities(whole, pixels), softmax(np.array([[1.0, 0.0]] * 5)), rtol=0, atol=1e-5)


def test_a_row_of_zeros_keeps_its_length(pixels: NDArray[np.uint8]) -> None:
    """A black image may give no feature at all: nothing is divided by zero."""
    images = keras.Input((*SIZE, 3))
    flat = keras.Model(images, keras.layers.AveragePooling2D(2, name="maps")(images))
    dense = made_dense(3)
    whole = build_whole(
        flat, made_recipe(preprocess="none"), "maps", "avg", (SignedRoots(), UnitRows(), dense, Probabilities("softmax"))
    )
    np.testing.assert_allclose(probabilities(whole, pixels[:1]), softmax(dense.bias[None]), rtol=0, atol=1e-6)


def test_a_convolution_is_padded_and_halved_as_the_conv_head_does(base: Any, pixels: NDArray[np.uint8]) -> None:
    """Maps of 6 x 5 become 3 x 3: the odd side is rounded up; against the head itself."""
    from featx.heads import rebuild_head
    from featx.verbs.export.head_layers import plain_layers

    recipe = made_recipe()
    shape, filters = [6, 5, N_CHANNELS], [4, 3]
    rng = np.random.default_rng(0)
    shapes = [(3, 3, N_CHANNELS, 4), (3, 3, 4, 3), (2 * 2 * 3, 3)]
    arrays: dict[str, NDArray[Any]] = {"classes": np.arange(3)}
    for number, size in enumerate(shapes):
        arrays[f"kernel_{number}"] = rng.normal(0, 0.1, size).astype(np.float32)
        arrays[f"bias_{number}"] = rng.normal(0, 0.1, size[-1]).astype(np.float32)
    head = rebuild_head("conv", {"map_shape": shape, "filters": filters}, arrays)
    layers = plain_layers(head, "conv")
    assert [type(layer) for layer in layers] == [Maps, Convolution, Convolution, Dense, Probabilities]
    whole = build_whole(base, recipe, "maps", "flatten", layers)
    wanted = head.predict_proba(pool_maps(maps_of(base, recipe, pixels), "flatten", "float16"))
    assert np.ptp(wanted, axis=0).min() > 1e-3, "the images must differ for this to say something"
    np.testing.assert_allclose(probabilities(whole, pixels), wanted, rtol=0, atol=1e-5)


def test_a_layer_behind_the_maps_can_be_taken(base: Any, pixels: NDArray[np.uint8]) -> None:
    """Its outputs are one cell of channels, whatever the pooling."""
    recipe = made_recipe(stored_dtype="float32")
    dense = Dense(made_dense(4).kernel * 0.01, made_dense(4).bias)
    units = keras.Model(base.input, base.get_layer("units").output)
    X = np.asarray(units.predict_on_batch(network.preprocess(pixels.astype(np.float32), recipe.preprocess)))
    for pooling in ("flatten", "avg", "max"):
        whole = build_whole(base, recipe, "units", pooling, (dense, Probabilities("softmax")))
        np.testing.assert_allclose(probabilities(whole, pixels), softmax(X @ dense.kernel + dense.bias), rtol=0, atol=1e-5)


def test_replaced_weights_are_used(base: Any, pixels: NDArray[np.uint8]) -> None:
    """Of a fine-tuned backbone: the arrays given, by their path, and the base's own for the others."""
    recipe = made_recipe()
    head = (made_dense(N_CHANNELS), Probabilities("softmax"))
    plain = probabilities(build_whole(base, recipe, "maps", "avg", head), pixels)
    kernel = np.array(base.get_layer("maps").kernel.numpy())
    changed = probabilities(build_whole(base, recipe, "maps", "avg", head, {"maps/kernel": kernel * np.float32(0.5)}), pixels)
    assert np.abs(changed - plain).max() > 1e-3
    again = probabilities(build_whole(base, recipe, "maps", "avg", head, {"maps/kernel": kernel}), pixels)
    np.testing.assert_array_equal(again, plain)


def test_replaced_weights_that_do_not_fit_are_refused(base: Any) -> None:
    """An unknown path, and another shape; the message has both sides."""
    head = (made_dense(N_CHANNELS), Probabilities("softmax"))
    with pytest.raises(BackboneError, match=r"^weight 'block9/kernel' of shape \(3,\) does not fit .* no such weight"):
        build_whole(base, made_recipe(), "maps", "avg", head, {"block9/kernel": np.zeros(3, np.float32)})
    with pytest.raises(BackboneError, match=r"^weight 'maps/bias' of shape \(3,\) does not fit .* it has \(6,\)"):
        build_whole(base, made_recipe(), "maps", "avg", head, {"maps/bias": np.zeros(3, np.float32)})


def test_an_unknown_layer_is_answered_with_those_that_there_are(base: Any) -> None:
    """As the backbone itself answers."""
    with pytest.raises(UnknownLayer, match=r"no layer 'mapz'.*maps, flat, units"):
        build_whole(base, made_recipe(), "mapz", "avg", (made_dense(N_CHANNELS), Probabilities("softmax")))
