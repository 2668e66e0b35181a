"""``--weights`` of a model: a file, or the words that mean the same to an extract."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from featx.backbones import backbone_spec
from featx.backbones.weights import keras_models_folder
from featx.errors import WeightsError
from featx.models import weights_hint
from featx.recipe import Recipe


@dataclasses.dataclass
class Fitted:
    """What of a model weights are looked for by."""

    cached_recipe: Recipe
    source: dict[str, Any]


def fitted(weights: str, backbone: str = "resnet50", file: str = "") -> Any:
    """Return a model whose features were made with some weights."""
    recipe = Recipe(backbone, weights, backbone_spec(backbone).layers, (64, 64), "caffe")
    return Fitted(recipe, {"weights_file": file})


def test_random_weights_are_those_of_the_model_or_refused() -> None:
    """By their seed, which is 0 where none is given."""
    assert weights_hint(fitted("random:0"), "random") is None
    assert weights_hint(fitted("random:7"), "random:7") is None
    for weights, given in (("random:7", "random"), ("random:7", "imagenet"), ("sha256:" + "0" * 64, "random:7")):
        with pytest.raises(WeightsError, match=f"--weights {given}: the features were made with {weights}") as caught:
            weights_hint(fitted(weights), given)
        assert caught.value.wrong_value
    with pytest.raises(WeightsError, match="random weights need a whole number as seed"):
        weights_hint(fitted("random:7"), "random:x")


def test_imagenet_is_the_file_that_is_bundled_or_that_keras_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the file that the features were extracted with, which may have moved."""
    bundled = backbone_spec("vgg16").bundled
    assert weights_hint(fitted("sha256:" + "0" * 64, "vgg16", "/gone.h5"), "imagenet") == bundled
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = keras_models_folder() / backbone_spec("resnet50").weights_file
    path.parent.mkdir()
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr("featx.backbones.weights.PUBLISHED", {})
    assert weights_hint(fitted(f"sha256:{digest}", file="/gone.h5"), "imagenet") == path
    assert weights_hint(fitted(f"sha256:{digest}", file="/gone.h5"), None) == Path("/gone.h5")
    with pytest.raises(WeightsError, match=r"mine\.h5: no such weights file"):
        weights_hint(fitted(f"sha256:{digest}"), tmp_path / "mine.h5")
