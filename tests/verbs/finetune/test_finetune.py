"""Fine-tuning from cached features: against Keras run directly, from cache and from pixels, after a kill, and refusals."""

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import featx
import featx.models.compute
import featx.verbs.finetune.joined
from featx.backbones import BACKBONES, load_tail
from featx.errors import (
    BackboneError,
    FeatxError,
    HeadError,
    ImageListError,
    Interrupted,
    ModelDamaged,
    ModelError,
    OutputError,
    RecipeMismatch,
    WeightsError,
)
from featx.heads import Goal, OperatingPoint, choose_answer, choose_point
from featx.models import Compute
from featx.models.file import load_model, save_model
from featx.verbs.explain import cells_in_cache
from tests.conftest import COLOURS, Run, as_json, write_image

SIZE = (32, 32)
GENTLE: dict[str, Any] = {"learning_rate": 1e-4, "epochs": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos`` (3 pale colours x 16), caches ``both`` (of two layers) and ``last`` (of one), and models."""
    root = tmp_path_factory.mktemp("home")
    for label, (name, colour) in enumerate(COLOURS.items()):
        paler = tuple(int(128 + 0.15 * (value - 128)) for value in colour)
        for number in range(16):
            write_image(root / "photos" / name / f"{number}.png", paler, seed=100 * label + number)  # type: ignore[arg-type]
    featx.extract_features(root / "photos", root / "both", image_size=SIZE, layers=("block4_pool", "block5_pool"))
    featx.extract_features(root / "photos", root / "last", image_size=SIZE)
    featx.fit_head(root / "last", "dense", out=root / "dense.featx", epochs=3)
    featx.fit_head(root / "both", "dense", out=root / "of-both.featx", epochs=3)
    featx.fit_head(root / "last", "logreg", out=root / "logreg.featx")
    return root


@pytest.fixture(scope="module")
def tuned(home: Path) -> featx.FineTuneResult:
    """Fine-tuned from ``both``; in these few epochs the validation loss falls."""
    return featx.fine_tune(home / "both", "block5_conv2", model=home / "of-both.featx", out=home / "tuned.featx", **GENTLE)


@pytest.mark.slow
def test_a_fine_tuned_model_tells_strangers_by_the_features_that_its_head_takes(
    home: Path, tuned: featx.FineTuneResult, tmp_path: Path
) -> None:
    """Not by those of the layer that it starts from, nor by what the model that it started from knows."""
    model = load_model(tuned.model)
    assert model.tail is not None
    assert model.familiarity is not None
    origin = load_model(home / "of-both.featx").familiarity
    assert origin is not None
    assert model.familiarity.means.shape == (3, 512)
    assert model.familiarity.arrays()["means"].tobytes() != origin.arrays()["means"].tobytes()
    store = featx.open_cache(home / "both")
    rows = store.catalog.rows("test")
    predictions = featx.predict_images(tuned.model, [home / "photos" / store.catalog.paths[row] for row in rows])
    evaluation = featx.evaluate_model(tuned.model, split="test")
    assert evaluation.unfamiliar is not None
    found = dict(zip(evaluation.paths, evaluation.unfamiliar.tolist(), strict=True))
    shares = {store.catalog.paths[row]: one.unfamiliar for row, one in zip(rows, predictions, strict=True)}
    assert found == pytest.approx(shares, abs=0.05)  # of 30 on the scale one may change places by rounding


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, so that no ``models/`` of somebody else's is found."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def probabilities(evaluation: featx.Evaluation) -> dict[str, NDArray[np.float64]]:
    """Return probabilities by path."""
    return dict(zip(evaluation.paths, evaluation.probabilities, strict=True))


def test_it_starts_from_the_head_and_keeps_what_does_better(home: Path, tuned: featx.FineTuneResult) -> None:
    """Before is what the head does on the validation images at its best; after is less; the file holds what was measured."""
    start = featx.evaluate_model(home / "of-both.featx", split="val")

    def loss_at(temperature: float) -> float:
        raised = start.probabilities ** (1 / temperature)
        return float(-np.log((raised / raised.sum(axis=1, keepdims=True))[np.arange(len(start.y)), start.y]).mean())

    assert tuned.val_loss_before == pytest.approx(min(map(loss_at, np.geomspace(0.2, 20, 500))), abs=1e-3)
    assert tuned.val_loss_before < start.log_loss
    assert tuned.val_accuracy_before == start.accuracy
    assert tuned.improved
    assert tuned.val_loss is not None
    assert tuned.val_loss_before is not None
    assert tuned.val_loss < tuned.val_loss_before
    after = featx.evaluate_model(tuned.model, split="val")
    assert after.log_loss == pytest.approx(tuned.val_loss, abs=1e-4)
    assert after.accuracy == tuned.val_accuracy


def test_sets_rest_on_what_the_tuned_layers_give(tuned: featx.FineTuneResult) -> None:
    """Not on the scores of the head that it started from; the images chose the epoch too."""
    found = featx.evaluate_model(tuned.model, split="val", sets=0.5)
    conformal = found.model.conformal
    assert conformal is not None
    own = found.probabilities[np.arange(len(found.y)), found.y]
    np.testing.assert_allclose(conformal.lac, np.sort(1 - own), atol=1e-4)
    assert conformal.chose == "epoch"


def test_prediction_from_cached_features_equals_the_one_from_pixels(home: Path, tuned: featx.FineTuneResult) -> None:
    """Base, tail and head over the files give what tail and head give over the cache."""
    cached = probabilities(featx.evaluate_model(tuned.model, split="all"))
    pixels = probabilities(featx.evaluate_model(tuned.model, images=home / "photos", split="all"))
    assert sorted(cached) == sorted(pixels)
    for path, row in cached.items():
        np.testing.assert_allclose(pixels[path], row, atol=1e-5)
    predicted = {Path(one.path).name: one for one in featx.predict_images(tuned.model, [home / "photos" / "red"])}
    for path, row in cached.items():
        if path.startswith("red/"):
            assert predicted[Path(path).name].confidence == pytest.approx(row.max(), abs=1e-5)


def test_an_explanation_is_of_the_maps_behind_the_tuned_layers(home: Path, tuned: featx.FineTuneResult) -> None:
    """Exact as of any linear head; a report has no cells of them, as they take a forward pass."""
    image = home / "photos" / "red" / "0.png"
    (one,) = featx.explain_images(tuned.model, image)
    (predicted,) = featx.predict_images(tuned.model, image)
    assert (one.label, one.method) == (predicted.label, "exact")
    assert one.cells is not None
    assert one.cells.sum() + one.bias == pytest.approx(one.margin, abs=1e-5)
    assert one.margin == pytest.approx(np.log(one.confidence / one.other_confidence), abs=1e-4)
    evaluation = featx.evaluate_model(tuned.model, split="val")
    assert cells_in_cache(evaluation.model, home / "both", evaluation.rows, evaluation.probabilities) is None


def test_prediction_equals_keras_with_the_tuned_weights(home: Path, tuned: featx.FineTuneResult) -> None:
    """The whole of keras.applications.VGG16 with the arrays of the model file in its last layers, and the head in NumPy."""
    import keras
    from PIL import Image

    model = load_model(tuned.model)
    assert model.tail is not None
    network = keras.applications.VGG16(include_top=False, weights=None, input_shape=(*SIZE, 3))
    network.load_weights(Path(featx.__file__).parent / "backbones/weights/vgg16-imagenet-notop.weights.h5")
    frozen = network.get_layer("block5_conv1").get_weights()
    for name in ("block5_conv2", "block5_conv3"):
        layer = network.get_layer(name)
        assert not np.array_equal(layer.get_weights()[0], model.tail.arrays[f"{name}/kernel"])
        layer.set_weights([model.tail.arrays[f"{name}/kernel"], model.tail.arrays[f"{name}/bias"]])
    assert not [name for name in model.tail.arrays if not name.startswith(("block5_conv2/", "block5_conv3/"))]
    np.testing.assert_array_equal(network.get_layer("block5_conv1").get_weights()[0], frozen[0])
    cached = probabilities(featx.evaluate_model(tuned.model, split="all"))
    paths = sorted(cached)
    images = [Image.open(home / "photos" / path).resize(SIZE[::-1], Image.Resampling.BILINEAR) for path in paths]
    pixels = keras.applications.vgg16.preprocess_input(np.stack([np.asarray(image, np.float32) for image in images]))
    features = np.asarray(network.predict(pixels, verbose=0)).reshape(len(paths), -1)
    arrays = model.head.arrays()
    logits = features @ arrays["kernel_0"] + arrays["bias_0"]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    wanted = raised / raised.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack([cached[path] for path in paths]), wanted, atol=2e-3)


def test_steps_are_those_of_keras(home: Path, here: Path) -> None:
    """One epoch of plain SGD over the same batches with Keras' own layers, loss and optimizer gives the same weights."""
    import keras

    from featx.heads.epochs import batches
    from featx.store import FeatureCache

    featx.fine_tune(
        home / "both",
        "block5_conv1",
        model=home / "of-both.featx",
        out=here / "t.featx",
        optimizer="sgd",
        learning_rate=1e-3,
        epochs=1,
        schedule="constant",
        batch_size=8,
        seed=5,
        monitor="val_accuracy",
        flip="none",
        dropout=0.0,
        averaging=0.0,
        depth_decay=1.0,
    )
    store = FeatureCache.open(home / "both")
    rows = store.catalog.rows("train")
    maps = store.maps(rows, "block4_pool")
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(*SIZE, 3))
    base.load_weights(Path(featx.__file__).parent / "backbones/weights/vgg16-imagenet-notop.weights.h5")
    inputs = keras.Input(maps.shape[1:])
    values = inputs
    for name in ("block5_conv1", "block5_conv2", "block5_conv3", "block5_pool"):
        layer = base.get_layer(name)
        values = layer(values)
    features = np.asarray(keras.Model(inputs, values).predict(maps, verbose=0)).reshape(len(rows), -1)
    scale = 20 / np.linalg.norm(features, axis=1).mean()
    start = load_model(home / "of-both.featx").head.arrays()
    dense = keras.layers.Dense(3)
    logits = dense(keras.layers.Rescaling(scale)(keras.layers.Flatten()(values)))
    network = keras.Model(inputs, logits)
    dense.set_weights([start["kernel_0"] / scale, start["bias_0"]])
    network.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    flat = maps.reshape(len(maps), -1)
    for positions, batch in next(batches.epochs(flat, 8, None, np.random.default_rng([5, 0]))):
        network.train_on_batch(batch.reshape(-1, *maps.shape[1:]), store.catalog.labels[rows][positions])
    model = load_model(here / "t.featx")
    if model.tail is None:
        pytest.fail("this epoch must do better, or nothing is compared")
    kernel = base.get_layer("block5_conv3").get_weights()[0]
    moved = model.tail.arrays["block5_conv3/kernel"]
    frozen = keras.applications.VGG16(include_top=False, weights=None, input_shape=(*SIZE, 3))
    frozen.load_weights(Path(featx.__file__).parent / "backbones/weights/vgg16-imagenet-notop.weights.h5")
    change = np.abs(kernel - frozen.get_layer("block5_conv3").get_weights()[0]).max()
    assert change > 0
    np.testing.assert_allclose(moved, kernel, atol=0.01 * change)


