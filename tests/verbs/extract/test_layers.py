"""Layers, pixel scaling and backbones as a user meets them: on the command line and in the cache."""

from pathlib import Path

import numpy as np
import pytest

import featx
from featx.backbones import BACKBONES
from tests.conftest import Run, as_json

SMALL = ("--image-size", 32, "--weights", "random")


def test_two_layers_are_cached_in_one_pass_and_fitted_apart(photos: Path, run: Run) -> None:
    """Each head takes the layer it is told; by default the last one."""
    document = as_json(run("extract", photos, *SMALL, "--layers", "block3_pool,block5_pool", "--cache", "c", "--json"))
    assert document["extracted"] == 36
    store = featx.open_cache("c")
    rows = store.catalog.rows()
    assert store.recipe.layers == ("block3_pool", "block5_pool")
    assert store.features(rows, layer="block3_pool").shape == (36, 4 * 4 * 256)
    assert store.features(rows).shape == (36, 512)
    first = as_json(run("fit", "c", "--head", "logreg", "--layer", "block3_pool", "--out", "a.featx", "--json"))
    last = as_json(run("fit", "c", "--head", "logreg", "--out", "b.featx", "--json"))
    # Three classes; average and maximum side by side.
    assert first["parameters"]["trainable"] == 3 * (2 * 256 + 1)
    assert last["parameters"]["trainable"] == 3 * (2 * 512 + 1)
    # The layers behind the one that is used are no part of the model.
    assert first["parameters"]["frozen"] == 1_735_488
    assert last["parameters"]["frozen"] == 14_714_688
    for name in ("a.featx", "b.featx"):
        assert as_json(run("evaluate", name, "--json", "--out", f"r-{name}"))["images"] > 0


def test_another_backbone_goes_the_whole_way(photos: Path, run: Run) -> None:
    """MobileNetV2 with random weights: extract, fit, evaluate, predict."""
    as_json(run("extract", photos, *SMALL, "--backbone", "mobilenetv2", "--cache", "c", "--json"))
    store = featx.open_cache("c")
    assert (store.recipe.layers, store.recipe.preprocess) == (("out_relu",), "tf")
    assert store.row_shape() == (1, 1, 1280)
    as_json(run("fit", "c", "--head", "ridge", "--out", "m.featx", "--json"))
    assert as_json(run("evaluate", "m.featx", "--json"))["images"] > 0
    assert as_json(run("predict", "m.featx", photos / "red", "--json"))["predicted"] == 12


def test_pixels_are_scaled_as_asked(photos: Path, run: Run) -> None:
    """``auto`` is the backbone's own mode; another one is another recipe, and the same cache refuses it."""
    as_json(run("extract", photos, *SMALL, "--cache", "auto", "--json"))
    assert featx.open_cache("auto").recipe.preprocess == "caffe"
    as_json(run("extract", photos, *SMALL, "--preprocess", "rescale", "--cache", "rescale", "--json"))
    one, other = featx.open_cache("auto"), featx.open_cache("rescale")
    assert not np.allclose(one.features(one.catalog.rows()), other.features(other.catalog.rows()))
    refused = run("extract", photos, *SMALL, "--preprocess", "tf", "--cache", "auto")
    assert refused.exit_code == 1
    assert "preprocess='caffe', but preprocess='tf' was asked for" in refused.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--layers", "block5_pol"), "Did you mean block5_pool"),
        (("--backbone", "resnet_50"), "Did you mean resnet50?"),
        (("--backbone", "inceptionv3"), "inceptionv3 needs at least 75 px on each side"),
        (("--weights", "random:x"), "random weights need a whole number as seed"),
        (("--layers", "block5_pool,block5_pool"), "layers must be different layer names"),
    ],
    ids=str,
)
def test_a_slip_is_answered_with_what_to_do(photos: Path, run: Run, options: tuple[str, str], said: str) -> None:
    """One message, exit code 2, nothing left behind."""
    result = run("extract", photos, *SMALL, "--cache", "c", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("c", "catalog.h5").exists()


def test_random_weights_have_a_seed(photos: Path, run: Run) -> None:
    """Another seed is another recipe."""
    as_json(run("extract", photos, *SMALL, "--weights", "random:7", "--cache", "c", "--json"))
    assert featx.open_cache("c").recipe.weights == "random:7"


def test_backbones_are_listed(run: Run) -> None:
    """All but the stub, with size, parameters and features an image."""
    rows = {row["name"]: row for row in as_json(run("backbones", "--json"))["backbones"]}
    assert set(rows) == set(BACKBONES) - {"stub"}
    assert rows["vgg16"]["features"] == 25_088
    assert rows["resnet50"]["parameters"] == 23_587_712
    assert [name for name, row in rows.items() if row["bundled"]] == ["vgg16", "efficientnet-lite0"]
    text = run("backbones").stdout.splitlines()
    assert len(text) == 1 + len(rows) + 1  # what the columns are, and the next step
    assert "25,088" in next(line for line in text if line.startswith("vgg16"))
