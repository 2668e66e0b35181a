"""Networks from Keras files: that what is taken of them is what Keras computes; hostile files are refused, and never run."""

import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import featx
from featx.backbones import describe_network, load_backbone
from featx.backbones.imported.keras_config import LAYERS, OPERATIONS
from featx.errors import BackboneError, FeatxError, ImageSizeError, RecipeError, UnknownLayer, WeightsError
from featx.recipe import Recipe, read_scaling
from tests.backbones.imported.graphs import pixels

SIDE = 32


def drawn(model: Any) -> Any:
    """Give a model weights that are all different."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 0.9, weight.shape).astype(weight.dtype) for weight in model.get_weights()])
    return model


def base(name: str = "base") -> Any:
    """A small convolutional base."""
    images = keras.Input((SIDE, SIDE, 3))
    values = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv")(images)
    values = layers.BatchNormalization(name="norm")(values)
    values = layers.ReLU(6.0, name="relu")(values)
    return keras.Model(
        images, layers.DepthwiseConv2D(3, strides=2, padding="same", activation="swish", name="last")(values), name=name
    )


def classifier() -> Any:
    """What tutorials of transfer learning save: augmentation, scaling, a base as a layer, a head."""
    images = keras.Input((SIDE, SIDE, 3))
    values = layers.RandomFlip(name="flip")(images)
    values = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(values)
    values = layers.GlobalAveragePooling2D(name="pool")(base()(values, training=False))
    return drawn(keras.Model(images, layers.Dense(3, activation="softmax", name="head")(layers.Dropout(0.2)(values))))


def operations() -> Any:
    """Sums, means and slices of tensors, as they are written without layers; a shared layer; tokens."""
    images = keras.Input((SIDE, SIDE, 3))
    values = layers.Conv2D(8, 8, strides=8, name="patches")(images)
    tokens = layers.Reshape((16, 8), name="rows")(values)
    tokens = layers.LayerNormalization(name="norm")(tokens)
    tokens = tokens + layers.MultiHeadAttention(2, 4, name="attention")(tokens, tokens)
    dense = layers.Dense(8, activation="gelu", name="dense")
    tokens = layers.Add(name="out")([dense(dense(tokens)), tokens * 2.0])
    return drawn(keras.Model(images, [tokens, keras.ops.mean(tokens, axis=1)[:, 0:4]]))


def saved(model: Any, path: Path) -> Path:
    """Write a model; of .h5 Keras warns that it is old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def features(path: Path, images: Any, *names: str, preprocess: str = "none") -> dict[str, Any]:
    """Return what a network's default layers, or those named, give for images."""
    found = describe_network(path, names, scaling=read_scaling(preprocess))
    recipe = Recipe(found.kind, found.digest, found.taken, found.image_size, found.preprocess)
    return load_backbone(recipe, path, 2)(images)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_last_map_of_a_classifier_is_what_keras_computes(suffix: str, tmp_path: Path) -> None:
    """Inside the base, though that is a layer of another model; pixels go in as they are, as it scales them itself."""
    model = classifier()
    path = saved(model, tmp_path / f"network{suffix}")
    images = pixels(3, SIDE, SIDE)
    found = describe_network(path)
    assert (found.kind, found.preprocess, found.taken, found.image_size) == ("keras", "none", ("base_last",), (SIDE, SIDE))
    assert any("Rescaling" in note for note in found.notes)
    scaled = images / np.float32(127.5) - 1
    inner = model.get_layer("base")
    last = inner.predict_on_batch(scaled)
    wanted = {"base_last": last, "pool": last.mean(axis=(1, 2))[:, None, None]}
    wanted["base_relu"] = keras.Model(inner.inputs, inner.get_layer("relu").output).predict_on_batch(scaled)
    given = features(path, images, "last", "pool", "base/relu")
    assert list(given) == ["base_last", "pool", "base_relu"]
    for name, values in wanted.items():
        np.testing.assert_allclose(given[name], np.asarray(values), rtol=1e-4, atol=1e-5)