def test_an_interrupted_run_is_taken_up_and_ends_the_same(home: Path, here: Path) -> None:
    """Stopped after its second epoch, as by a kill between two; the second run does the third alone, to the same result."""
    options: dict[str, Any] = {"model": home / "of-both.featx", "learning_rate": 1e-4, "epochs": 3, "batch_size": 8}
    whole = featx.fine_tune(home / "both", "block5_conv3", out=here / "whole.featx", **options)

    def stop(epoch: int, epochs: int, values: dict[str, float]) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"stopped after 2 of 3 epochs.+Run the same command again"):
        featx.fine_tune(home / "both", "block5_conv3", out=here / "parts.featx", on_epoch=stop, **options)
    assert not (here / "parts.featx").exists()
    assert (here / "parts.featx.checkpoint").exists()
    seen: list[int] = []
    parts = featx.fine_tune(
        home / "both", "block5_conv3", out=here / "parts.featx", on_epoch=lambda epoch, *_: seen.append(epoch), **options
    )
    assert seen == [3]
    assert (parts.resumed_at, whole.resumed_at) == (2, 0)
    assert not (here / "parts.featx.checkpoint").exists()
    one, other = load_model(whole.model), load_model(parts.model)
    assert one.tail is not None
    assert other.tail is not None
    for name, values in one.history.items():
        np.testing.assert_allclose(other.history[name], values, rtol=1e-4)
    for name, array in one.tail.arrays.items():
        np.testing.assert_allclose(other.tail.arrays[name], array, atol=1e-6)


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_not_taken_up(home: Path, here: Path) -> None:
    """Another seed is another training; neither is a file that is damaged."""

    def stop(epoch: int, epochs: int, values: dict[str, float]) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"model": home / "of-both.featx", "out": here / "t.featx"} | GENTLE
    with pytest.raises(Interrupted):
        featx.fine_tune(home / "both", "block5_conv3", on_epoch=stop, **options)
    checkpoint = here / "t.featx.checkpoint"
    kept = checkpoint.read_bytes()
    assert featx.fine_tune(home / "both", "block5_conv3", seed=1, **options).resumed_at == 0
    damaged = bytearray(kept)
    damaged[len(damaged) // 2] ^= 1
    checkpoint.write_bytes(bytes(damaged))
    assert featx.fine_tune(home / "both", "block5_conv3", **options).resumed_at == 0
    checkpoint.write_bytes(kept)
    assert featx.fine_tune(home / "both", "block5_conv3", **options).resumed_at == 1


def test_what_does_worse_is_not_kept(home: Path, here: Path) -> None:
    """Steps far too large: the model that it started from is what the file holds, and a note says so."""
    result = featx.fine_tune(
        home / "both", "block5_conv3", model=home / "of-both.featx", out=here / "t.featx", learning_rate=0.05, epochs=2
    )
    assert not result.improved
    assert result.val_loss == result.val_loss_before
    assert any("the model it started from was kept" in note for note in result.notes)
    kept, start = load_model(here / "t.featx"), load_model(home / "of-both.featx")
    assert kept.tail is None
    assert kept.recipe == start.recipe
    np.testing.assert_array_equal(kept.head.arrays()["kernel_0"], start.head.arrays()["kernel_0"])


@pytest.mark.slow
def test_the_layer_before_is_extracted_first_where_it_is_not_cached(home: Path, here: Path) -> None:
    """Once, into the cache's own folder; with the same labels and splits; the second time nothing is extracted."""
    shutil.copytree(home / "last", here / "c")
    first = featx.fine_tune(here / "c", "block5_conv1", out=here / "a.featx", epochs=1)
    assert first.extracted == 48
    assert first.before == "block4_pool"
    assert first.cache == here / "c" / "layers" / "block4_pool"
    assert first.started_from.endswith(", fitted now")
    again = featx.fine_tune(here / "c", "block5_conv1", out=here / "b.featx", epochs=1)
    assert again.extracted == 0
    deep, both, own = (featx.open_cache(str(path)) for path in (first.cache, home / "both", here / "c"))
    assert deep.catalog.splits.tolist() == own.catalog.splits.tolist()
    rows = deep.catalog.rows()
    np.testing.assert_allclose(
        deep.features(rows), both.features(both.catalog.rows(), layer="block4_pool"), rtol=2e-3, atol=0.5
    )
    assert featx.verify_cache(here / "c").sound
    assert featx.verify_cache(first.cache).sound


def test_images_that_are_gone_are_said(home: Path, here: Path) -> None:
    """Features of another layer need the files; without any the error says which layers to extract together."""
    shutil.copytree(home / "photos", here / "photos")
    featx.extract_features(here / "photos", here / "c", image_size=SIZE)
    shutil.rmtree(here / "photos")
    with pytest.raises(ImageListError, match=r"could be read there.+--layer block4_pool,block5_pool"):
        featx.fine_tune(here / "c", "block5_conv1", out=here / "t.featx")
    assert not (here / "t.featx").exists()


def test_an_edited_image_is_left_out(home: Path, here: Path) -> None:
    """A file that changed since it was listed has another content: its new features are not taken for the old ones."""
    shutil.copytree(home / "photos", here / "photos")
    featx.extract_features(here / "photos", here / "c", image_size=SIZE)
    write_image(here / "photos" / "red" / "3.png", (0, 0, 0), seed=999)
    result = featx.fine_tune(here / "c", "block5_conv1", out=here / "t.featx", epochs=1)
    catalog = featx.open_cache(str(result.cache)).catalog
    row = catalog.paths.index("red/3.png")
    assert catalog.reasons[row] == "changed since it was extracted"
    assert len(catalog.rows()) == 47


@pytest.mark.slow
def test_a_twin_stands_in_for_an_image_that_is_gone(home: Path, here: Path) -> None:
    """Of two equal files one is enough; without either both are left out, and the reason is that they are gone."""
    shutil.copytree(home / "photos", here / "photos")
    for number in (0, 1):
        shutil.copy(here / "photos" / "red" / f"{number}.png", here / "photos" / "red" / f"twin-{number}.png")
    featx.extract_features(here / "photos", here / "c", image_size=SIZE)
    for name in ("0.png", "1.png", "twin-1.png"):
        (here / "photos" / "red" / name).unlink()
    result = featx.fine_tune(here / "c", "block5_conv1", out=here / "t.featx", epochs=1)
    deep = featx.open_cache(str(result.cache))
    reasons = {path: reason for path, reason in zip(deep.catalog.paths, deep.catalog.reasons, strict=True) if reason}
    assert reasons == dict.fromkeys(("red/1.png", "red/twin-1.png"), "cannot be read: No such file or directory")
    assert len(deep.features(deep.catalog.rows())) == 48


@pytest.mark.slow
def test_images_extracted_with_a_larger_limit_are_learned_from(home: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were not too large when the head learned from them, whatever the limit is by default."""
    featx.extract_features(home / "photos", here / "c", image_size=SIZE)
    smaller = functools.partial(Compute, max_pixels=1000)  # the images have 1,920 px
    monkeypatch.setattr("featx.verbs.finetune.layer_cache.Compute", smaller)
    result = featx.fine_tune(here / "c", "block5_conv1", out=here / "t.featx", epochs=1)
    assert result.extracted == 48
    assert featx.open_cache(str(result.cache)).catalog.reason_counts() == {}


def test_the_weights_of_the_frozen_layers_are_given_where_they_are_not_at_hand(
    home: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with the same content is taken, wherever it lies; one with another, and other weights by name, are refused."""
    weights = here / "mine.weights.h5"
    shutil.copy(BACKBONES["vgg16"].bundled, weights)  # type: ignore[arg-type]
    shutil.copytree(home / "last", here / "c")
    unbundled = dataclasses.replace(BACKBONES["vgg16"], bundled=None, bundled_digest="")
    monkeypatch.setitem(BACKBONES, "vgg16", unbundled)
    options: dict[str, Any] = {"model": home / "dense.featx", "out": here / "t.featx", "epochs": 1}
    result = featx.fine_tune(here / "c", "block5_conv3", weights=weights, **options)
    assert result.extracted == 48
    assert featx.open_cache(str(result.cache)).network["weights_file"] == str(weights)
    with pytest.raises(WeightsError, match="random:3: the features were made with sha256"):
        featx.fine_tune(home / "both", "block5_conv3", weights="random:3", **options)
    (here / "other.h5").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"other\.h5: has digest"):
        featx.fine_tune(home / "both", "block5_conv3", weights=here / "other.h5", **options)


def test_device_and_batch_sizes_reach_the_network(home: Path, here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen layers run on as many images as were asked for, a training step on others; a device that is none is refused."""
    seen: list[Any] = []
    load = featx.models.compute.load_backbone

    def noted(recipe: Any, weights: Any, size: int, **options: Any) -> Any:
        seen.append((size, options["device"]))
        return load(recipe, weights, size, **options)

    monkeypatch.setattr("featx.models.compute.load_backbone", noted)
    shutil.copytree(home / "last", here / "c")
    words = ("--from", "block5_conv3", "--epochs", "1", "--batch-size", "16", "--device", "cpu", "--extract-batch-size", "5")
    done = run("finetune", "c", *words, "--model", str(home / "dense.featx"), "--out", "t.featx", "--json")
    assert as_json(done)["extracted"] == 48
    assert seen == [(5, "cpu")]
    refused = run("finetune", "c", *words[:-3], "gpu:7", "--out", "t.featx")
    assert refused.exit_code == 2
    assert "--device gpu:7" in refused.stderr


@pytest.mark.slow
def test_augmented_views_are_learned_from(home: Path, here: Path) -> None:
    """Views that are cached for the head are extracted at the layer before as well, and train."""
    featx.extract_features(home / "photos", here / "c", image_size=SIZE, views=2, augment="flip")
    result = featx.fine_tune(here / "c", "block5_conv2", out=here / "t.featx", epochs=1)
    assert result.views == 2
    assert result.extracted == 48 + result.train_images


def test_it_goes_on_from_a_fine_tuned_model(home: Path, here: Path, tuned: featx.FineTuneResult) -> None:
    """The layers and the head of the first run are where the second starts."""
    result = featx.fine_tune(home / "both", model=tuned.model, out=here / "t.featx", learning_rate=1e-6, epochs=1)
    assert result.start == "block5_conv2"
    with pytest.raises(
        ModelError, match=r"was fine-tuned from 'block5_conv2', not from 'block5_conv3'\. Give --from block5_conv2"
    ):
        featx.fine_tune(home / "both", "block5_conv3", model=tuned.model, out=here / "u.featx")
    assert result.val_loss_before == pytest.approx(tuned.val_loss, abs=1e-5)


def test_the_newest_dense_model_of_the_cache_is_found(home: Path, here: Path) -> None:
    """In ``models/``: not of another cache, not another head."""
    (here / "models").mkdir()
    for place, name in enumerate(("of-both", "dense", "logreg")):
        shutil.copy(home / f"{name}.featx", here / "models" / f"{place}.featx")
    result = featx.fine_tune(home / "both", "block5_conv3", epochs=1)
    assert result.started_from == "models/0.featx"
    assert result.model == Path("models/both-finetuned.featx")


@pytest.mark.parametrize("suffix", [".keras", ".joblib", pytest.param(".tflite", marks=pytest.mark.slow)])
def test_a_fine_tuned_model_is_exported_with_its_layers(tuned: featx.FineTuneResult, here: Path, suffix: str) -> None:
    """The export itself compares with featx's own prediction of sample images; the frozen layers would be far off."""
    result = featx.export_model(tuned.model, here / f"tuned{suffix}")
    assert result.largest_difference <= 1e-4


def test_counts_and_layers_say_what_was_trained(home: Path, tuned: featx.FineTuneResult) -> None:
    """Two convolutions of 512 channels and the head are trainable, all else frozen."""
    convolutions = 2 * (3 * 3 * 512 * 512 + 512)
    assert tuned.parameters == {
        "total": 14_714_688 + 512 * 3 + 3,
        "trainable": convolutions + 512 * 3 + 3,
        "frozen": 14_714_688 - convolutions,
    }
    summary = featx.inspect_path(tuned.model)
    trainable = [layer["name"] for layer in summary.layers if layer["trainable"]]  # type: ignore[union-attr]
    assert trainable == ["block5_conv2", "block5_conv3", "dense head on block5_pool, flatten"]


def test_the_recipe_says_that_the_features_are_tuned(home: Path, tuned: featx.FineTuneResult) -> None:
    """It names the first layer and the digest of the weights, and no cache has it."""
    model, store = load_model(tuned.model), featx.open_cache(str(home / "both"))
    assert model.recipe.tail.startswith("block5_conv2:")
    assert model.recipe.differences(store.recipe)["tail"] == (model.recipe.tail, "")
    assert model.cached_recipe.tail == ""
    assert model.recipe.fingerprint != store.recipe.fingerprint


def test_changed_weights_in_the_file_are_noticed(tuned: featx.FineTuneResult, here: Path) -> None:
    """Arrays that do not fit the recipe's digest are refused even where the file's own digests fit."""
    model = load_model(tuned.model)
    assert model.tail is not None
    arrays = model.tail.arrays | {"block5_conv3/bias": model.tail.arrays["block5_conv3/bias"] + 1}
    save_model(dataclasses.replace(model, tail=dataclasses.replace(model.tail, arrays=arrays)), here / "t.featx")
    with pytest.raises(ModelDamaged, match="fine-tuned layers do not fit its recipe"):
        load_model(here / "t.featx")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"dropout": 1.0}, HeadError, "dropout must be a number from 0, below 1"),
        ({"flip": "up"}, HeadError, "flip must be one of none, horizontal, all"),
        ({"averaging": 2}, HeadError, "averaging must be a number from 0 to 1"),
        ({"depth_decay": 0.0}, HeadError, "depth_decay must be a number above 0, at most 1"),
        ({"model": "none.featx"}, ModelError, "no such model file"),
        ({"start": "block1_conv1"}, BackboneError, "cannot be fine-tuned from 'block1_conv1'"),
        ({"start": "block6"}, BackboneError, "has no layer 'block6'"),
        ({"epochs": 0}, HeadError, "epochs must be a whole number from 1. Received: 0"),
        ({"learning_rate": 0.0}, HeadError, "learning_rate must be a number above 0"),
        ({"schedule": "linear"}, HeadError, "schedule must be one of cosine, constant"),
        ({"optimizer": "lion"}, HeadError, "optimizer must be one of"),
        ({"momentum": 0.9}, HeadError, "momentum must be 0 for adam"),
        ({"patience": 0}, HeadError, "patience must be"),
        ({"monitor": "loss"}, HeadError, "monitor must be"),
        ({"batch_size": 0}, HeadError, "batch_size must be"),
        ({"seed": -1}, HeadError, "seed must be"),
    ],
    ids=str,
)
def test_bad_input_is_refused(home: Path, here: Path, options: dict[str, Any], error: type[FeatxError], said: str) -> None:
    """A typed error that names what was given and what to do; nothing is written."""
    if "model" in options:
        options = options | {"model": home / options["model"]}
    with pytest.raises(error) as refusal:
        featx.fine_tune(home / "both", **({"out": here / "t.featx"} | options))
    assert said in str(refusal.value)
    assert list(here.iterdir()) == []


