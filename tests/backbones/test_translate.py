"""Networks written down for ncnn: every kind of layer gives what Keras gives, at odd sizes too."""

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.backbones.graph import Graph
from featx.errors import BackboneError
from featx.recipe import Recipe

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from featx.backbones.engines import distance  # noqa: E402
from featx.backbones.network import describe  # noqa: E402
from featx.backbones.translate import translate  # noqa: E402
from featx.backbones.winograd import WinogradBackbone  # noqa: E402

SIZE = (37, 50)


def images(n: int = 3) -> NDArray[np.uint8]:
    """Pixels with no order in them."""
    return np.random.default_rng(5).integers(0, 256, (n, *SIZE, 3), np.uint8)


def seeded(network: keras.Model) -> keras.Model:
    """Draw weights that leave nothing at 0 or 1, means, variances and factors too, and values that nothing saturates."""
    rng = np.random.default_rng(7)
    for variable in network.weights:
        if variable.name in ("moving_variance", "gamma", "variance"):
            values = rng.uniform(0.5, 1.5, variable.shape)
        elif len(variable.shape) > 1:
            # Of a kernel for each channel, (h, w, channels, 1), a channel sees h * w places.
            seen = np.prod(variable.shape[:2] if variable.shape[-1] == 1 else variable.shape[:-1])
            values = rng.normal(0, np.sqrt(2 / seen), variable.shape)
        else:
            values = rng.uniform(-0.4, 0.6, variable.shape)
        variable.assign(values.astype(np.float32))
    for layer in network.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return network


def by_winograd(network: keras.Model, names: list[str], pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Run some layers of a network of Keras by the Winograd engine."""
    recipe = Recipe("vgg16", "none", tuple(names), SIZE, "none")
    kept = {name: network.get_layer(name) for name in names}
    program = translate(network.operations, kept)
    return WinogradBackbone(recipe, program, describe(network, {layer.name: layer for layer in network.layers}), 2)(pixels)


def agree(network: keras.Model, names: list[str]) -> None:
    """Compare layers with Keras' own forward pass."""
    pixels = images()
    found = by_winograd(network, names, pixels)
    part = keras.Model(network.input, [network.get_layer(name).output for name in names])
    wanted = part.predict_on_batch(pixels.astype(np.float32))
    for name, values in zip(names, wanted if len(names) > 1 else [wanted], strict=True):
        assert found[name].reshape(values.shape).shape == values.shape
        assert distance(values.reshape(found[name].shape), found[name]) < 1e-5, name


@pytest.fixture(scope="module")
def every_kind() -> keras.Model:
    """A network with each kind of layer, most of them at odd sides, and maps that several layers read."""
    pixels = keras.Input((*SIZE, 3))
    x = layers.Rescaling([0.01, 0.02, 0.03], offset=-0.5, name="rescaled")(pixels)
    x = layers.Normalization(name="normalized")(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="strided")(x)
    x = first = layers.ReLU(6.0, name="limited")(layers.BatchNormalization(name="strided_bn")(x))
    x = layers.Activation("hard_swish", name="hard")(layers.Conv2D(16, 3, padding="same", name="winograd")(x))
    x = layers.Add(name="sum")([x, first])
    x = layers.ZeroPadding2D(((1, 2), (0, 3)), name="padded")(x)
    x = layers.DepthwiseConv2D(5, strides=2, padding="valid", name="depthwise")(x)
    x = layers.Activation("swish", name="swish")(layers.BatchNormalization(scale=False, name="depthwise_bn")(x))
    x = layers.SeparableConv2D(16, 3, padding="same", name="separable")(x)
    pooled = layers.AveragePooling2D(3, strides=1, padding="same", name="average")(x)
    largest = layers.MaxPooling2D(3, strides=1, padding="same", name="largest")(x)
    x = layers.Concatenate(name="joined")([pooled, largest])
    # Strides of 2 from 9 and 12: of the even side all of the margin comes behind.
    halves = [layers.MaxPooling2D(3, strides=2, padding="same", name="largest_half")(x)]
    halves.append(layers.AveragePooling2D(3, strides=2, padding="same", name="average_half")(x))
    x = layers.Conv2D(12, (1, 7), padding="same", activation="sigmoid", name="wide")(x)
    # Squeeze and excitation, where channels and the map's sides are equally many; hard sigmoid as MobileNetV3 has it.
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name="squeezed")(x)
    squeezed = layers.Conv2D(8, 1, activation="relu", name="reduced")(squeezed)
    excited = layers.Conv2D(12, 1, name="expanded")(squeezed)
    excited = layers.ReLU(6.0, name="gate")(excited + 3.0) * (1.0 / 6.0)
    x = layers.Multiply(name="excited")([x, excited])
    x = layers.Cropping2D(((1, 0), (0, 2)), name="cropped")(x)
    x = last = layers.MaxPooling2D(2, name="halved")(x)
    flat = layers.Flatten(name="flat")(last)
    x = layers.Dense(10, activation="relu", name="dense")(layers.Dropout(0.5, name="dropped")(flat))
    x = layers.Dense(4, activation="softmax", name="classes")(x)
    return seeded(keras.Model(pixels, [x, *halves]))


