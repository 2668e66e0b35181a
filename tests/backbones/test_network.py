"""The frozen base: equal to Keras' own VGG16 run directly, and to a convolution written out in NumPy."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from featx.backbones import BACKBONES, Backbone, load_backbone
from featx.errors import ImageSizeError, UnknownLayer, WeightsError
from featx.recipe import Recipe

SPEC = BACKBONES["vgg16"]
BATCH = 4
LAYERS = ("block5_pool", "block1_conv1", "block3_pool")


def recipe(side: int = 64, layers: tuple[str, ...] = LAYERS, **options: Any) -> Recipe:
    """Make a recipe of VGG16 with its bundled weights for square images."""
    settings = {"weights": f"sha256:{SPEC.bundled_digest}", "preprocess": "caffe"} | options
    return Recipe(backbone="vgg16", layers=layers, image_size=(side, side), **settings)


def noise(count: int, side: int = 64, seed: int = 0) -> np.ndarray:
    """Return images of random pixels, all different."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    """VGG16 with the bundled weights at 64 x 64 px, in batches of 4."""
    return load_backbone(recipe(), batch_size=BATCH)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Six images: one full batch and a half."""
    return noise(6)


@pytest.fixture(scope="module")
def features(backbone: Backbone, images: np.ndarray) -> dict[str, np.ndarray]:
    """Features of ``images``."""
    return backbone(images)


@pytest.fixture(scope="module")
def directly() -> Callable[[np.ndarray, str], np.ndarray]:
    """Run Keras' VGG16 on pixels as its own documentation says, without featx."""
    import keras

    vgg16 = keras.applications.VGG16(include_top=False, weights=str(SPEC.bundled))

    def run(pixels: np.ndarray, layer: str) -> np.ndarray:
        model = keras.Model(vgg16.input, vgg16.get_layer(layer).output)
        return model.predict(keras.applications.vgg16.preprocess_input(pixels.astype(np.float32)), verbose=0)

    return run


@pytest.mark.parametrize("layer", LAYERS)
def test_features_equal_keras_vgg16_run_directly(
    layer: str, features: dict[str, np.ndarray], images: np.ndarray, directly: Callable[[np.ndarray, str], np.ndarray]
) -> None:
    """Same pixels, same weights, same numbers, at the last layer and at those before it."""
    wanted = directly(images, layer)
    assert features[layer].dtype == np.float32
    assert wanted.max() > 1
    np.testing.assert_allclose(features[layer], wanted, rtol=1e-4, atol=1e-4 * wanted.max())


def test_photographs_at_224_px_equal_keras_vgg16_run_directly(directly: Callable[[np.ndarray, str], np.ndarray]) -> None:
    """Two photographs at the size VGG16 was trained on: 7 x 7 x 512 features each."""
    photographs = np.stack([image[100:324, 200:424] for image in load_sample_images().images])
    maps = load_backbone(recipe(224, ("block5_pool",)), batch_size=2)(photographs)["block5_pool"]
    wanted = directly(photographs, "block5_pool")
    assert maps.shape == (2, 7, 7, 512)
    assert 0.5 < (maps == 0).mean() < 0.99  # ReLU leaves most of them zero
    np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-4 * wanted.max())


