"""Every backbone in the table, built as Keras builds it: with random weights, at its smallest size."""

import hashlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featx.backbones import BACKBONES, BackboneSpec, load_backbone, resolve_weights
from featx.backbones.published import PUBLISHED
from featx.errors import WeightsError
from featx.recipe import Recipe

NETWORKS = [spec for spec in BACKBONES.values() if spec.of_keras]
SIZE_DEPENDENT = ("nasnetlarge", "nasnetmobile")  # their blocks have other layers where a map's side is odd


@pytest.fixture
def _fresh_session() -> Iterator[None]:
    """A Keras session that forgets its networks afterwards: forty of them would fill the memory. It takes up to a second."""
    yield
    import keras

    keras.backend.clear_session()


def random_recipe(spec: BackboneSpec, side: int) -> Recipe:
    """Make a recipe of the default layer with random weights."""
    return Recipe(spec.name, "random:0", spec.layers, (side, side), spec.preprocess)


def test_every_classifier_of_keras_applications_is_in_the_table() -> None:
    """No more and no fewer: what Keras offers as a function is a backbone."""
    import keras

    offered = {name for name, value in vars(keras.applications).items() if inspect.isfunction(value)}
    assert {spec.builder for spec in NETWORKS} == offered
    assert all(spec.name == spec.builder.lower() for spec in NETWORKS)


