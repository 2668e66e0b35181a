"""The base in int8: close to float32 where that can be said, the same to the last bit where it must be."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from featx.backbones import BACKBONES, QuantizedNetwork, load_backbone, quantize_backbone
from featx.errors import BackboneError, DeviceError, ExtraMissing, ImageSizeError, QuantizedNetworkError, UnknownLayer
from featx.recipe import Recipe

pytest.importorskip("nncf", reason="NNCF is not installed: pip install 'featx[int8]'")

SPEC = BACKBONES["vgg16"]
SIDE = 48
DRAFT = Recipe(
    backbone="vgg16",
    weights=f"sha256:{SPEC.bundled_digest}",
    layers=("block5_pool", "block3_pool"),  # not in the network's own order
    image_size=(SIDE, SIDE),
    preprocess="caffe",
    precision="int8",
)


def cuttings(count: int, seed: int = 0) -> np.ndarray:
    """Cut pieces of 48 x 48 px out of two real photographs."""
    rng = np.random.default_rng(seed)
    photographs = load_sample_images().images
    found = []
    for number in range(count):
        picture = photographs[number % len(photographs)]
        top, left = (int(rng.integers(0, side - 4 * SIDE)) for side in picture.shape[:2])
        found.append(picture[top : top + 4 * SIDE : 4, left : left + 4 * SIDE : 4])
    return np.array(found, np.uint8)


@pytest.fixture(scope="module")
def steps() -> list[int]:
    """One entry for each image that calibration says it has seen."""
    return []


@pytest.fixture(scope="module")
def network(steps: list[int]) -> QuantizedNetwork:
    """VGG16 as far as ``block5_pool`` in int8, calibrated on 24 pieces of photographs."""
    return quantize_backbone(DRAFT, None, cuttings(24), lambda: steps.append(1))


@pytest.fixture(scope="module")
def recipe(network: QuantizedNetwork) -> Recipe:
    """The recipe with that network's identity."""
    return dataclasses.replace(DRAFT, quantized=network.identity)


def test_int8_features_are_close_to_those_of_float32(network: QuantizedNetwork, recipe: Recipe, steps: list[int]) -> None:
    """On pieces that calibration has not seen: 256 levels cost about 1 % of a feature's spread, in each layer asked for."""
    images = cuttings(10, seed=1)
    quantized = load_backbone(recipe, batch_size=4, quantized=network)(images)
    plain = load_backbone(dataclasses.replace(DRAFT, precision="float32"), batch_size=4)(images)
    for layer, least in (("block3_pool", 0.99), ("block5_pool", 0.97)):
        assert quantized[layer].shape == plain[layer].shape
        assert quantized[layer].dtype == np.float32
        assert not np.array_equal(quantized[layer], plain[layer])
        assert np.corrcoef(quantized[layer].ravel(), plain[layer].ravel())[0, 1] > least
    assert len(steps) == 24


@pytest.mark.slow
def test_numbers_without_a_histogram_get_ranges_all_the_same() -> None:
    """With random weights EfficientNet's activations all but vanish: NumPy has no bins for them, and they go by the largest."""
    draft = dataclasses.replace(
        DRAFT,
        backbone="efficientnetb0",
        weights="random:0",
        layers=("block4a_expand_activation",),
        preprocess="none",
        image_size=(32, 32),
    )
    steps: list[int] = []
    network = quantize_backbone(draft, None, cuttings(4)[:, :32, :32], lambda: steps.append(1))
    recipe = dataclasses.replace(draft, quantized=network.identity)
    maps = load_backbone(recipe, batch_size=4, quantized=network)(cuttings(4)[:, :32, :32])["block4a_expand_activation"]
    assert maps.shape == (4, 4, 4, 240)
    assert np.isfinite(maps).all()
    assert len(steps) == 4
    assert json.loads(network.description)["ranges"] == "mean extremes"