KINDS = [
    "normalized",
    "limited",
    "winograd",
    "sum",
    "depthwise",
    "swish",
    "separable",
    "average",
    "largest",
    "wide",
    "excited",
    "cropped",
]
HALVES = ["largest_half", "average_half"]


@pytest.mark.parametrize("names", [[*KINDS, *HALVES, "halved", "flat", "dense", "classes"], ["classes"], ["flat"], HALVES])
def test_every_kind_of_layer_gives_what_keras_gives(every_kind: keras.Model, names: list[str]) -> None:
    """All in one pass, and what lies deep by itself: what is fused then must not be other numbers."""
    agree(every_kind, names)


def test_layers_are_given_in_the_order_asked_for(every_kind: keras.Model) -> None:
    """Deep ones first: each is itself, whatever the order in which they are computed."""
    pixels = images(1)
    found = by_winograd(every_kind, ["cropped", "limited", "sum"], pixels)
    for name in found:
        np.testing.assert_array_equal(found[name], by_winograd(every_kind, [name], pixels)[name])


def test_nothing_is_read_behind_the_last_layer_kept(every_kind: keras.Model) -> None:
    """The program ends with it, and holds no weights that it does not need."""
    program = translate(every_kind.operations, {"sum": every_kind.get_layer("sum")})
    assert [line.split()[0] for line in program.text.splitlines()[2:]].count("Convolution") == 2
    # Fused: of each convolution a tag, its kernel and its bias; of each of the two scalings factors and sums.
    assert len(program.weights) == 2 * 3 + 2 * 2


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(name="odd"),
        layers.Conv2D(3, 3, groups=3, padding="same", name="odd"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, name="odd"),
        layers.Activation("gelu", name="odd"),
        layers.Dense(4, name="odd"),
        layers.LeakyReLU(name="odd"),
        layers.ReLU(negative_slope=0.1, name="odd"),
        layers.Concatenate(axis=1, name="odd"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_that_is_not_known_is_named(layer: keras.Layer) -> None:
    """Also a known kind with settings that would mean something else: never another number, always an error."""
    pixels = keras.Input((*SIZE, 3))
    output = layer([pixels, pixels]) if isinstance(layer, layers.Concatenate) else layer(pixels)
    network = keras.Model(pixels, output)
    with pytest.raises(BackboneError, match=rf"layer odd: is a {type(layer).__name__} that the Winograd engine does not have"):
        translate(network.operations, {"odd": network.get_layer("odd")})


def test_tiny_maps_do_without_winograd() -> None:
    """Of 3 x 3 alone is the output's shape given, by which ncnn chooses its tiles; of up to 2 px it is told to multiply."""
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="large")(pixels)
    x = layers.Conv2D(8, 3, padding="same", name="tiny")(layers.MaxPooling2D(4)(x))
    network = keras.Model(pixels, layers.Conv2D(8, 1, name="flat")(x))
    program = translate(network.operations, {"flat": network.get_layer("flat")})
    large, tiny, flat = (line.split() for line in program.text.splitlines() if line.startswith("Convolution"))
    assert "-23330=4,3,8,8,8" in large
    assert "-23330=4,3,2,2,8" in tiny
    assert ["31=64" in line for line in (large, tiny, flat)] == [False, True, False]
    assert not any(word.startswith("-23330") for word in flat)


def test_scaling_behind_a_wanted_convolution_stays_its_own_layer() -> None:
    """What is kept is what the convolution itself gives: nothing may be folded into it."""
    graph = Graph()
    kernel = np.ones((2, 3, 1, 1), np.float32)
    convolved = graph.add("Convolution", [graph.source], {0: 2, 1: 1, 5: 0, 6: 6}, [kernel])
    scaled = graph.add("Scale", [convolved], {0: 2, 1: 1}, [np.full(2, 2, np.float32), np.ones(2, np.float32)])
    kinds = {}
    for wanted in ({"scaled": scaled}, {"scaled": scaled, "convolved": convolved}):
        program = graph.finished({name: (blob, (1, 1, 2)) for name, blob in wanted.items()})
        kinds[len(wanted)] = [line.split()[0] for line in program.text.splitlines()[2:]]
    assert kinds == {1: ["Input", "Convolution"], 2: ["Input", "Convolution", "Scale"]}
    np.testing.assert_array_equal(kernel, 1)