def test_operations_shared_layers_and_tokens(tmp_path: Path) -> None:
    """Whatever stands in the graph, named or not; tokens of a grid are a map, as there is no class token."""
    model = operations()
    path = saved(model, tmp_path / "network.keras")
    images = pixels(3, SIDE, SIDE)
    tokens, means = (np.asarray(values) for values in model(images.astype(np.float32)))
    given = features(path, images, "out", "get_item")
    np.testing.assert_allclose(given["out:patches"], tokens.reshape(3, 4, 4, 8), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(given["get_item"], means[:, None, None], rtol=1e-4, atol=1e-4)
    assert describe_network(path).taken == ("out:patches",)
    assert {"dense", "dense_2"} <= {layer.tensor.name for layer in describe_network(path).layers}


def test_any_image_size_and_pixel_scaling(tmp_path: Path) -> None:
    """A model without a size of its own takes any; one without a scaling of its own says what was taken."""
    images = keras.Input((None, None, 3))
    model = drawn(keras.Model(images, layers.Conv2D(4, 4, strides=4)(images)))
    path = saved(model, tmp_path / "network.keras")
    found = describe_network(path, image_size=(24, 32))
    assert (found.image_size, found.preprocess) == ((24, 32), "rescale")
    assert describe_network(path).image_size == (224, 224)
    given = pixels(2, 24, 32)
    recipe = Recipe("keras", found.digest, found.taken, (24, 32), "mean=0.5,0.4,0.3 std=0.2,0.3,0.4")
    (maps,) = load_backbone(recipe, path)(given).values()
    scaled = ((given / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]).astype(np.float32)
    np.testing.assert_allclose(maps, np.asarray(model(scaled)), rtol=1e-4, atol=1e-5)
    with pytest.raises(RecipeError, match="takes images as Keras does"):
        describe_network(path, scaling=read_scaling("torch nchw"))


MEANS = np.array([0.485, 0.456, 0.406], np.float32)


@pytest.mark.parametrize(
    ("scale", "preprocess"),
    [
        (keras.applications.mobilenet_v2.preprocess_input, "none"),
        (keras.applications.resnet50.preprocess_input, "none"),
        (keras.applications.densenet.preprocess_input, "none"),
        (lambda images: images / 255.0, "none"),
        (lambda images: (1 / 255.0) * images, "none"),
        (lambda images: keras.ops.divide(x1=images, x2=255.0), "none"),
        (lambda images: (images - MEANS) / 0.25, "rescale"),
        (layers.Rescaling(2.0, offset=-1.0), "rescale"),
        (layers.Rescaling(1 / 127.5, offset=-1.0), "none"),
        (layers.Normalization(mean=MEANS, variance=MEANS), "rescale"),
        (lambda images: layers.Add()([images, layers.Dropout(0.5)(images)]), ""),
    ],
    ids=["tf", "caffe", "torch", "divided", "factor", "by name", "mean", "spread", "small", "normalization", "none"],
)
def test_a_scaling_that_is_written_as_operations_is_told(scale: Any, preprocess: str, tmp_path: Path) -> None:
    """What ``preprocess_input`` of ``keras.applications`` does inside a model is not done a second time."""
    images = keras.Input((SIDE, SIDE, 3))
    model = drawn(keras.Model(images, layers.Conv2D(4, 4, strides=4, name="conv")(layers.RandomFlip()(scale(images)))))
    path = saved(model, tmp_path / "network.keras")
    found = describe_network(path)
    assert found.preprocess == (preprocess or "rescale")
    assert ("begins with a scaling of its own" in found.notes[0]) == bool(preprocess)
    pictures = pixels(2, SIDE, SIDE)
    wanted = np.asarray(model.predict_on_batch(pictures / np.float32(255 if found.preprocess == "rescale" else 1)))
    np.testing.assert_allclose(features(path, pictures, preprocess=found.preprocess)["conv"], wanted, rtol=1e-3, atol=1e-4)


def test_images_as_bytes_are_cast_by_the_network_itself(tmp_path: Path) -> None:
    """A cast is no code of the file's; with it an input of bytes is one of pixels from 0 to 255."""
    images = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    model = drawn(keras.Model(images, layers.Conv2D(4, 4, strides=4, name="conv")(keras.ops.cast(images, "float32"))))
    path = saved(model, tmp_path / "network.keras")
    found = describe_network(path)
    assert (found.preprocess, [note for note in found.notes if "preprocess" in note]) == ("none", [])
    pictures = pixels(2, SIDE, SIDE)
    np.testing.assert_allclose(features(path, pictures)["conv"], np.asarray(model(pictures)), rtol=1e-4, atol=1e-4)
    with pytest.raises(RecipeError, match=r"takes bytes from 0 to 255 and scales them itself\. Received: --preprocess torch"):
        describe_network(path, scaling=read_scaling("torch"))


def test_names_and_sizes_that_there_are_not(tmp_path: Path) -> None:
    """A layer of two bases is asked for; another size is refused."""
    images = keras.Input((SIDE, SIDE, 3))
    both = layers.Concatenate()([base("left")(images), base("right")(images)])
    path = saved(keras.Model(images, both), tmp_path / "network.keras")
    with pytest.raises(UnknownLayer, match=r"2 layers share the name 'relu'\. Give one of: left_relu, right_relu\."):
        describe_network(path, ["relu"])
    with pytest.raises(UnknownLayer, match="has no layer 'block9'"):
        describe_network(path, ["block9"])
    with pytest.raises(ImageSizeError, match=r"takes images of 32x32 px \(height x width\) alone"):
        describe_network(path, image_size=(64, 64))


def test_inputs_that_are_no_images_are_refused(tmp_path: Path) -> None:
    """Two inputs, grey images, rows of numbers."""
    for shapes in ([(8, 8, 3), (4,)], [(8, 8, 1)], [(9,)]):
        inputs = [keras.Input(shape) for shape in shapes]
        outputs = (
            layers.Concatenate()([layers.Flatten()(one) for one in inputs]) if len(inputs) > 1 else layers.Dense(2)(inputs[0])
        )
        path = saved(keras.Model(inputs, outputs), tmp_path / "network.keras")
        with pytest.raises(BackboneError, match=r"one array of images \(n, height, width, 3\) is wanted"):
            describe_network(path)


# Hostile files: a healthy archive of which the configuration or the weights are changed.

Config = dict[str, Any]


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    """A small model that nothing is wrong with."""
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, activation="relu"), layers.GlobalMaxPooling2D(), layers.Dense(2)]
    )
    return saved(model, tmp_path / "healthy.keras")


