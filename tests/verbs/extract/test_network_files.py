"""``--backbone FILE``: a session with a network from a file, told by its content wherever it lies."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import featx
from featx.errors import BackboneError, ExportError
from tests.backbones.imported import graphs
from tests.conftest import Run, as_json

LAYER = "layer_1_Relu_output_0"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An ONNX file: two convolutions and a classifier, for images of 32 x 32 px."""
    return graphs.saved(graphs.convolutions(), tmp_path / "network.onnx")


def extracted(run: Run, *arguments: object) -> dict[str, object]:
    """Extract ``photos`` with a network from a file, one decoding process."""
    return as_json(run("extract", "photos", "--workers", "1", "--json", "--backbone", *arguments))


def test_a_session_with_an_onnx_file(photos: Path, network: Path, tmp_path: Path, run: Run) -> None:
    """Extract, fit, evaluate, predict, explain, inspect and compare; the file may then be elsewhere, under another name."""
    done = run("extract", "photos", "--workers", "1", "--backbone", "network.onnx")
    assert done.exit_code == 0, done.stderr
    assert "network.onnx: does not say how pixels are scaled for it: --preprocess torch was taken" in done.stderr
    assert f"network.onnx: {LAYER} was taken" in done.stderr
    cache = featx.open_cache("cache/photos")
    digest = cache.recipe.weights
    assert (cache.recipe.backbone, cache.recipe.layers, cache.recipe.preprocess) == ("onnx", (LAYER,), "torch")
    assert cache.network["weights_file"] == str(network)
    rows = cache.features(cache.catalog.rows(), pooling="flatten")
    wanted = featx.FeatureExtractor(network, pooling="flatten", workers=1).transform(
        [photos / path for path in cache.catalog.paths]
    )
    np.testing.assert_allclose(rows, wanted, rtol=1e-3, atol=1e-3)

    as_json(run("fit", "--head", "logreg", "--json"))
    before = as_json(run("evaluate", "--images", "photos", "--json"))["accuracy"]
    (answer,) = featx.load_model("models/photos-logreg.featx").predict([photos / "red" / "0.png"])
    assert answer == "red"
    assert run("explain", "models/photos-logreg.featx", "photos/red/0.png").stdout.startswith("photos/red/0.png: red")
    assert as_json(run("inspect", "models/photos-logreg.featx", "--json"))["recipe"]["weights"] == digest
    assert as_json(run("compare", "--heads", "ridge,knn", "--folds", "2", "--json"))["heads"]

    moved = tmp_path / "elsewhere" / "renamed.bin2"
    moved.parent.mkdir()
    shutil.move(network, moved)
    assert extracted(run, moved)["reused"] == 36
    lost = run("predict", "models/photos-logreg.featx", "photos")
    assert lost.exit_code == 1
    assert f"the weights {digest} are not at hand (looked for {network}). Give --weights FILE" in lost.stderr
    again = run("evaluate", "models/photos-logreg.featx", "--images", "photos", "--weights", moved, "--json")
    assert as_json(again)["accuracy"] == before
    as_json(run("fit", "--head", "logreg", "--json"))
    assert run("predict", "models/photos-logreg.featx", "photos/red").exit_code == 0  # a model fitted now knows the new place
    other = graphs.saved(graphs.convolutions(1), tmp_path / "network.onnx")
    assert "has digest sha256:" in run("predict", "models/photos-logreg.featx", "photos", "--weights", other).stderr


