"""Files that users have weights in: networks with layers of their own around the base, failed trainings, other backends."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from featx.backbones import load_backbone
from featx.backbones.tail import assign_arrays
from featx.errors import BackboneError, WeightsError
from tests.backbones.test_network import SPEC, noise, recipe

SUFFIXES = (".h5", ".keras", ".weights.h5")
SIDE = 32


@pytest.fixture(scope="module")
def base() -> Any:
    """VGG16 without its top, somewhat off its ImageNet weights, as after a fine-tuning."""
    made = keras.applications.VGG16(include_top=False, weights=str(SPEC.bundled), input_shape=(SIDE, SIDE, 3))
    rng = np.random.default_rng(0)
    made.set_weights([array * rng.normal(1, 0.05, array.shape).astype(np.float32) for array in made.get_weights()])
    return made


@pytest.fixture(scope="module")
def wanted(base: Any) -> np.ndarray:
    """What it gives for two images."""
    pixels = keras.applications.vgg16.preprocess_input(noise(2, SIDE).astype(np.float32))
    return np.asarray(base.predict_on_batch(pixels))


def nested(base: Any) -> Any:
    """The tutorials' own model, its base frozen."""
    base.trainable = False
    network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), base, layers.Flatten(), layers.Dense(3)])
    base.trainable = True
    return network


def unfrozen(base: Any) -> Any:
    """The same with the last block trained, whose weights Keras then writes first."""
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block5")
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), base, layers.Flatten(), layers.Dense(3)])


def augmented(base: Any) -> Any:
    """Layers before the base and behind it."""
    images = keras.Input((SIDE, SIDE, 3))
    values = base(keras.applications.vgg16.preprocess_input(layers.RandomFlip()(images)))
    return keras.Model(images, layers.Dense(3)(layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(values))))


def flat(base: Any) -> Any:
    """The base's own layers go on."""
    return keras.Model(base.input, layers.Dense(3)(layers.Flatten()(base.output)))


def identity(path: Path) -> str:
    """Return a file's identity, as a recipe has it."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def features(path: Path) -> np.ndarray:
    """Return the features of two images with a file's weights."""
    backbone = load_backbone(recipe(SIDE, ("block5_pool",), weights=identity(path)), path, batch_size=2)
    return backbone(noise(2, SIDE))["block5_pool"]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("build", "suffix"),
    [
        *((nested, suffix) for suffix in SUFFIXES),
        *zip((unfrozen, augmented, flat), SUFFIXES, strict=True),
        *(
            pytest.param(build, suffix, marks=pytest.mark.slow)
            for place, build in enumerate((unfrozen, augmented, flat))
            for suffix in SUFFIXES
            if suffix != SUFFIXES[place]
        ),
    ],
)
def test_a_network_around_the_base_gives_its_base(
    base: Any, wanted: np.ndarray, tmp_path: Path, build: Callable[[Any], Any], suffix: str
) -> None:
    """Saved whole or its weights alone, whichever layers were trained: the base's own features."""
    path = tmp_path / f"mine{suffix}"
    network = build(base)
    (network.save_weights if suffix == ".weights.h5" else network.save)(path)
    base.trainable = True
    np.testing.assert_allclose(features(path), wanted, rtol=1e-4, atol=1e-4 * wanted.max())


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_base_that_cannot_be_found_is_asked_for(base: Any, tmp_path: Path) -> None:
    """Its layers have other names in the file: the error has the line that saves the base alone."""
    path = tmp_path / "mine.h5"
    nested(base).save(path)
    with h5py.File(path, "a") as file:
        group = file["model_weights/vgg16"]
        names = [name.replace("block", "part") for name in group.attrs["weight_names"]]
        for old, new in zip(group.attrs["weight_names"], names, strict=True):
            group.move(old, new)
        group.attrs["weight_names"] = names
    with pytest.raises(
        WeightsError, match=r"28 arrays where 26 are wanted.*model\.get_layer\('vgg16'\)\.save_weights\('base\.weights\.h5'\)\."
    ):
        features(path)


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """A copy of the bundled weights, to be changed."""
    path = tmp_path / "mine.weights.h5"
    shutil.copy(SPEC.bundled, path)
    return path


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("layers/conv2d_5/vars/0", np.nan, "block3_conv2 holds values that are infinite or no numbers in its kernel"),
        ("layers/conv2d_12/vars/1", -np.inf, "block5_conv3 holds values that are infinite or no numbers in its bias"),
        ("layers/conv2d/vars/0", np.inf, "block1_conv1 holds values that are infinite or no numbers in its kernel"),
    ],
)
def test_values_that_are_no_numbers_are_refused(bundled: Path, member: str, value: float, said: str) -> None:
    """A single one, as a training leaves them that failed: the error names the layer."""
    with h5py.File(bundled, "a") as file:
        array = file[member][()]
        array.flat[-1] = value
        file[member][...] = array
    with pytest.raises(WeightsError, match=rf"mine\.weights\.h5: layer {said}\. .*--weights imagenet"):
        features(bundled)


def test_fine_tuned_layers_that_hold_no_numbers_are_refused() -> None:
    """Those of a model file too."""
    dense = layers.Dense(2)
    dense.build((None, 3))
    with pytest.raises(BackboneError, match="weight 'fc/bias' holds values that are infinite or no numbers"):
        assign_arrays({"fc": dense}, {"fc/bias": np.array([0, np.nan], np.float32)})


@pytest.mark.parametrize("tuned", [False, True], ids=["imagenet", "fine-tuned"])
def test_kernels_of_theano_are_refused(bundled: Path, tuned: bool) -> None:
    """Every kernel turned by 180 degrees, nothing else to tell by: known by the ImageNet weights that featx holds."""
    rng = np.random.default_rng(0)
    with h5py.File(bundled, "a") as file:
        for layer in file["layers"]:
            if "0" in file[f"layers/{layer}/vars"]:
                kernel = file[f"layers/{layer}/vars/0"]
                kernel[...] = kernel[()][::-1, ::-1] * (rng.normal(1, 0.1, kernel.shape) if tuned else 1)
    with pytest.raises(WeightsError, match=r"kernels as Theano has them, turned by 180 degrees.*kernel\[::-1, ::-1\]"):
        features(bundled)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_files_that_name_theano_are_refused(base: Any, tmp_path: Path) -> None:
    """Whatever they hold: Keras 2 wrote the backend beside the weights."""
    path = tmp_path / "mine.h5"
    nested(base).save(path)
    with h5py.File(path, "a") as file:
        file.attrs["backend"] = "theano"
    with pytest.raises(WeightsError, match="kernels as Theano has them"):
        features(path)


def test_weights_that_have_nothing_to_do_with_imagenet_are_taken(base: Any, tmp_path: Path) -> None:
    """Trained from scratch: their first kernel is like neither."""
    fresh = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    fresh.save_weights(tmp_path / "mine.weights.h5")
    pixels = keras.applications.vgg16.preprocess_input(noise(2, SIDE).astype(np.float32))
    wanted = np.asarray(fresh.predict_on_batch(pixels))
    np.testing.assert_allclose(features(tmp_path / "mine.weights.h5"), wanted, rtol=1e-4, atol=1e-4 * wanted.max())