def rewritten(path: Path, change: Callable[[Config], object]) -> Path:
    """Return a copy of an archive with another configuration."""
    copy = path.with_name("hostile.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                document = json.loads(data)
                change(document)
                data = json.dumps(document).encode()
            new.writestr(name, data)
    return copy


def layer_of(config: Config, place: int) -> Config:
    """Return one layer's part of a configuration."""
    layer: Config = config["config"]["layers"][place]
    return layer


def calls(name: str, module: str, argument: str = "touch ran") -> Config:
    """Return what a deserializer takes for a function of a module, or for an object made of an argument."""
    return {"class_name": "function", "config": name, "module": module, "registered_name": name, "argument": argument}


def set_in(place: int, key: str, value: Any) -> Callable[[Config], object]:
    """Return a change of one setting of one layer."""
    return lambda config: layer_of(config, place)["config"].__setitem__(key, value)


def as_layer(place: int, name: str, module: str, settings: Config) -> Callable[[Config], object]:
    """Return a change of one layer to another."""
    return lambda config: config["config"]["layers"].__setitem__(
        place, {"class_name": name, "module": module, "config": {"name": "x"} | settings, "registered_name": name}
    )


HOSTILE: dict[str, Callable[[Config], object]] = {
    "os.system as a layer": as_layer(1, "system", "os", {"command": "touch ran"}),
    "get_file as a layer": as_layer(1, "get_file", "keras.utils", {"fname": "x", "origin": "file:///etc/passwd"}),
    "a lambda": as_layer(1, "Lambda", "keras.layers", {"function": {"class_name": "__lambda__", "config": {"code": "4wAA"}}}),
    "a lambda inside a value": set_in(1, "kernel_size", {"class_name": "__lambda__", "config": {"code": "4wAA"}}),
    "a saved model as a layer": as_layer(1, "TFSMLayer", "keras.layers", {"filepath": "/tmp/evil"}),
    "a pickle as a layer": as_layer(1, "TorchModuleWrapper", "keras.layers", {"module": "4wAA"}),
    "a vocabulary from a file": as_layer(1, "StringLookup", "keras.layers", {"vocabulary": "/etc/passwd"}),
    "a registered class": as_layer(1, "Custom>Evil", "evil", {}),
    "a class of another package": as_layer(1, "Dense", "evil.layers", {"units": 2}),
    "a class beside the layers": as_layer(1, "Layer", "keras.layers", {}),
    "a function as an activation": set_in(1, "activation", calls("system", "os")),
    "load_model as an activation": set_in(1, "activation", calls("load_model", "keras.saving")),
    "a reader as an activation": set_in(1, "activation", "deserialize"),
    "an unknown activation": set_in(1, "activation", "Custom>evil"),
    "a function as a setting": set_in(1, "padding", calls("get_file", "keras.utils")),
    "an object as a setting": set_in(1, "name", {"module": "keras.src.utils", "class_name": "X", "config": {}}),
    "a type that is none": set_in(1, "dtype", {"module": "evil", "class_name": "Policy", "config": {"name": "evil"}}),
    "an operation of no allowed module": as_layer(1, "WhileLoop", "keras.src.ops.core", {}),
    "a function among the operations": as_layer(1, "absolute", OPERATIONS[0], {}),
    "no layer": lambda config: config["config"].__setitem__("layers", ["Dense"]),
    "no layers": lambda config: config["config"].pop("layers"),
    "no model": lambda config: config.update(class_name="Dense", module="keras.layers"),
    "deep": lambda config: config["config"]["layers"].__setitem__(1, nested(40)),
    "nested values": set_in(1, "kernel_size", json.loads("[" * 50 + "]" * 50)),
    "a huge number": set_in(1, "filters", 10**12),
    "channels first": set_in(1, "data_format", "channels_first"),
    "more weights than are stored": set_in(3, "units", 10**9),
    "other weights than are stored": set_in(3, "units", 3),
    "an impossible layer": set_in(1, "kernel_size", [99, 99]),
}


def nested(depth: int) -> Config:
    """Return models inside models."""
    inner: Config = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}}
    for _ in range(depth):
        inner = {"class_name": "Sequential", "module": "keras", "config": {"layers": [inner]}}
    return inner


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_configuration_is_refused_and_nothing_of_it_is_run(
    name: str, healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One typed error with the file's name, before Keras makes anything of it."""
    monkeypatch.chdir(tmp_path)
    path = rewritten(healthy, HOSTILE[name])
    with pytest.raises(FeatxError) as refused:
        describe_network(path)
    assert str(path) in str(refused.value)
    assert len(str(refused.value)) < 1500
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_that_keras_itself_saved_is_refused(suffix: str, tmp_path: Path) -> None:
    """As Keras writes it, with code inside."""
    images = keras.Input((8, 8, 3))
    path = saved(
        keras.Model(images, layers.Lambda(lambda values: values * 2, output_shape=(8, 8, 3))(images)), tmp_path / f"n{suffix}"
    )
    with pytest.raises(
        WeightsError, match=r"names the layer 'Lambda' of 'keras\.layers'\. featx builds layers of Keras itself alone"
    ):
        describe_network(path)


def test_a_custom_layer_is_refused_even_where_it_is_registered(tmp_path: Path) -> None:
    """Its class is in this process, and would be found: a file may not name it."""

    @keras.saving.register_keras_serializable("tests")
    class Twice(layers.Layer):
        def call(self, values: Any) -> Any:
            return values * 2

    images = keras.Input((8, 8, 3))
    path = saved(keras.Model(images, Twice()(images)), tmp_path / "n.keras")
    with pytest.raises(WeightsError, match=r"names the layer 'Twice' of '.*'\..*export the network to ONNX"):
        describe_network(path)


def test_every_class_that_is_allowed_is_a_layer_of_keras() -> None:
    """None of them is missing, runs code of a file, or reads one."""
    assert all(issubclass(getattr(keras.layers, name), keras.Layer) for name in LAYERS)
    assert not LAYERS & {
        "Lambda",
        "TFSMLayer",
        "JaxLayer",
        "FlaxLayer",
        "TorchModuleWrapper",
        "StringLookup",
        "TextVectorization",
    }


def test_damaged_archives_and_other_files_are_refused(healthy: Path, tmp_path: Path) -> None:
    """Cut short, without weights, weights alone, of another model, with a link inside."""
    cut = tmp_path / "cut.keras"
    cut.write_bytes(healthy.read_bytes()[:-700])
    bare, linked, h5 = tmp_path / "bare.keras", tmp_path / "linked.keras", tmp_path / "weights.h5"
    with zipfile.ZipFile(healthy) as old:
        config, weights = old.read("config.json"), old.read("model.weights.h5")
    with zipfile.ZipFile(bare, "w") as new:
        new.writestr("config.json", config)
    h5.write_bytes(weights)
    with h5py.File(h5, "a") as file:
        file["layers/conv2d/vars/2"] = h5py.ExternalLink("/etc/passwd", "/")
    with zipfile.ZipFile(linked, "w") as new:
        new.writestr("config.json", config)
        new.write(h5, "model.weights.h5")
    for path, message in {
        cut: "damaged or cut short",
        bare: "has no model.weights.h5",
        linked: "holds a link",
        h5: "holds weights alone|holds a link",
    }.items():
        with pytest.raises(WeightsError, match=message):
            describe_network(path)


def test_columns_of_a_layer_without_places_have_names(tmp_path: Path) -> None:
    """As those of a map of 1 x 1."""
    extractor = featx.FeatureExtractor(saved(classifier(), tmp_path / "network.keras"), layer="pool", pooling="avg")
    assert extractor.get_feature_names_out().tolist() == [f"pool_avg_{channel}" for channel in range(4)]
    assert extractor.set_params(pooling="flatten").get_feature_names_out()[-1] == "pool_y0_x0_c3"


def test_a_renamed_file_is_the_same_network(healthy: Path, tmp_path: Path) -> None:
    """What kind it is stands in its bytes, and which one it is in its digest."""
    found = describe_network(healthy)
    renamed = tmp_path / "anything.bin2"
    shutil.copy(healthy, renamed)
    assert describe_network(renamed).digest == found.digest
    recipe = Recipe("keras", found.digest, found.taken, found.image_size, found.preprocess)
    assert load_backbone(recipe, renamed)(pixels(1, 8, 8)).keys() == set(found.taken)