def test_a_model_of_other_features_is_refused(home: Path, here: Path) -> None:
    """Fitted at another image size: both sizes are named."""
    featx.extract_features(home / "photos", here / "c", image_size=(48, 48))
    with pytest.raises(RecipeMismatch, match=r"image_size=\[48, 48\], but .*dense\.featx was fitted on image_size=\[32, 32\]"):
        featx.fine_tune(here / "c", model=home / "dense.featx", out=here / "t.featx")


def test_a_foreign_file_at_the_checkpoints_place_is_spared(home: Path, here: Path) -> None:
    """Nothing of the user's is replaced."""
    (here / "t.featx.checkpoint").write_text("my notes")
    with pytest.raises(OutputError, match="exists and is not a checkpoint of featx"):
        featx.fine_tune(home / "both", out=here / "t.featx")
    assert (here / "t.featx.checkpoint").read_text() == "my notes"


@pytest.mark.slow
def test_a_folder_that_is_not_there_yet_is_made_for_the_checkpoint(home: Path, here: Path) -> None:
    """As ``models/`` where no head was fitted before: the first checkpoint comes long before the model."""
    result = featx.fine_tune(home / "both", "block5_conv3", out=here / "new" / "models" / "t.featx", epochs=1, batch_size=8)
    assert load_model(result.model).head_name == "dense"
    assert [path.name for path in (here / "new" / "models").iterdir()] == ["t.featx"]


