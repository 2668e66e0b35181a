"""EfficientNet-Lite0: against the same network written out in NumPy, and against what its own top says of photographs."""

from pathlib import Path
from typing import Any

import h5py
import matplotlib as mpl
import numpy as np
import pytest
import sklearn.datasets
from numpy.typing import NDArray

from featx.backbones import BACKBONES, Backbone, load_backbone, resolve_weights
from featx.errors import UnknownLayer, WeightsError
from featx.images import decode_image
from featx.recipe import Recipe

Array = NDArray[np.float64]

SPEC = BACKBONES["efficientnet-lite0"]
WEIGHTS = f"sha256:{SPEC.bundled_digest}"
TOP = Path(__file__).parents[1] / "data/lite0-top.npz"
"""The classifier of the very network, 1,000 classes: bias, and kernel in int8 with a scale for each class."""

# Name, kernel, stride and whether the input is added, as table 1 of arXiv:1905.11946 has them.
BLOCKS = (
    ("block1a", 3, 1, False),
    ("block2a", 3, 2, False),
    ("block2b", 3, 1, True),
    ("block3a", 5, 2, False),
    ("block3b", 5, 1, True),
    ("block4a", 3, 2, False),
    ("block4b", 3, 1, True),
    ("block4c", 3, 1, True),
    ("block5a", 5, 1, False),
    ("block5b", 5, 1, True),
    ("block5c", 5, 1, True),
    ("block6a", 5, 2, False),
    ("block6b", 5, 1, True),
    ("block6c", 5, 1, True),
    ("block6d", 5, 1, True),
    ("block7a", 3, 1, False),
)


def recipe(layers: tuple[str, ...] = SPEC.layers, size: tuple[int, int] = (224, 224), **options: Any) -> Recipe:
    """Make a recipe of the bundled weights."""
    return Recipe(SPEC.name, options.pop("weights", WEIGHTS), layers, size, SPEC.preprocess, **options)


def arrays_by_name() -> dict[str, list[Array]]:
    """Read the bundled file as it lies there: of each layer its arrays, in order."""
    with h5py.File(SPEC.bundled) as file:
        groups = [group["vars"] for group in file["layers"].values()]
        return {group.attrs["name"]: [group[place][()].astype(np.float64) for place in sorted(group)] for group in groups}