@pytest.mark.slow
def test_lite0_in_int8_is_close_to_float32() -> None:
    """All 49 convolutions, depthwise ones too; on pieces that calibration has not seen."""
    draft = dataclasses.replace(
        DRAFT,
        backbone="efficientnet-lite0",
        weights=f"sha256:{BACKBONES['efficientnet-lite0'].bundled_digest}",
        layers=("top_activation", "block5c_add"),
        preprocess="none",
    )
    network = quantize_backbone(draft, None, cuttings(24))
    graph = network.graph.decode()
    assert graph.count('type="Convolution"') + graph.count('type="GroupConvolution"') == 49
    assert graph.count('type="GroupConvolution"') == 16
    assert graph.count('element_type="i8"') >= 49
    images = cuttings(10, seed=1)
    quantized = load_backbone(dataclasses.replace(draft, quantized=network.identity), batch_size=4, quantized=network)(images)
    plain = load_backbone(dataclasses.replace(draft, precision="float32"), batch_size=4)(images)
    for layer in draft.layers:
        assert quantized[layer].shape == plain[layer].shape
        assert np.corrcoef(quantized[layer].ravel(), plain[layer].ravel())[0, 1] > 0.95


def test_arithmetic_is_of_int8(network: QuantizedNetwork) -> None:
    """The kernels of 13 convolutions lie in the file as bytes, a fourth of float32, with quantization before each."""
    graph = network.graph.decode()
    assert json.loads(network.description)["ranges"] == "histogram"
    assert graph.count('type="Convolution"') == 13
    assert graph.count('type="FakeQuantize"') >= 13
    assert len(network.weights) < 1.05 * 14_714_688 + 100_000


def test_a_feature_does_not_depend_on_its_company(network: QuantizedNetwork, recipe: Recipe) -> None:
    """Seven images in batches of four, or in any other order: the same rows, bit for bit."""
    images = cuttings(7, seed=2)
    backbone = load_backbone(recipe, batch_size=4, quantized=network)
    whole, backwards = backbone(images), backbone(images[::-1])
    for layer in DRAFT.layers:
        np.testing.assert_array_equal(whole[layer], backwards[layer][::-1])
        assert len(backbone(images[:0])[layer]) == 0
    with pytest.raises(ImageSizeError, match="wants images of shape"):
        backbone(np.zeros((1, 32, 32, 3), np.uint8))


def test_network_describes_itself_as_the_float32_one_does(network: QuantizedNetwork, recipe: Recipe) -> None:
    """Layers and parameter counts stand in the model and in inspect, whatever the precision."""
    plain = load_backbone(dataclasses.replace(DRAFT, precision="float32"))
    quantized = load_backbone(recipe, quantized=network)
    assert quantized.network["parameters"] == plain.network["parameters"] == 14_714_688
    for one, other in zip(quantized.network["layers"][1:], plain.network["layers"][1:], strict=True):
        assert one == other
    assert quantized.device == "cpu"