def convolve(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolve (n, h, w, c) maps with a 3 x 3 kernel and zeros around, then ReLU."""
    height, width = maps.shape[1:3]
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = sum(padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))
    return np.maximum(total + bias, 0)


def kernels() -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the thirteen kernels and biases straight from the weights file."""
    with h5py.File(SPEC.bundled) as file:
        names = ["conv2d", *(f"conv2d_{number}" for number in range(1, 13))]
        return [tuple(file[f"layers/{name}/vars/{i}"][()].astype(np.float64) for i in (0, 1)) for name in names]


def test_features_equal_the_network_of_the_paper_written_in_numpy() -> None:
    """Simonyan & Zisserman, column D: 2, 2, 3, 3, 3 convolutions with a 2 x 2 maximum after each group."""
    pixels = noise(1, side=32, seed=3)
    maps = pixels[..., ::-1] - np.array([103.939, 116.779, 123.68])  # blue, green, red, less ImageNet's mean colour
    remaining = iter(kernels())
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            maps = convolve(maps, *next(remaining))
        n, height, width, channels = maps.shape
        maps = maps.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
    found = load_backbone(recipe(32, ("block5_pool",)), batch_size=1)(pixels)["block5_pool"]
    assert found.shape == (1, 1, 1, 512)
    np.testing.assert_allclose(found, maps, rtol=1e-3, atol=1e-4 * maps.max())


@pytest.mark.parametrize(
    ("mode", "scaled"),
    [
        ("caffe", lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
        ("torch", lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ("tf", lambda x: x / 127.5 - 1),
        ("rescale", lambda x: x / 255),
        ("none", lambda x: x),
    ],
)
def test_each_preprocess_mode_scales_pixels_as_it_says(mode: str, scaled: Callable[[np.ndarray], np.ndarray]) -> None:
    """The first layer sees the pixels scaled by the mode's formula."""
    pixels = noise(1, side=32)
    found = load_backbone(recipe(32, ("block1_conv1",), preprocess=mode), batch_size=1)(pixels)["block1_conv1"]
    wanted = convolve(scaled(pixels.astype(np.float64)), *kernels()[0])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * wanted.max())


def test_layers_come_in_the_recipes_order(features: dict[str, np.ndarray]) -> None:
    """One map per layer, of the shape of VGG16 at 64 x 64 px."""
    assert [(layer, maps.shape) for layer, maps in features.items()] == [
        ("block5_pool", (6, 2, 2, 512)),
        ("block1_conv1", (6, 64, 64, 64)),
        ("block3_pool", (6, 8, 8, 256)),
    ]


def test_images_are_left_unchanged(backbone: Backbone) -> None:
    """Keras preprocesses in place; the caller's array is not that place."""
    mine = noise(BATCH, seed=5)
    backbone(mine)
    np.testing.assert_array_equal(mine, noise(BATCH, seed=5))


@pytest.mark.parametrize("position", range(BATCH))
def test_feature_does_not_depend_on_its_place_or_company(
    backbone: Backbone, features: dict[str, np.ndarray], images: np.ndarray, position: int
) -> None:
    """To the last bit: at any place of a batch, among others or alone before padding."""
    company = noise(BATCH, seed=9)
    company[position] = images[0]
    among_others, alone = backbone(company), backbone(images[:1])
    for layer in LAYERS:
        np.testing.assert_array_equal(among_others[layer][position], features[layer][0])
        np.testing.assert_array_equal(alone[layer], features[layer][:1])


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6])
def test_padded_last_batch_equals_a_full_one(
    backbone: Backbone, features: dict[str, np.ndarray], images: np.ndarray, count: int
) -> None:
    """Any number of images gives that number of rows, each as in any other batch."""
    fewer = backbone(images[:count])
    for layer in LAYERS:
        np.testing.assert_array_equal(fewer[layer], features[layer][:count])