@pytest.mark.usefixtures("_fresh_session")
@pytest.mark.parametrize(
    "spec",
    # All of Keras' networks take minutes; the two that are in every run differ in preprocessing and in batch normalisation.
    [s if s.name in ("vgg16", "mobilenetv2") else pytest.param(s, marks=pytest.mark.slow) for s in NETWORKS],
    ids=lambda spec: spec.name,
)
def test_a_backbone_gives_what_keras_gives(spec: BackboneSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Map shape, layers and parameters are those of the table; the features those of Keras' own model and preprocessing."""
    import keras

    from featx.backbones import network

    built: list[Any] = []
    build = network.build_network
    monkeypatch.setattr(network, "build_network", lambda *a: built.append(build(*a)) or built[0])
    side = spec.smallest_side
    backbone = load_backbone(random_recipe(spec, side), batch_size=1)
    # Compiling forty graphs takes minutes and tells nothing about a table; test_network.py runs compiled ones.
    backbone._model.run_eagerly = True  # type: ignore[attr-defined]
    base = built[0]
    images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    found = backbone(images)[spec.layers[0]]
    module = inspect.getmodule(getattr(keras.applications, spec.builder))
    pixels = module.preprocess_input(images.astype(np.float32))  # type: ignore[union-attr]
    # Not through predict: another way to run the same weights.
    direct = np.asarray(keras.ops.convert_to_numpy(base(pixels, training=False)))
    assert found.shape[1:] == base.output_shape[1:]
    assert found.shape[3] == spec.map_shape[2]
    assert found.std() > 0
    np.testing.assert_allclose(found, direct, rtol=1e-3, atol=1e-3 * float(np.abs(direct).max()))
    if spec.name not in SIZE_DEPENDENT:
        assert backbone.network["parameters"] == spec.parameters
    assert sum(layer["parameters"] for layer in backbone.network["layers"]) == backbone.network["parameters"]


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("with_top", [False, True])
def test_weights_files_are_the_ones_that_keras_asks_for(
    spec: BackboneSpec, with_top: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The name under which Keras keeps the ImageNet weights: where a file of that name lies, nothing is downloaded."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    name = spec.top_weights_file if with_top else spec.weights_file
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).write_bytes(b"weights")
    if name in PUBLISHED:
        monkeypatch.setitem(PUBLISHED, name, hashlib.sha256(b"weights").hexdigest())
    if spec.bundled and not with_top:
        assert resolve_weights(spec, "imagenet")[1] == spec.bundled
        return
    digest, path = resolve_weights(spec, "imagenet", spec.top_layers[-1:] if with_top else spec.layers)
    assert path == tmp_path / "models" / name
    assert digest.startswith("sha256:")


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("with_top", [False, True])
def test_other_weights_under_keras_own_name_are_not_taken_for_imagenets(
    spec: BackboneSpec, with_top: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Random ones, say, or a download that was cut short; of two networks Keras publishes no digest."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    name = spec.top_weights_file if with_top else spec.weights_file
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).write_bytes(b"others")
    layers = spec.top_layers[-1:] if with_top else spec.layers
    if (spec.bundled and not with_top) or spec.name in ("mobilenet", "mobilenetv2"):
        assert name not in PUBLISHED or spec.bundled
        resolve_weights(spec, "imagenet", layers)
        return
    with pytest.raises(WeightsError, match=rf"{name}: is not the file .* Keras publishes .* its (MD5|SHA256) is .*--weights"):
        resolve_weights(spec, "imagenet", layers)
    digest = hashlib.sha256(b"others").hexdigest()
    assert resolve_weights(spec, str(tmp_path / "models" / name), layers)[0] == f"sha256:{digest}"


def test_published_digests_are_keras_own() -> None:
    """Each stands in the installed Keras."""
    import keras

    folder = Path(keras.__file__).parent / "src" / "applications"
    source = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    assert len(PUBLISHED) == 2 * (len(NETWORKS) - 2)
    assert [name for name, digest in PUBLISHED.items() if digest not in source] == []


@pytest.mark.parametrize("with_top", [False, True])
@pytest.mark.parametrize(
    "name", ["vgg19", "resnet50", "mobilenet", "mobilenetv2", "mobilenetv3small", "nasnetmobile", "xception"]
)
def test_a_missing_download_says_which_file_and_where_to_put_it(
    name: str, with_top: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keras asks for exactly the file of the table; without a network the error names it, Keras' folder and --weights."""
    from keras.src.utils import file_utils

    spec, asked = BACKBONES[name], []

    def no_network(fname: str, origin: str, **options: Any) -> str:
        asked.append(fname)
        assert options.get("file_hash") == PUBLISHED.get(fname)
        print(f"Downloading data from {origin}")  # as Keras does
        raise Exception(f"URL fetch failure on {origin}: None -- [Errno -3] Temporary failure in name resolution")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(file_utils, "get_file", no_network)
    wanted = spec.top_weights_file if with_top else spec.weights_file
    with pytest.raises(WeightsError, match=r"not at hand and Keras could not download them: URL fetch failure") as error:
        resolve_weights(spec, "imagenet", spec.top_layers[-1:] if with_top else ())
    assert asked == [wanted]
    assert wanted in str(error.value)
    assert str(tmp_path / "models") in str(error.value)
    assert "--weights FILE" in str(error.value)
    # What a command writes to stdout is its result alone.
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("_fresh_session")
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square:UserWarning")  # Keras' own MobileNet
@pytest.mark.parametrize(
    "name", ["mobilenet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("efficientnetb0", "densenet121"))]
)
def test_imagenet_weights_give_what_keras_gives_by_that_name(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file in Keras' folder gives the features of ``weights="imagenet"``, also where Keras then adds a layer."""
    import keras
    from keras.src.utils import file_utils

    spec = BACKBONES[name]
    side = 32
    builder = getattr(keras.applications, spec.builder)
    saved = builder(include_top=False, weights=None, input_shape=(side, side, 3))
    rng = np.random.default_rng(1)
    for variable in saved.weights:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            variable.assign(rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape))
        elif variable.name in ("mean", "variance"):
            variable.assign(rng.uniform(0.2, 0.5, shape))
    path = tmp_path / "models" / spec.weights_file
    path.parent.mkdir()
    saved.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.weights.h5").rename(path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setitem(PUBLISHED, spec.weights_file, hashlib.sha256(path.read_bytes()).hexdigest())

    # Keras reads a file by its suffix, and its own downloads are of the older of two formats.
    def load_as_new_format(model: Any, weights: str, **options: Any) -> None:
        link = tmp_path / "link.weights.h5"
        link.unlink(missing_ok=True)
        os.link(weights, link)
        load(model, str(link), **options)

    load = keras.Model.load_weights
    monkeypatch.setattr(keras.Model, "load_weights", load_as_new_format)
    monkeypatch.setattr(file_utils, "get_file", lambda *a, **k: str(path))
    by_name = builder(include_top=False, weights="imagenet", input_shape=(side, side, 3))
    module = inspect.getmodule(builder)
    images = rng.integers(0, 256, (2, side, side, 3), np.uint8)
    wanted = np.asarray(keras.ops.convert_to_numpy(by_name(module.preprocess_input(images.astype(np.float32)))))  # type: ignore[union-attr]
    digest, file = resolve_weights(spec, "imagenet")
    recipe = Recipe(spec.name, digest, spec.layers, (side, side), spec.preprocess)
    found = load_backbone(recipe, file, 2)(images)[spec.layers[0]]
    assert wanted.std() > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