def test_features_of_the_stub_cannot_be_fine_tuned(stub_cache: Path, here: Path) -> None:
    """It has no layers."""
    with pytest.raises(BackboneError, match="stub: has no layers to fine-tune"):
        featx.fine_tune(stub_cache)


def test_the_command_says_what_it_did(home: Path, run: Run) -> None:
    """Before and after, what was trained, and as JSON the same."""
    options = ("--from", "block5_conv3", "--model", home / "of-both.featx", "--epochs", 1, "--learning-rate", 1e-4)
    text = run("finetune", home / "both", *options, "--out", "a.featx")
    assert text.exit_code == 0, text.stderr
    assert "block5_conv3 to block5_pool and a dense head, from cached block5_conv2 features" in text.stdout
    assert "validation accuracy" in text.stdout
    assert text.stdout.splitlines()[-1] == "next: featx evaluate a.featx"
    document = as_json(run("finetune", home / "both", *options, "--out", "b.featx", "--json"))
    assert document["start"] == "block5_conv3"
    assert {"model", "val_accuracy_before", "val_accuracy", "seconds_per_epoch", "parameters"} <= set(document)
    shown = run("inspect", "a.featx")
    assert "fine-tuned from block5_conv3" in shown.stdout or not document["improved"]


@pytest.mark.slow
def test_lite0_is_fine_tuned_from_its_sixth_stage(home: Path, here: Path) -> None:
    """The default start has two fifths of the parameters behind it; statistics of batch normalisation stay; and back."""
    options: dict[str, Any] = {"backbone": "efficientnet-lite0", "image_size": SIZE}
    layers = ("block6c_add", "top_activation")
    cache = featx.extract_features(home / "photos", here / "cache", layers=layers, **options).cache
    featx.fit_head(cache, "dense", layer="top_activation", pooling="avg", out=here / "dense.featx", epochs=3)
    tuned = featx.fine_tune(cache, model=here / "dense.featx", out=here / "tuned.featx", monitor="val_loss", **GENTLE)
    assert (tuned.start, tuned.improved) == ("block6d_expand_conv", True)
    model = load_model(tuned.model)
    assert model.tail is not None
    frozen = load_tail(model.recipe, BACKBONES["efficientnet-lite0"].bundled, "block6d_expand_conv", "top_activation").arrays()
    assert frozen.keys() == model.tail.arrays.keys()
    same = {name for name, array in frozen.items() if np.array_equal(array, model.tail.arrays[name])}
    assert same == {name for name in frozen if name.endswith(("moving_mean", "moving_variance"))}
    cached = probabilities(featx.evaluate_model(tuned.model, split="all"))
    for path, row in probabilities(featx.evaluate_model(tuned.model, images=home / "photos", split="all")).items():
        np.testing.assert_allclose(cached[path], row, atol=1e-4)