def test_network_sees_full_batches_only(backbone: Backbone, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """One shape for every forward pass: another would compile the network again, and may round otherwise on some devices."""
    shapes = []
    real = backbone._run  # type: ignore[attr-defined]

    def look(batch: np.ndarray) -> Any:
        shapes.append(batch.shape)
        return real(batch)

    monkeypatch.setattr(backbone, "_run", look)
    for count in (1, 4, 6):
        backbone(images[:count])
    assert shapes == [(BATCH, 64, 64, 3)] * 4


def test_no_images_give_no_features(backbone: Backbone) -> None:
    """An empty batch is answered with an empty one of the right shape, as the stub does."""
    assert backbone(noise(0))["block5_pool"].shape == (0, 2, 2, 512)


@pytest.mark.parametrize("shape", [(1, 64, 65, 3), (1, 32, 32, 3), (1, 64, 64), (1, 64, 64, 4), (64, 64, 3)])
def test_other_image_shape_is_refused(backbone: Backbone, shape: tuple[int, ...]) -> None:
    """The error names the shape wanted and the one received."""
    with pytest.raises(ImageSizeError, match=r"wants images of shape \(64, 64, 3\)\. Received"):
        backbone(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("layer", "near"),
    [("block6_pool", "block5_pool"), ("block5pool", "block5_pool"), ("input_layer", None), ("zzz", None)],
)
def test_unknown_layer_is_refused(layer: str, near: str | None) -> None:
    """The error names the near ones and lists those there are; the input, which would give the pixels, is none of them."""
    hint = rf"Did you mean {near} or .+\? " if near else ""
    listed = r"It has: block1_conv1, .+, block5_pool; with --weights of the whole network also flatten, fc1, fc2, predictions\."
    with pytest.raises(UnknownLayer, match=rf"no layer '{layer}'\. {hint}{listed}$"):
        load_backbone(recipe(32, (layer,)))


def test_network_is_described_with_its_parameters(backbone: Backbone) -> None:
    """The number known from the paper, and each layer's kernel and bias."""
    layers = {layer["name"]: layer for layer in backbone.network["layers"]}
    assert backbone.network["parameters"] == 14_714_688
    assert sum(layer["parameters"] for layer in layers.values()) == 14_714_688
    assert len(layers) == 19
    assert layers["block1_conv1"]["parameters"] == 3 * 3 * 3 * 64 + 64
    assert layers["block5_pool"] == {
        "name": "block5_pool",
        "type": "MaxPooling2D",
        "output_shape": [2, 2, 512],
        "parameters": 0,
    }


def test_random_weights_are_a_function_of_the_seed() -> None:
    """The same seed gives the same features, another seed others, and none of them is nothing."""
    pixels = noise(2, side=32)
    first, again, other = (
        load_backbone(recipe(32, ("block5_pool",), weights=f"random:{seed}"), batch_size=2)(pixels)["block5_pool"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert first.std() > 0


def dense_network(path: Path) -> None:
    """Save the weights of a network without any convolution."""
    import keras

    keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]).save_weights(path)


def wider_network(path: Path) -> None:
    """Save VGG16 with another number of channels in its last convolution."""
    shutil.copy(SPEC.bundled, path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d_12/vars"]
        file["layers/conv2d_12/vars/0"] = np.zeros((3, 3, 512, 500), np.float32)
        file["layers/conv2d_12/vars/1"] = np.zeros(500, np.float32)


def shorter_network(path: Path) -> None:
    """Save VGG16 without its last convolution."""
    shutil.copy(SPEC.bundled, path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d_12"]


def empty_file(path: Path) -> None:
    """Save HDF5 with nothing in it."""
    h5py.File(path, "w").close()


def text_file(path: Path) -> None:
    """Save words."""
    path.write_text("These are no weights.")


# Keras also warns where it finds nothing to load; with warnings as errors that would hide what featx does.
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
@pytest.mark.parametrize("save", [dense_network, wider_network, shorter_network, empty_file, text_file])
def test_weights_of_another_architecture_are_refused(tmp_path: Path, save: Callable[[Path], None]) -> None:
    """Digest and recipe agree, but not all layers are there: no layer is left with numbers from elsewhere."""
    path = tmp_path / "other.weights.h5"
    save(path)
    weights = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    with pytest.raises(WeightsError, match=r"other\.weights\.h5: does not hold weights of vgg16 without its top"):
        load_backbone(recipe(32, weights=weights), path)


def test_weights_file_of_the_users_own_is_used(tmp_path: Path, features: dict[str, np.ndarray], images: np.ndarray) -> None:
    """A file of the user's own is used when its digest is the recipe's: here with one bias changed, which shows."""
    path = tmp_path / "mine.weights.h5"
    shutil.copy(SPEC.bundled, path)
    with h5py.File(path, "a") as file:
        file["layers/conv2d/vars/1"][0] += 1.0
    weights = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    found = load_backbone(recipe(layers=("block1_conv1",), weights=weights), path, BATCH)(images)["block1_conv1"]
    np.testing.assert_array_equal(found[..., 1:], features["block1_conv1"][..., 1:])
    was_positive = features["block1_conv1"][..., 0] > 0
    np.testing.assert_allclose(found[was_positive, 0], features["block1_conv1"][was_positive, 0] + 1, rtol=1e-4, atol=1e-3)
