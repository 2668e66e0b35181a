"""Which engine computes: what was asked for, or what a measurement on this machine says."""

import dataclasses
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.backbones import BACKBONES, Backbone, engines, int8_rates, load_backbone, resolve_weights
from featx.backbones import load as loading
from featx.backbones.engines import check_engine, engine_asked, is_faster, may_have_accelerator, measurement_key
from featx.errors import BackboneError, DeviceError, ExtraMissing
from featx.recipe import Recipe
from featx.system.kept import keep_measured, measured_before

VGG16 = Recipe("vgg16", resolve_weights(BACKBONES["vgg16"], "imagenet")[0], ("block1_pool",), (32, 32), "caffe")
SMALL = Recipe("mobilenetv2", "random:0", ("block_1_expand_relu",), (32, 32), "tf")


@pytest.fixture(autouse=True)
def _nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins on a machine on which nothing was measured, and has no GPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(engines, "_ACCELERATORS", ())
    monkeypatch.setattr(engines, "_PLUGINS", ())


@pytest.fixture
def without_ncnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine for which the engine's library has no wheel."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ncnn" else real(name, *rest))


class Made:
    """An engine that takes a given time for a batch, and gives given maps."""

    def __init__(self, seconds: float, value: float = 1.0) -> None:
        self.seconds, self.value, self.batches = seconds, value, 0

    def take(self, batch_size: int) -> None:
        """Any number."""

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Let the time pass."""
        self.batches += 1
        clock.now += self.seconds
        return {"last": np.full((len(images), 1, 1, 2), self.value, np.float32)}


class clock:  # noqa: N801 # stands in for the module time
    """Time that passes when a made engine computes."""

    now = 0.0

    @staticmethod
    def perf_counter() -> float:
        """Return what has passed."""
        return clock.now


@pytest.mark.parametrize(
    ("keras", "winograd", "value", "chosen"),
    [
        (0.2, 0.1, 1.0, True),
        (0.1, 0.2, 1.0, False),
        (0.105, 0.1, 1.0, False),
        (0.2, 0.1, 1.00001, True),
        (0.2, 0.1, 1.01, False),
    ],
)
def test_the_faster_is_measured_once_and_kept(
    keras: float, winograd: float, value: float, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By more than a tenth, and giving the same features; another process of this user need not measure again."""
    monkeypatch.setattr(engines, "time", clock)
    first, second = Made(keras), Made(winograd, value)
    assert is_faster(SMALL, first, lambda: second) is chosen
    assert min(first.batches, second.batches) > 2
    kept = measured_before(measurement_key(SMALL))
    assert kept is not None
    assert kept["keras"] == pytest.approx(4 / keras)
    assert kept["winograd"] == pytest.approx(4 / winograd)

    def never() -> Any:
        raise AssertionError("measured again")

    assert is_faster(SMALL, Made(9.0), never) is chosen


def test_a_measurement_is_of_one_machine_and_network() -> None:
    """Another backbone, size or layer is measured by itself; so is another processor, as the key names it."""
    others = [
        SMALL,
        Recipe("mobilenet", "random:0", SMALL.layers, (32, 32), "tf"),
        Recipe("mobilenetv2", "random:0", SMALL.layers, (32, 64), "tf"),
        Recipe("mobilenetv2", "random:0", ("out_relu",), (32, 32), "tf"),
    ]
    assert len({measurement_key(one) for one in others}) == 4
    assert "ncnn" in measurement_key(SMALL)


def ran(recipe: Recipe, **options: Any) -> tuple[str, NDArray[np.float32]]:
    """Load a backbone; return what computes, and what comes out."""
    backbone: Backbone = load_backbone(recipe, batch_size=2, **options)
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    return backbone.engine, backbone(images)[recipe.layers[0]]


@pytest.mark.parametrize(
    ("measured", "chosen"),
    [
        ({"keras": 10.0, "winograd": 30.0, "difference": 1e-6}, "winograd"),
        ({"keras": 30.0, "winograd": 10.0, "difference": 1e-6}, "keras"),
    ],
)
def test_auto_takes_what_was_measured_and_the_features_stay(measured: dict[str, float], chosen: str) -> None:
    """A forged measurement changes the speed alone."""
    keep_measured(measurement_key(SMALL), measured)
    engine, found = ran(SMALL, engine="auto")
    assert engine == chosen
    assert engines.distance(ran(SMALL, engine="keras")[1], found) < 1e-5


def test_what_the_engine_does_not_have_is_left_to_keras_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """ConvNeXt normalises each place: auto takes Keras, without a measurement, and who insists gets the layer's name."""
    recipe = Recipe("convnexttiny", "random:0", ("convnext_tiny_stem",), (32, 32), "none")
    assert ran(recipe, engine="auto")[0] == "keras"
    with pytest.raises(BackboneError, match="layer convnext_tiny_stem: is a Sequential that the Winograd engine does not have"):
        load_backbone(recipe, engine="winograd")


