"""Layers of VGG16's top, from a weights file of the whole network."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.backbones import BACKBONES, load_backbone, resolve_weights
from featx.backbones.published import PUBLISHED
from featx.errors import ImageSizeError, WeightsError
from featx.recipe import Recipe

SPEC = BACKBONES["vgg16"]
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NDArray[np.float32]]]:
    """A weights file of VGG16 with its top, and what that network gives at three layers."""
    import keras

    network = keras.applications.VGG16(weights=None)
    rng = np.random.default_rng(1)
    for layer in ("fc1", "fc2"):  # Keras' own start gives numbers that all but vanish
        kernel, bias = network.get_layer(layer).get_weights()
        network.get_layer(layer).set_weights([kernel * 4, rng.normal(size=bias.shape)])
    path = tmp_path_factory.mktemp("weights") / "whole.weights.h5"
    network.save_weights(path)
    names = ("block5_pool", "fc2", "predictions")
    outputs = keras.Model(network.input, [network.get_layer(name).output for name in names])
    pixels = keras.applications.vgg16.preprocess_input(PIXELS.astype(np.float32))
    found = dict(zip(names, map(np.asarray, outputs.predict(pixels, verbose=0)), strict=True))
    keras.backend.clear_session()
    return path, found


def recipe(path: Path, layers: tuple[str, ...], size: tuple[int, int] = (224, 224)) -> Recipe:
    """Make a recipe of VGG16 with the weights of a file."""
    return Recipe("vgg16", f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", layers, size, "caffe")


@pytest.mark.slow
def test_fc2_gives_4096_features(whole: tuple[Path, dict[str, NDArray[np.float32]]]) -> None:
    """As a map of 1 x 1, beside a layer of the base, in one forward pass: what Keras gives."""
    path, wanted = whole
    backbone = load_backbone(recipe(path, ("block5_pool", "fc2")), path, 1)
    found = backbone(PIXELS)
    assert found["fc2"].shape == (1, 1, 1, 4096)
    np.testing.assert_allclose(found["fc2"][:, 0, 0], wanted["fc2"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["block5_pool"], wanted["block5_pool"], rtol=1e-3, atol=1e-4)
    assert found["fc2"].std() > 0
    assert backbone.network["parameters"] == 14_714_688 + 25_088 * 4096 + 4096 + 4096 * 4096 + 4096


@pytest.mark.slow
def test_the_base_alone_comes_out_of_the_same_file(whole: tuple[Path, dict[str, NDArray[np.float32]]]) -> None:
    """Also at another image size, which the top would not take."""
    path, wanted = whole
    found = load_backbone(recipe(path, ("block5_pool",)), path, 1)(PIXELS)["block5_pool"]
    np.testing.assert_allclose(found, wanted["block5_pool"], rtol=1e-3, atol=1e-4)
    small = load_backbone(recipe(path, ("block5_pool",), (32, 32)), path, 1)(PIXELS[:, :32, :32])["block5_pool"]
    assert small.shape == (1, 1, 1, 512)


def test_the_top_takes_its_own_image_size_alone(whole: tuple[Path, dict[str, NDArray[np.float32]]]) -> None:
    """Its first dense layer has a weight for every position."""
    with pytest.raises(ImageSizeError, match=r"fc2, take images of 224x224 px alone\. Received: 96x96\. Leave --image-size"):
        load_backbone(recipe(whole[0], ("fc2",), (96, 96)), whole[0])


def test_a_file_without_the_top_has_no_fc2() -> None:
    """The bundled weights: the error says that the top is wanted, and which arrays are missing."""
    path = SPEC.bundled
    assert path is not None
    with pytest.raises(WeightsError, match=r"weights of vgg16 with its top: .+ 26 arrays where 32 .+\(25088, 4096\)"):
        load_backbone(recipe(path, ("fc2",)), path)


def test_imagenet_weights_of_the_top_are_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The one that Keras downloads, not the bundled one."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / SPEC.top_weights_file
    file.write_bytes(b"all of it")
    monkeypatch.setitem(PUBLISHED, file.name, hashlib.sha256(b"all of it").hexdigest())
    assert resolve_weights(SPEC, "imagenet", ("fc2",)) == (f"sha256:{hashlib.sha256(b'all of it').hexdigest()}", file)