def test_running_it_loads_neither_keras_nor_tensorflow(network: QuantizedNetwork, recipe: Recipe, tmp_path: Path) -> None:
    """Prediction from a model file needs OpenVINO alone, and half a second to start."""
    network.write(tmp_path / "n.zip")
    program = f"""
import sys, json, numpy as np
from pathlib import Path
from featx.backbones import QuantizedNetwork, load_backbone
from featx.recipe import Recipe
recipe = Recipe.from_dict(json.loads({json.dumps(recipe.to_dict())!r}))
backbone = load_backbone(recipe, quantized=QuantizedNetwork.read(Path({str(tmp_path / "n.zip")!r})))
assert backbone(np.zeros((1, {SIDE}, {SIDE}, 3), np.uint8))["block5_pool"].shape == (1, 1, 1, 512)
print(sorted({{"keras", "tensorflow", "nncf", "jax"}} & {{name.split(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_ctrl_c_finds_a_process_alive_whose_network_another_thread_has_freed(
    network: QuantizedNetwork, recipe: Recipe, tmp_path: Path
) -> None:
    """In a notebook the collector may run in any thread; OpenVINO would take the main thread's stack for signals with it."""
    network.write(tmp_path / "n.zip")
    program = f"""
import gc, json, signal, threading, time, numpy as np
from pathlib import Path
from featx.backbones import QuantizedNetwork, load_backbone
from featx.recipe import Recipe
recipe = Recipe.from_dict(json.loads({json.dumps(recipe.to_dict())!r}))
kept = [load_backbone(recipe, quantized=QuantizedNetwork.read(Path({str(tmp_path / "n.zip")!r})), batch_size=1)]
kept[0](np.zeros((1, {SIDE}, {SIDE}, 3), np.uint8))
def free():
    kept.clear()
    gc.collect()
thread = threading.Thread(target=free)
thread.start()
thread.join()
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert (done.returncode, done.stdout.strip()) == (0, "interrupted"), done.stderr


def test_file_is_read_as_it_was_written_and_refused_otherwise(network: QuantizedNetwork, tmp_path: Path) -> None:
    """Whatever is not the very file gives a typed error that names it, before OpenVINO parses a byte."""
    path = tmp_path / "quantized" / "n.zip"
    network.write(path)
    assert QuantizedNetwork.read(path) == network
    assert QuantizedNetwork.from_arrays(network.arrays()) == network
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(data) - 200_000, len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert QuantizedNetwork.read(path).identity != network.identity or bytes(damaged) != data
        except QuantizedNetworkError as error:
            assert str(path) in str(error)  # noqa: PT017 - either is right
    path.write_bytes(data[:-1000])
    with pytest.raises(QuantizedNetworkError, match=r"n\.zip: cannot be read as a quantized network"):
        QuantizedNetwork.read(path)
    with pytest.raises(QuantizedNetworkError, match="cannot be read"):
        QuantizedNetwork.read(tmp_path / "none.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("graph", "x")
    with pytest.raises(QuantizedNetworkError, match="other members"):
        QuantizedNetwork.read(path)


@pytest.mark.parametrize(
    ("found", "put"),
    [
        ('version="opset1"', 'version="extension"'),
        ("<layers>", "<!DOCTYPE x><layers>"),
        ('offset="0"', 'offset="99999999999"'),
        ('version="opset1"', ""),
    ],
)
def test_hostile_graph_is_refused(network: QuantizedNetwork, found: str, put: str) -> None:
    """Operations from elsewhere, document types and constants outside the file never reach OpenVINO's parser."""
    text = network.graph.decode()
    assert found in text
    hostile = dataclasses.replace(network, graph=text.replace(found, put, 1).encode())
    with pytest.raises(QuantizedNetworkError, match="holds a graph that featx never writes"):
        QuantizedNetwork.from_arrays(hostile.arrays())


def test_another_network_than_the_recipes_is_refused(network: QuantizedNetwork, recipe: Recipe) -> None:
    """Features of two calibrations are not the same features."""
    other = dataclasses.replace(network, description=network.description + b" ")
    with pytest.raises(QuantizedNetworkError, match=f"is {other.identity}, but {network.identity} was wanted"):
        load_backbone(recipe, quantized=other)
    with pytest.raises(QuantizedNetworkError, match="is not at hand"):
        load_backbone(recipe)
    with pytest.raises(DeviceError, match="--device gpu: int8 networks run on the processor"):
        load_backbone(recipe, quantized=network, device="gpu")


def test_missing_library_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is decoded."""
    from featx.backbones import check_int8_installed, quantize

    monkeypatch.setattr(quantize.importlib.util, "find_spec", lambda name: None if name == "nncf" else object())
    with pytest.raises(ExtraMissing, match=r"needs nncf, not installed.*pip install 'featx\[int8\]'"):
        check_int8_installed()


def test_backbone_that_does_not_convert_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the converter stumbles over is one sentence, with what to do."""
    from featx.backbones import quantize

    monkeypatch.setattr(quantize, "_PROGRAM", "import sys; sys.exit('RuntimeError: no conversion rule for Fancy')")
    with pytest.raises(BackboneError, match=r"vgg16: cannot be quantized to int8: .*Fancy\. Use --precision float32"):
        quantize_backbone(DRAFT, None, cuttings(1))


@pytest.mark.slow
def test_error_of_the_users_own_is_told_as_in_float32() -> None:
    """A layer that there is none of is not a failed conversion: the other process' error is raised again as what it was."""
    draft = dataclasses.replace(DRAFT, layers=("block9_pool",))
    with pytest.raises(UnknownLayer, match=r"vgg16: .*block9_pool"):
        quantize_backbone(draft, None, cuttings(1))


def test_process_that_was_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the last notice that happened to be on its stderr."""
    from featx.backbones import quantize

    monkeypatch.setattr(
        quantize, "_PROGRAM", "import os, sys; print('a notice', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)"
    )
    with pytest.raises(BackboneError, match=r"was ended by signal 9; memory may have run out"):
        quantize_backbone(DRAFT, None, cuttings(1))
