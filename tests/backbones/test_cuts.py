"""Where networks can be cut, against hand-made graphs and what is known of VGG16 and ResNet."""

from typing import Any

import pytest

from featx.backbones import BACKBONES, load_tail
from featx.errors import BackboneError, UnknownLayer
from featx.recipe import Recipe


@pytest.fixture(scope="module")
def keras() -> Any:
    """Keras."""
    import keras

    return keras


def residual(keras: Any) -> Any:
    """Make a chain, a residual block around two layers, and a chain again."""
    inputs = keras.Input((4, 4, 2), name="pixels")
    x = keras.layers.Conv2D(3, 1, name="a")(inputs)
    x = keras.layers.Activation("relu", name="b")(x)
    y = keras.layers.Conv2D(3, 1, name="c")(x)
    y = keras.layers.Conv2D(3, 1, name="d")(y)
    z = keras.layers.Add(name="e")([x, y])
    z = keras.layers.Conv2D(3, 1, name="f")(z)
    return keras.Model(inputs, z)


def recipe(backbone: str, side: int = 32, layers: tuple[str, ...] = ()) -> Recipe:
    """Make a recipe with random weights."""
    spec = BACKBONES[backbone]
    return Recipe(backbone, "random:0", layers or spec.layers, (side, side), spec.preprocess)


def test_cuts_are_where_one_layer_is_all_that_follows_sees(keras: Any) -> None:
    """Not inside the block, where the shortcut goes past; both layers after a cut may be named; not from the pixels."""
    from featx.backbones.cuts import find_cuts

    assert find_cuts(residual(keras)) == {"b": "a", "c": "b", "f": "e"}


def test_no_cut_is_behind_tokens(keras: Any) -> None:
    """A cache keeps maps, and rows of numbers; the layers of a transformer see tokens between its patches and its head."""
    from featx.backbones.cuts import choose_cut, find_cuts

    inputs = keras.Input((8, 8, 3), name="pixels")
    tokens = keras.layers.Reshape((16, 4), name="rows")(keras.layers.Conv2D(4, 2, strides=2, name="patches")(inputs))
    tokens = keras.layers.Dense(40, name="block")(keras.layers.LayerNormalization(name="norm")(tokens))
    mean = keras.layers.GlobalAveragePooling1D(name="mean")(tokens)
    network = keras.Model(inputs, keras.layers.Dense(2, name="head")(mean))
    assert find_cuts(network) == {"rows": "patches", "head": "mean"}
    assert choose_cut(network, "keras", None, "mean") == ("rows", "patches")
    with pytest.raises(BackboneError, match=r"what is before it is no map.* Give --from one of: rows\."):
        choose_cut(network, "keras", "block", "mean")


def test_vgg16_can_be_cut_before_every_layer_but_the_first() -> None:
    """It is a chain: each layer's cut is the layer before it."""
    from featx.backbones.cuts import find_cuts
    from featx.backbones.network import build_network

    network = build_network(recipe("vgg16"), None)
    names = [layer.name for layer in network.layers]
    assert find_cuts(network) == dict(zip(names[2:], names[1:-1], strict=True))


@pytest.mark.parametrize(
    ("backbone", "start", "before"),
    [
        ("vgg16", None, "block4_pool"),
        ("vgg16", "block5_conv3", "block5_conv2"),
        ("vgg19", None, "block4_pool"),
        ("resnet50", None, "conv4_block6_out"),
        ("resnet50", "conv5_block3_1_conv", "conv5_block2_out"),
        ("mobilenetv2", "block_16_expand", "block_15_add"),
    ],
)
def test_tail_starts_at_the_cut(backbone: str, start: str | None, before: str) -> None:
    """By default the last block, as tutorials unfreeze it."""
    tail = load_tail(recipe(backbone), None, start, BACKBONES[backbone].layers[0])
    assert tail.before == before
    assert tail.end == BACKBONES[backbone].layers[0]


@pytest.mark.parametrize(
    ("backbone", "start", "end", "listed"),
    [
        ("resnet50", "conv5_block2_2_conv", "conv5_block3_out", "conv5_block2_1_conv"),
        ("vgg16", "block1_conv1", "block5_pool", "block1_conv2"),
        ("vgg16", "block5_conv2", "block4_pool", "block4_conv3"),
    ],
    ids=["inside a block", "the first", "behind the head's layer"],
)
def test_a_cut_that_does_not_exist_lists_those_near_by(backbone: str, start: str, end: str, listed: str) -> None:
    """Inside a residual block, before the first layer, and behind the layer that the head takes."""
    with pytest.raises(BackboneError, match=rf"cannot be fine-tuned from '{start}': .+ Give --from one of: .*{listed}"):
        load_tail(recipe(backbone, layers=(end,)), None, start, end)


def test_an_unknown_layer_names_the_near_ones() -> None:
    """A typing error."""
    with pytest.raises(UnknownLayer, match=r"vgg16: has no layer 'block5_con1'\. Did you mean block5_conv1 or"):
        load_tail(recipe("vgg16"), None, "block5_con1", "block5_pool")


def test_the_stub_has_nothing_to_fine_tune() -> None:
    """It is no network."""
    with pytest.raises(BackboneError, match="stub: has no layers to fine-tune"):
        load_tail(Recipe("stub", "none", ("cells",), (64, 64), "none"), None, None, "cells")
