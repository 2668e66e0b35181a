"""Which engine computes is no matter for a cache: what one began the other goes on with, and models do not tell them apart."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.backbones.engines import distance
from featx.errors import BackboneError, DeviceError
from featx.models import Compute
from featx.verbs.finetune.layer_cache import cache_of_layer
from tests.conftest import COLOURS, Run, as_json, write_image

SIZE = {"image_size": (48, 48), "batch_size": 8, "workers": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos``, and their features by each engine, in ``keras`` and in ``winograd``."""
    folder = tmp_path_factory.mktemp("engines")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(8):
            write_image(folder / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    for engine in ("keras", "winograd"):
        done = featx.extract_features(
            folder / "photos", folder / engine, engine=engine, layers=("block4_pool", "block5_pool"), **SIZE
        )
        assert (done.engine, done.device, done.extracted) == (engine, "cpu:0", 24)
    return folder


def rows(cache: Path, **how: Any) -> np.ndarray:
    """Return the features of all images."""
    store = featx.open_cache(cache)
    return store.features(store.catalog.rows(), **how)


def test_caches_of_both_engines_are_one(home: Path) -> None:
    """The same recipe, network and paths; rows differ by less than float16 rounds, averages and maxima by single sums."""
    by_keras, by_winograd = (featx.open_cache(home / engine) for engine in ("keras", "winograd"))
    assert by_keras.recipe == by_winograd.recipe
    assert by_keras.network == by_winograd.network
    assert by_keras.catalog.paths == by_winograd.catalog.paths
    for layer in ("block4_pool", "block5_pool"):
        for pooling, bound in (("flatten", 1e-4), ("avg", 1e-5), ("max", 1e-5)):
            found = [rows(home / engine, layer=layer, pooling=pooling) for engine in ("keras", "winograd")]
            assert 0 < distance(*found) < bound, (layer, pooling)


@pytest.mark.parametrize(("first", "then"), [("keras", "winograd"), ("winograd", "keras")])
def test_a_cache_is_continued_with_the_other_engine(first: str, then: str, home: Path, tmp_path: Path) -> None:
    """New images are added to it; those that are there stay to the bit."""
    for name in COLOURS:
        for number in range(4):
            image = home / "photos" / name / f"{number}.png"
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / name / image.name).write_bytes(image.read_bytes())
    options = {"layers": ("block4_pool", "block5_pool"), **SIZE}
    assert featx.extract_features(tmp_path / "photos", tmp_path / "cache", engine=first, **options).extracted == 12
    for name in COLOURS:
        for number in range(4, 8):
            image = home / "photos" / name / f"{number}.png"
            (tmp_path / "photos" / name / image.name).write_bytes(image.read_bytes())
    done = featx.extract_features(tmp_path / "photos", tmp_path / "cache", engine=then, **options)
    assert (done.extracted, done.reused, done.engine) == (12, 12, then)
    store = featx.open_cache(tmp_path / "cache")
    old = [int(path[-5]) < 4 for path in store.catalog.paths]
    found = rows(tmp_path / "cache", layer="block5_pool", pooling="flatten")
    np.testing.assert_array_equal(found[old], rows(home / first, layer="block5_pool", pooling="flatten")[old])
    new = [not one for one in old]
    np.testing.assert_array_equal(found[new], rows(home / then, layer="block5_pool", pooling="flatten")[new])
    assert featx.verify_cache(tmp_path / "cache").damages == []


@pytest.mark.parametrize(("fitted", "other", "pooling"), [("keras", "winograd", "flatten"), ("winograd", "keras", "avg")])
def test_a_model_fitted_on_one_predicts_with_the_other(
    fitted: str, other: str, pooling: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every probability to 1e-3: evaluated on the other's cache, from files, and by the live network."""
    model = featx.fit_head(home / fitted, "logreg", pooling=pooling, out=tmp_path / "m.featx").model
    own, cached = (featx.evaluate_model(model, cache=home / engine, split="all") for engine in (fitted, other))
    np.testing.assert_allclose(cached.probabilities, own.probabilities, atol=1e-3)
    assert not np.array_equal(cached.probabilities, own.probabilities)
    monkeypatch.setenv("FEATX_ENGINE", other)
    read = featx.evaluate_model(model, images=home / "photos", workers=1)
    assert read.paths == own.paths
    np.testing.assert_allclose(read.probabilities, own.probabilities, atol=1e-3)
    files = [home / "photos" / path for path in own.paths[::5]]
    predicted = featx.predict_images(model, files, batch_size=8, workers=1)
    assert list(featx.load_model(model).predict(files)) == [one.label for one in predicted]


def test_fine_tuning_starts_from_what_either_engine_gives(home: Path, tmp_path: Path) -> None:
    """The frozen part of the network is computed by either; the layer that is trained from is the same."""
    found = []
    for engine in ("keras", "winograd"):
        shutil.copytree(home / engine, tmp_path / engine)
        store = featx.open_cache(tmp_path / engine)
        deep, extracted = cache_of_layer(store, "block3_pool", Compute(8, 1, engine=engine))
        assert extracted == 24
        found.append(deep.features(deep.catalog.rows(), layer="block3_pool", pooling="flatten"))
    assert 0 < distance(*found) < 1e-4


def test_the_command_says_which_engine_computed(home: Path, run: Run) -> None:
    """In its JSON, and where it was Winograd's in its text; a dry run takes the option too."""
    options = ("--image-size", "32", "--batch-size", "8", "--cache", "c")
    planned = as_json(run("extract", home / "photos", *options, "--engine", "winograd", "--dry-run", "--json"))
    assert planned["to_extract"] == 24
    done = as_json(run("extract", home / "photos", *options, "--json"))
    assert (done["engine"], done["extracted"], done["int8_seconds"]) == ("winograd", 24, None)
    again = run("extract", home / "photos", *options, "--engine", "winograd", "--overwrite", "--image-size", "48")
    assert "after start-up by Winograd's algorithm" in again.stdout


@pytest.mark.parametrize(
    ("options", "variable", "message"),
    [
        (("--engine", "fast"), None, "'fast' is not one of 'auto', 'keras', 'winograd'"),
        ((), "fast", "the variable FEATX_ENGINE must be one of auto, keras, winograd. Received: 'fast'."),
        (("--engine", "winograd", "--precision", "bfloat16"), None, "--engine winograd computes in float32"),
        (("--engine", "winograd", "--precision", "int8"), None, "--engine winograd computes in float32"),
        (("--engine", "winograd", "--device", "gpu"), None, "--device gpu: the Winograd engine runs on the processor"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    options: tuple[str, ...], variable: str | None, message: str, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before an image is read, with exit code 2, and without a cache."""
    if variable:
        monkeypatch.setenv("FEATX_ENGINE", variable)
    refused = run("extract", home / "photos", "--cache", "c", *options)
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert not Path("c").exists()


def test_the_library_refuses_the_same(home: Path, tmp_path: Path) -> None:
    """As typed errors."""
    for options, error in (({"engine": "fast"}, BackboneError), ({"engine": 3}, BackboneError)):
        with pytest.raises(error, match="engine must be"):
            featx.extract_features(home / "photos", tmp_path / "c", **options)
    with pytest.raises(DeviceError):
        featx.plan_extract(home / "photos", tmp_path / "c", engine="winograd", device="gpu")
    assert not any(tmp_path.iterdir())