def test_the_variable_for_engines_leaves_networks_from_files_to_what_runs_them(
    photos: Path, network: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option is refused, because it was given; the variable counts where it can."""
    monkeypatch.setenv("FEATX_ENGINE", "winograd")
    assert extracted(run, "network.onnx")["extracted"] == 36
    refused = run("extract", "photos", "--cache", "cache/2", "--backbone", "network.onnx", "--engine", "winograd")
    assert "--engine winograd: computes the networks that featx lists" in refused.stderr


def test_what_an_onnx_file_cannot_do_is_refused_by_name(photos: Path, network: Path, tmp_path: Path, run: Run) -> None:
    """Fine-tuning, and exports that would hold the network; a head alone is exported."""
    extracted(run, "network.onnx")
    featx.fit_head("cache/photos", "logreg")
    with pytest.raises(BackboneError, match="the layers of an ONNX file are for running, not for training"):
        featx.fine_tune("cache/photos", epochs=1)
    with pytest.raises(ExportError, match="its backbone is a network in an ONNX file"):
        featx.export_model("models/photos-logreg.featx", "photos.keras")
    assert featx.export_model("models/photos-logreg.featx", "photos.joblib").largest_difference < 1e-5


def test_tokens_are_layers_of_a_cache_of_their_own(photos: Path, tmp_path: Path, run: Run) -> None:
    """Patches, class token and both; a head takes any of them, by default the last."""
    graphs.saved(graphs.transformer(), tmp_path / "vit.onnx")
    extracted(run, "vit.onnx")
    cache = featx.open_cache("cache/photos")
    assert cache.recipe.layers == tuple(f"norm_Add_output_0:{part}" for part in ("patches", "cls", "both"))
    rows = cache.catalog.rows()
    patches, first, both = (cache.features(rows, layer=layer, pooling="avg") for layer in cache.recipe.layers)
    np.testing.assert_allclose(both, np.concatenate([first, patches], axis=1), rtol=1e-4, atol=1e-4)
    assert featx.load_model(featx.fit_head("cache/photos", "ridge").model).layer == "norm_Add_output_0:both"
    assert as_json(run("fit", "--head", "ridge", "--layer", "norm_Add_output_0:cls", "--json"))["head"] == "ridge"
    assert extracted(run, "vit.onnx", "--layers", "norm_Add_output_0:both", "--cache", "cache/small")["extracted"] == 36


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "onnx"], "backbone 'onnx': is a kind of file. Give the file itself"),
        (["--backbone", "gone.onnx"], "gone.onnx: no such file. --backbone takes an ONNX file"),
        (
            ["--backbone", "network.onnx", "--weights", "random"],
            "--backbone network.onnx: brings its own weights. Received: --weights",
        ),
        (
            ["--backbone", "network.onnx", "--preprocess", "imagenet"],
            "'imagenet' is no scaling of pixels: give auto, caffe, torch",
        ),
        (["--backbone", "network.onnx", "--preprocess", "mean=0.5 std=0"], "is no scaling of pixels"),
        (["--backbone", "network.onnx", "--precision", "float16"], "computes as it was saved. Received: --precision float16"),
        (["--backbone", "network.onnx", "--image-size", "64"], "takes images of 32x32 px"),
        (["--backbone", "network.onnx", "--layers", "block5"], "onnx: has no layer 'block5'"),
        (["--backbone", "stub", "--preprocess", "torch nchw"], "backbone stub: nchw is for networks in files"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], message: str, photos: Path, network: Path, run: Run) -> None:
    """In one sentence, without a traceback, and nothing is written."""
    done = run("extract", "photos", *arguments)
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert not Path("cache").exists()


def test_the_layers_of_a_file_are_listed(network: Path, run: Run) -> None:
    """With what an extract would take; its options go with a file alone."""
    shown = run("backbones", "network.onnx").stdout
    assert f"{LAYER}  " in shown
    assert "8 x 8 x 8  taken" in shown
    assert "takes      32 x 32 px" in shown
    document = as_json(run("backbones", "network.onnx", "--preprocess", "mean=0.5", "--json"))
    assert document["preprocess"] == "mean=0.5,0.5,0.5 std=1,1,1"
    assert [layer["name"] for layer in document["layers"] if layer["taken"]] == [LAYER]
    assert run("backbones", "--image-size", "32").exit_code == 2


@pytest.mark.parametrize(
    "backbone", ["stub", *(pytest.param(name, marks=pytest.mark.slow) for name in ("efficientnet-lite0", "vgg16"))]
)
def test_a_network_that_featx_exported_gives_the_same_features(backbone: str, photos: Path, tmp_path: Path, run: Run) -> None:
    """From the ONNX file of a whole classifier the map before its head, as the built-in backbone gives it."""
    settings = ["extract", "photos", "--workers", "1", "--image-size", "64", "--json"]
    as_json(run(*settings, "--backbone", backbone, "--cache", "cache/own"))
    featx.fit_head("cache/own", "ridge", out="m.featx")
    featx.export_model("m.featx", "m.onnx")
    as_json(run(*settings, "--backbone", "m.onnx", "--cache", "cache/file"))
    own, file = featx.open_cache("cache/own"), featx.open_cache("cache/file")
    assert (file.recipe.preprocess, file.recipe.image_size) == ("none", (64, 64))
    wanted, found = (cache.features(cache.catalog.rows(), pooling="avg") for cache in (own, file))
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