def test_bundled_vgg16_is_never_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor loaded by Keras, unless that is asked for or there may be a GPU."""
    monkeypatch.setattr(loading, "_load_keras", None)
    assert ran(VGG16, engine="auto")[0] == ran(VGG16, engine="winograd")[0] == "winograd"
    monkeypatch.undo()
    assert ran(VGG16)[0] == ran(VGG16, engine="keras")[0] == "keras"


def test_keras_says_whether_there_is_a_gpu_where_there_may_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A device of the system is no device of Keras: with a driver for another backend, the processor computes."""
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(engines, "_ACCELERATORS", (str(tmp_path / "nvidia0"),))
    assert may_have_accelerator()
    assert ran(VGG16, engine="auto")[0] == "winograd"

    class OnGpu:
        engine, device = "keras", "gpu:0"

    monkeypatch.setattr(loading, "_load_keras", lambda *_: OnGpu())
    assert isinstance(load_backbone(VGG16, engine="auto"), OnGpu)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert not may_have_accelerator()
    assert ran(VGG16, engine="auto")[0] == "winograd"


def test_without_the_library_keras_computes(without_ncnn: None) -> None:
    """Silently, unless the engine was asked for by name."""
    assert ran(VGG16, engine="auto")[0] == "keras"
    with pytest.raises(ExtraMissing, match=r"--engine winograd: needs ncnn, not installed\. Install with: pip install ncnn"):
        load_backbone(VGG16, engine="winograd")


def test_winograd_computes_float32_on_the_processor_alone() -> None:
    """What cannot be is refused before anything is loaded."""
    for precision in ("float16", "bfloat16", "int8"):
        with pytest.raises(BackboneError, match=f"computes in float32. Received: --precision {precision}") as refused:
            check_engine("winograd", precision, None)
        assert refused.value.wrong_value
    for device in ("gpu", "gpu:1", "tpu", "cpu:1"):
        with pytest.raises(DeviceError, match=f"--device {device}: the Winograd engine runs on the processor"):
            check_engine("winograd", "float32", device)
    for device in (None, "cpu", "CPU:0"):
        check_engine("winograd", "float32", device)
    check_engine("auto", "int8", "gpu")


def test_the_variable_counts_where_no_option_does_and_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """int8 features stay int8, a GPU that was asked for is used, and so is what alone runs a network, whatever it says."""
    assert engine_asked(None, "float32", None) == "auto"
    monkeypatch.setenv("FEATX_ENGINE", "winograd")
    assert engine_asked(None, "float32", "cpu") == "winograd"
    assert engine_asked(None, "int8", None) == engine_asked(None, "float32", "gpu") == "auto"
    for backbone in ("onnx", "keras", "convnexttiny"):
        assert engine_asked(None, "float32", None, backbone) == "auto"
        assert engine_asked("winograd", "float32", None, backbone) == "winograd"
    assert engine_asked(None, "float32", None, "vgg16") == engine_asked(None, "float32", None, "stub") == "winograd"
    assert engine_asked("keras", "float32", None) == "keras"
    assert engine_asked("winograd", "int8", None) == "winograd"
    monkeypatch.setenv("FEATX_ENGINE", "")
    assert engine_asked(None, "float32", None) == "auto"


def test_the_gain_of_int8_is_measured_where_there_are_int8_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, on a network of the same shapes; elsewhere, and for backbones that cannot be tried, it is not known."""
    from featx.backbones import rates

    monkeypatch.setattr(rates, "has_int8_products", lambda: False)
    assert int8_rates(VGG16, None) is None
    monkeypatch.setattr(rates, "has_int8_products", lambda: True)
    assert int8_rates(SMALL, None) is None
    assert int8_rates(dataclasses.replace(VGG16, layers=("block5_pool", "fc2"), image_size=(224, 224)), None) is None
    monkeypatch.setattr(engines, "_SECONDS", 0.01)
    measured = int8_rates(VGG16, None)
    assert measured is not None
    assert min(measured) > 0
    monkeypatch.setattr(rates, "measure", None)
    assert int8_rates(VGG16, None) == measured


def test_the_network_that_is_tried_in_int8_has_int8_products() -> None:
    """Every convolution of 16 channels or more, as OpenVINO itself reports."""
    from featx.backbones.int8_trial import Int8Trial

    for backbone, layer in (("vgg16", "block3_pool"), ("efficientnet-lite0", "block2b_add")):
        trial = Int8Trial(Recipe(backbone, "none", (layer,), (32, 32), BACKBONES[backbone].preprocess))
        assert trial(np.zeros((2, 32, 32, 3), np.uint8)) == {}
        facts = [operation.get_rt_info() for operation in trial._compiled.get_runtime_model().get_ordered_ops()]
        kinds = [fact["runtimePrecision"].astype(str) for fact in facts if fact["layerType"].astype(str) == "Convolution"]
        assert kinds
        assert {"i8", "u8"} >= set(kinds), kinds


def test_os_environ_is_as_it_was() -> None:
    """Choosing sets nothing for the process."""
    before = dict(os.environ)
    ran(VGG16, engine="auto")
    assert dict(os.environ) == before