@pytest.mark.slow
def test_how_grades_are_answered_is_chosen_anew(home: Path, here: Path) -> None:
    """By what the tuned network gives for the validation images, whatever suited the head that it started from."""
    shutil.copytree(home / "both", here / "c")
    layers = ("block4_pool", "block5_pool")
    featx.extract_features(home / "photos", here / "c", image_size=SIZE, layers=layers, ordinal=tuple(COLOURS))
    start = featx.load_model(featx.fit_head(here / "c", "dense", out=here / "start.featx", epochs=3).model)
    for answer in ("median", "most_probable"):
        save_model(dataclasses.replace(start, grade_answer=answer), here / f"{answer}.featx")
        result = featx.fine_tune(here / "c", "block5_conv2", model=here / f"{answer}.featx", out=here / "t.featx", **GENTLE)
        assert result.improved
        measured = featx.evaluate_model(here / "t.featx", split="val")
        assert load_model(here / "t.featx").grade_answer == choose_answer(measured.probabilities, measured.y)


@pytest.mark.slow
def test_a_threshold_is_chosen_anew_on_the_validation_images(home: Path, here: Path) -> None:
    """For the same goal, by what the tuned network gives, and said; one that was given stays; none without a way to choose."""
    for name in list(COLOURS)[:2]:
        shutil.copytree(home / "photos" / name, here / "photos" / name)
    featx.extract_features(here / "photos", here / "c", image_size=SIZE, layers=("block4_pool", "block5_pool"))
    fitted = {
        goal: featx.fit_head(here / "c", "dense", out=here / f"{goal}.featx", epochs=3, threshold=goal)
        for goal in ("f1", "precision=0.6", "0.35")
    }
    for goal, fit in fitted.items():
        start = load_model(fit.model)
        assert start.point is not None
        result = featx.fine_tune(here / "c", "block5_conv2", model=fit.model, out=here / "t.featx", **GENTLE)
        assert result.improved
        point, measured = load_model(here / "t.featx").point, featx.evaluate_model(here / "t.featx", split="val")
        assert point is not None
        wanted = choose_point(Goal.parse(goal), measured.probabilities, measured.y, start.point.positive)
        assert point.threshold == pytest.approx(wanted.threshold, abs=1e-6)
        assert (point.goal, point.positive) == (goal, start.point.positive)
        assert any("chosen anew on the validation images" in note for note in result.notes) == (goal != "0.35")
    beyond = dataclasses.replace(load_model(fitted["f1"].model), point=OperatingPoint(1, 0.7, "precision=0.9999"))
    mixed = np.tile([[0.5, 0.5]], (4, 1))
    found, said = featx.verbs.finetune.joined._point_anew(beyond, mixed, np.array([0, 1, 0, 1]))
    assert found is None
    assert "was left out: no threshold reaches that on the validation images" in said[0]
    assert featx.verbs.finetune.joined._point_anew(beyond, mixed[:0], np.zeros(0, np.int64))[0] is None
