"""The Winograd engine: the features of Keras within float16's rounding, whatever the size, the company and the cores."""

import itertools
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from featx.backbones import BACKBONES, load_backbone, resolve_weights
from featx.backbones import winograd as engine
from featx.backbones.engines import distance
from featx.backbones.network import KerasBackbone
from featx.backbones.pixels import preprocess
from featx.backbones.winograd import WinogradBackbone
from featx.errors import MemoryExhausted, UnknownLayer
from featx.recipe import Recipe
from featx.store import pool_maps

# Of a layer's length. float16 rounds by 2e-4 of it; of the rows stored some hundredths are the next number of float16.
BOUND, STORED = 1e-5, 1e-4


def recipe(backbone: str, layers: tuple[str, ...], size: tuple[int, int], weights: str = "imagenet") -> Recipe:
    """Make the recipe of a backbone at some size."""
    spec = BACKBONES[backbone]
    digest, _ = resolve_weights(spec, weights)
    return Recipe(backbone, digest, layers, size, spec.preprocess)


def photographs(n: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Smooth pixels with edges in them, as photographs have."""
    rng = np.random.default_rng(11)
    coarse = rng.integers(0, 256, (n, -(-size[0] // 8), -(-size[1] // 8), 3))
    fine = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, : size[0], : size[1]]
    return np.clip(fine + rng.normal(0, 6, fine.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("backbone", "layers", "size", "weights"),
    [
        ("vgg16", ("block1_conv1", "block3_pool", "block4_pool", "block5_pool"), (64, 64), "imagenet"),
        ("vgg16", ("block5_pool", "block2_conv2"), (45, 75), "imagenet"),
        ("vgg19", ("block3_pool", "block5_pool"), (33, 50), "random:3"),
        ("efficientnet-lite0", ("block2b_add", "top_conv", "top_activation"), (47, 64), "imagenet"),
    ],
)
def test_features_agree_with_keras(backbone: str, layers: tuple[str, ...], size: tuple[int, int], weights: str) -> None:
    """Every layer kept within 1e-5 of its length, stored maps within 1e-4, averages within 1e-5; and the same description."""
    asked = recipe(backbone, layers, size, weights)
    keras_backbone = load_backbone(asked, batch_size=3)
    backbone_ = load_backbone(asked, batch_size=3, engine="winograd")
    assert (keras_backbone.engine, backbone_.engine, backbone_.device) == ("keras", "winograd", "cpu:0")
    assert backbone_.network == keras_backbone.network
    pixels = photographs(5, size)
    wanted, found = keras_backbone(pixels), backbone_(pixels)
    assert list(found) == list(layers)
    for layer in layers:
        assert found[layer].shape == wanted[layer].shape
        assert found[layer].dtype == np.float32
        assert distance(wanted[layer], found[layer]) < BOUND
        stored = [pool_maps(maps[layer], "flatten", "float16") for maps in (wanted, found)]
        assert distance(*stored) < STORED
        assert np.mean(stored[0] != stored[1]) < 0.03
        assert distance(*(pool_maps(maps[layer], "avg", "float32") for maps in (wanted, found))) < BOUND


def test_an_image_has_the_same_features_in_any_company_on_any_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit: alone, in a batch, by one thread or by several at a time or for each image."""
    asked = recipe("efficientnet-lite0", ("top_activation",), (64, 64))
    pixels = photographs(7, (64, 64))
    found = []
    for cores, batch_size in ((1, 7), (1, 2), (4, 32), (4, 1)):
        monkeypatch.setattr(engine, "available_cores", lambda cores=cores: cores)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        found.append(load_backbone(asked, batch_size=batch_size, engine="winograd")(pixels)["top_activation"])
    found.append(
        np.concatenate([load_backbone(asked, engine="winograd")(pixels[n : n + 1])["top_activation"] for n in range(7)])
    )
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_threads_stay_within_what_others_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are cores, or OMP_NUM_THREADS where that is fewer; what is no number counts for nothing."""
    monkeypatch.setattr(engine, "available_cores", lambda: 4)
    for told, threads in (("2", 2), ("64", 4), ("0", 4), ("", 4), ("two", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert engine._threads() == threads


def test_no_images_have_maps_of_the_layers_shape() -> None:
    """As Keras' have."""
    backbone = load_backbone(recipe("efficientnet-lite0", ("top_activation",), (64, 96)), engine="winograd")
    assert backbone(np.empty((0, 64, 96, 3), np.uint8))["top_activation"].shape == (0, 2, 3, 1280)


@pytest.mark.parametrize("backbone", ["vgg16", "efficientnet-lite0"])
@pytest.mark.parametrize("layer", ["input_layer", "block9_pool"])
def test_layers_that_there_are_not_are_refused(backbone: str, layer: str) -> None:
    """Neither the pixels themselves, nor what the network has not."""
    with pytest.raises(UnknownLayer, match=f"{backbone}: has no layer '{layer}'"):
        load_backbone(recipe(backbone, (layer,), (64, 64)), engine="winograd")


def test_where_memory_runs_out_fewer_images_are_computed_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half as many from there on, and an error once there is no room for one."""
    real, least = WinogradBackbone._forward, 2

    def scarce(self: WinogradBackbone, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        if len(images) > least:
            raise MemoryError
        return real(self, images)

    monkeypatch.setattr(WinogradBackbone, "_forward", scarce)
    asked = recipe("efficientnet-lite0", ("stem_conv",), (64, 64))
    pixels = photographs(6, (64, 64))
    backbone = load_backbone(asked, batch_size=8, engine="winograd")
    found = backbone(pixels)["stem_conv"]
    assert found.shape == (6, 32, 32, 32)
    assert found.any(axis=(1, 2, 3)).all()
    least = 0
    with pytest.raises(MemoryExhausted, match="memory ran out with a single image of 64x64 px"):
        backbone(pixels)


def test_what_would_not_fit_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end the process. VGG16's 14.7 million weights take 353 MB while they are loaded."""
    monkeypatch.setattr(engine, "memory_at_hand", lambda: 300_000_000)
    with pytest.raises(MemoryExhausted, match=r"vgg16: needs 353 MB of memory to be loaded, and 300 MB are left\. Take"):
        load_backbone(recipe("vgg16", ("block5_pool",), (32, 32)), engine="winograd")
    load_backbone(recipe("vgg16", ("block4_pool",), (32, 32)), engine="winograd")
    monkeypatch.setattr(engine, "memory_at_hand", lambda: None)
    load_backbone(recipe("vgg16", ("block5_pool",), (32, 32)), engine="winograd")


def test_an_interrupt_leaves_the_images_that_have_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C must not wait for the rest of a batch."""
    monkeypatch.setattr(engine, "available_cores", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    begun = itertools.count()

    def one(self: WinogradBackbone, *_: object) -> None:
        next(begun)
        raise KeyboardInterrupt

    monkeypatch.setattr(WinogradBackbone, "_one", one)
    backbone = load_backbone(recipe("efficientnet-lite0", ("stem_conv",), (32, 32)), batch_size=64, engine="winograd")
    with pytest.raises(KeyboardInterrupt):
        backbone(photographs(64, (32, 32)))
    assert next(begun) < 60


@pytest.mark.parametrize("mode", ["none", "rescale", "tf", "caffe", "torch"])
def test_pixels_are_scaled_to_the_bit_as_keras_does(mode: str) -> None:
    """By an own function, as Keras need not be loaded."""
    pixels = np.random.default_rng(2).integers(0, 256, (4, 5, 6, 3), np.uint8).astype(np.float32)
    if mode in ("none", "rescale"):
        wanted = pixels / np.float32(255 if mode == "rescale" else 1)
    else:
        wanted = keras.applications.imagenet_utils.preprocess_input(pixels.copy(), data_format="channels_last", mode=mode)
    np.testing.assert_array_equal(preprocess(pixels.copy(), mode), wanted)


def test_bundled_networks_need_no_keras(tmp_path: Path) -> None:
    """From files to features in a process that never loads it, nor what ncnn downloads models with; and nothing is printed."""
    script = """
import sys
import numpy as np
from featx.backbones import BACKBONES, load_backbone, resolve_weights
from featx.recipe import Recipe
for name, layer in (("vgg16", "block2_pool"), ("efficientnet-lite0", "top_activation")):
    spec = BACKBONES[name]
    digest, _ = resolve_weights(spec, "imagenet")
    backbone = load_backbone(Recipe(name, digest, (layer,), (32, 32), spec.preprocess), engine="auto", device="cpu")
    assert np.isfinite(backbone(np.full((2, 32, 32, 3), 90, np.uint8))[layer]).all()
print(sorted({name.split(".")[0] for name in sys.modules} & {"keras", "tensorflow", "jax", "torch", "requests", "ncnn"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("['ncnn']\n", "")


FAMILIES = ["resnet50v2", "inceptionv3", "inceptionresnetv2", "xception", "mobilenet", "mobilenetv2", "mobilenetv3small"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAMILIES, "densenet121", "nasnetmobile", "efficientnetb0", "efficientnetv2b0"])
def test_every_family_of_backbones_agrees(name: str) -> None:
    """One network of each, with random weights, at an odd size."""
    spec = BACKBONES[name]
    size = (max(75, spec.smallest_side), max(78, spec.smallest_side))
    asked = recipe(name, spec.layers, size, "random:3")
    found = KerasBackbone(asked, None, 2)
    other = WinogradBackbone(asked, found.program(), found.network, 2)
    pixels = photographs(2, size)
    assert distance(found(pixels)[spec.layers[0]], other(pixels)[spec.layers[0]]) < BOUND
