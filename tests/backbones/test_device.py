"""Where and in which arithmetic Keras computes."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import featx
from featx.backbones import load_backbone
from featx.backbones.device import BY_ITSELF, choose_device, on_device
from featx.errors import DeviceError
from featx.recipe import Recipe
from featx.system.quiet import quiet_loading

RECIPE = Recipe(backbone="vgg16", weights="random:1", layers=("block2_pool",), image_size=(32, 32), preprocess="caffe")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """Features in float32."""
    return load_backbone(RECIPE, batch_size=4)(IMAGES)["block2_pool"]


@pytest.mark.parametrize(("precision", "bits"), [("float16", 11), ("bfloat16", 8)])
def test_narrower_arithmetic_gives_about_the_same_features(plain: np.ndarray, precision: str, bits: int) -> None:
    """Within some roundings to the type's bits, and not the same: it really is another arithmetic."""
    found = load_backbone(dataclasses.replace(RECIPE, precision=precision), batch_size=4)(IMAGES)["block2_pool"]
    assert found.dtype == np.float32
    difference = np.abs(found - plain).max() / np.abs(plain).max()
    assert 0 < difference < 4 * 2.0**-bits


def test_precision_of_one_backbone_is_nobody_elses(plain: np.ndarray) -> None:
    """Keras has one policy for the whole process; featx puts it back."""
    load_backbone(dataclasses.replace(RECIPE, precision="bfloat16"))
    assert keras.config.dtype_policy().name == "float32"
    np.testing.assert_array_equal(load_backbone(RECIPE, batch_size=4)(IMAGES)["block2_pool"], plain)


def test_device_is_used_by_name(plain: np.ndarray) -> None:
    """``cpu`` is the first processor, and gives what no device at all gives here."""
    for name in ("cpu", "CPU:0"):
        backbone = load_backbone(RECIPE, batch_size=4, device=name)
        assert backbone.device == "cpu:0"
    np.testing.assert_allclose(backbone(IMAGES)["block2_pool"], plain, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["cuda", "cpu:", "gpu:x", ""])
def test_what_is_no_device_is_refused_before_anything_else(
    name: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before images are listed or a network is made, and for a complete cache and the stub too."""
    stub: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64)}
    featx.extract_features(photos, tmp_path / "c", **stub)
    monkeypatch.setattr(featx.verbs.extract.extract, "prepare", lambda *_, **__: pytest.fail("images were listed"))
    with pytest.raises(DeviceError, match=f"--device must be cpu, gpu or tpu.* Received: {name!r}"):
        featx.extract_features(photos, tmp_path / "c", device=name, **stub)
    with pytest.raises(DeviceError, match="int8 networks run on the processor"):
        featx.extract_features(photos, precision="int8", device="gpu:1")


def test_backend_that_lists_no_devices_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch under Keras lists none: what it takes by itself may be a GPU, and must not be turned into a processor."""

    def refuse(kind: str | None = None) -> list[str]:
        raise AttributeError("'NoneType' object has no attribute 'list_devices'")

    monkeypatch.setattr(keras.distribution, "list_devices", refuse)
    assert choose_device(None) == BY_ITSELF
    assert choose_device("gpu") == "gpu:0"
    with on_device(BY_ITSELF):
        pass


def test_memory_of_gpus_grows_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow and JAX are told before they are loaded."""
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    with quiet_loading():
        assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
        assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


@pytest.mark.parametrize("name", ["gpu:7", "cpu:9", "tpu"])
def test_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    """Before anything is built."""
    with pytest.raises(DeviceError, match=rf"--device {name}: Keras on \w+ has no such device\. Give one of: cpu:0"):
        load_backbone(RECIPE, device=name)