def windows(values: Array, side: int, stride: int) -> Array:
    """Return what each place of a kernel sees, (side, side, n, h, w, c): TensorFlow pads what is odd behind, not before."""
    padded, shape = values, []
    for axis in (1, 2):
        n = -(-values.shape[axis] // stride)
        total = max((n - 1) * stride + side - values.shape[axis], 0)
        margins = [(0, 0)] * 4
        margins[axis] = (total // 2, total - total // 2)
        padded = np.pad(padded, margins)
        shape.append((n - 1) * stride + 1)
    return np.stack(
        [
            np.stack([padded[:, row : row + shape[0] : stride, column : column + shape[1] : stride] for column in range(side)])
            for row in range(side)
        ]
    )


def by_numpy(images: NDArray[np.uint8]) -> dict[str, Array]:
    """Run the network in float64: the output of each block, and of the last layer."""
    arrays = arrays_by_name()

    def normalised(values: Array, name: str) -> Array:
        gamma, beta, mean, variance = arrays[f"{name}_bn"]
        return (values - mean) / np.sqrt(variance + 0.001) * gamma + beta

    def conv(values: Array, name: str, side: int = 1, stride: int = 1) -> Array:
        return np.einsum("ijnhwc,ijco->nhwo", windows(values, side, stride), arrays[name][0], optimize=True)

    def relu6(values: Array) -> Array:
        return np.clip(values, 0, 6)

    values = relu6(normalised(conv((images.astype(np.float64) - 127) / 128, "stem_conv", 3, 2), "stem"))
    found = {}
    for name, side, stride, adds in BLOCKS:
        inputs = values
        if f"{name}_expand_conv" in arrays:
            values = relu6(normalised(conv(values, f"{name}_expand_conv"), f"{name}_expand"))
        kernel = arrays[f"{name}_dwconv"][0][..., 0]
        values = relu6(normalised(np.einsum("ijnhwc,ijc->nhwc", windows(values, side, stride), kernel), name))
        values = normalised(conv(values, f"{name}_project_conv"), f"{name}_project")
        values = found[name] = values + inputs if adds else values
    return found | {"top_activation": relu6(normalised(conv(values, "top_conv"), "top"))}


@pytest.mark.parametrize("size", [(64, 64), (75, 97)], ids=["even", "odd"])
def test_features_are_those_of_the_network_written_out_in_numpy(size: tuple[int, int]) -> None:
    """To 1e-4, at sides where each stride of 2 pads both sides alike and where it does not."""
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    layers = ("block3b_add", "block6d_add", "block7a_project_bn", "top_activation")
    found = load_backbone(recipe(layers, size), batch_size=2)(images)
    wanted = by_numpy(images)
    for layer in layers:
        np.testing.assert_allclose(found[layer], wanted[layer.split("_")[0] if "block" in layer else layer], rtol=0, atol=1e-4)
    assert 3 < found["top_activation"].max() <= 6.0


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    """The network with the bundled weights at 224 px."""
    return load_backbone(recipe(), batch_size=1)


def test_map_shape_and_parameters_are_those_of_the_table(backbone: Backbone) -> None:
    """At the default image size, as far as the default layer."""
    assert backbone.network["parameters"] == SPEC.parameters == sum(one["parameters"] for one in backbone.network["layers"])
    assert tuple(backbone.network["layers"][-1]["output_shape"]) == SPEC.map_shape
    assert backbone.network["layers"][-1]["name"] == SPEC.layers[0]


SAMPLES = Path(sklearn.datasets.__file__).parent / "images"


@pytest.mark.parametrize(
    ("path", "resize", "classes"),
    [
        (SAMPLES / "flower.jpg", "stretch", {985: "daisy, the only garden flower among ImageNet's classes"}),
        (SAMPLES / "flower.jpg", "crop", {985: "daisy"}),
        (SAMPLES / "china.jpg", "crop", {698: "palace"}),
        (Path(mpl.get_data_path()) / "sample_data/grace_hopper.jpg", "stretch", {652: "military uniform"}),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else None,
)
def test_its_own_top_knows_photographs(path: Path, resize: str, classes: dict[int, str], backbone: Backbone) -> None:
    """Decoded as featx decodes; the first of a thousand classes."""
    pixels = decode_image(path.read_bytes(), recipe(resize=resize))
    average = backbone(pixels[None])["top_activation"].mean(axis=(0, 1, 2))
    top = np.load(TOP)
    logits = (top["kernel"] * top["scale"][:, None]) @ average + top["bias"]
    assert set(np.argsort(logits)[-1:]) == set(classes)


def test_random_weights_give_features_that_float16_can_hold() -> None:
    """Drawn so that each layer keeps the size of what goes in: also through sixteen depthwise layers."""
    images = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    maps = load_backbone(recipe(size=(64, 64), weights="random:0"), batch_size=1)(images)["top_activation"]
    assert maps.std() > 0.1


def test_weights_that_are_not_at_hand_are_asked_for() -> None:
    """Keras has none to download, and no folder to look in."""
    with pytest.raises(WeightsError, match=r"weights sha256:0 are not at hand\. Give --weights FILE"):
        load_backbone(recipe(weights="sha256:0"))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """As of any backbone, though there is no network with a top to look for."""
    vgg16 = BACKBONES["vgg16"].bundled
    digest, path = resolve_weights(SPEC, str(vgg16))
    with pytest.raises(WeightsError, match="does not hold weights of efficientnet-lite0 without its top: it holds 26 arrays"):
        load_backbone(recipe(weights=digest), path)


def test_a_layer_of_the_top_is_no_layer() -> None:
    """The error lists those that there are."""
    with pytest.raises(UnknownLayer, match=r"has no layer 'predictions'. It has: …, .*top_conv, top_bn, top_activation\.$"):
        load_backbone(recipe(("predictions",)))
