"""A session in int8: one quantized network for extract, fit, evaluate and predict, wherever the files go."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.errors import (
    BackboneError,
    CacheError,
    ExportError,
    ImageListError,
    Interrupted,
    ModelDamaged,
    QuantizedNetworkError,
    RecipeError,
    RecipeMismatch,
)
from featx.models import Compute, Engine, int8
from featx.system.lock_file import locked
from featx.verbs.extract import quantization
from featx.verbs.extract.options import ExtractOptions
from featx.verbs.extract.prepared import Prepared
from tests.conftest import COLOURS, Run, as_json, write_image

pytest.importorskip("nncf", reason="NNCF is not installed: pip install 'featx[int8]'")

VGG16: dict[str, Any] = {"image_size": (32, 32), "batch_size": 8, "workers": 1}
INT8: dict[str, Any] = VGG16 | {"precision": "int8"}
Calibrate = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``photos`` of 3 x 8 images, and ``cache`` with their int8 features and a model ``m.featx`` fitted on them."""
    root = tmp_path_factory.mktemp("int8")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(8):
            write_image(root / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    result = featx.extract_features(root / "photos", root / "cache", **INT8)
    assert (result.extracted, result.precision, result.device) == (24, "int8", "cpu")
    assert result.calibration_seconds > 0
    featx.fit_head(root / "cache", "logreg", out=root / "m.featx")
    return root


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of ``folder``, to change."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def no_quantization(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every attempt to quantize a network fail."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a network was quantized")

    monkeypatch.setattr(int8, "quantize_backbone", refuse)


@pytest.mark.slow
def test_an_explanation_is_exact_in_int8_too(folder: Path) -> None:
    """From the maps that the quantized network gives; the margin is the head's."""
    (one,) = featx.explain_images(folder / "m.featx", folder / "photos/red/0.png")
    (predicted,) = featx.predict_images(folder / "m.featx", folder / "photos/red/0.png")
    assert (one.label, one.confidence, one.method) == (predicted.label, pytest.approx(predicted.confidence), "exact")
    assert one.cells is not None
    assert one.cells.sum() + one.bias == pytest.approx(one.margin, abs=1e-5)


@pytest.mark.usefixtures("no_quantization")
def test_prediction_is_that_of_the_cached_features_without_the_cache(copy: Path) -> None:
    """The network travels inside the model: evaluate on the cache and predict on the files give the same, bit for bit."""
    evaluated = featx.evaluate_model(copy / "m.featx", split="all", cache=copy / "cache")
    shutil.rmtree(copy / "cache")
    predicted = featx.predict_images(copy / "m.featx", [copy / "photos"], batch_size=8)
    surest = dict(zip(evaluated.paths, evaluated.probabilities.max(axis=1), strict=True))
    assert len(predicted) == 24
    for one in predicted:
        assert one.confidence == pytest.approx(surest[str(Path(one.path).relative_to(copy / "photos"))], abs=1e-12)


@pytest.mark.usefixtures("no_quantization")
def test_a_model_that_keeps_its_network_gives_the_same(folder: Path) -> None:
    """However many images a call has: the network is compiled for their number, as it is for ``predict_images``."""
    files = sorted((folder / "photos").glob("*/[01].png"))
    with featx.load_model(folder / "m.featx") as model:
        for count in (1, 6, 2, 1):
            expected = [one.confidence for one in featx.predict_images(folder / "m.featx", files[:count])]
            assert model.predict_proba(files[:count]).max(axis=1).tolist() == expected


@pytest.mark.usefixtures("no_quantization")
def test_later_extracts_use_the_same_network(copy: Path) -> None:
    """New images are extracted with the ranges that the first ones set; nothing is quantized again."""
    before = featx.open_cache(copy / "cache")
    write_image(copy / "photos" / "red" / "new.png", COLOURS["red"], seed=999)
    result = featx.extract_features(copy / "photos", copy / "cache", **INT8)
    assert (result.extracted, result.reused, result.calibration_seconds) == (1, 24, 0.0)
    after = featx.open_cache(copy / "cache")
    assert after.recipe == before.recipe
    assert after.recipe.quantized.startswith("sha256:")


@pytest.mark.usefixtures("no_quantization")
@pytest.mark.parametrize("source", ["cache", "m.featx"])
def test_network_of_another_cache_or_model_can_be_used(copy: Path, tmp_path: Path, source: str) -> None:
    """Then the features can be compared: the recipes are equal, and so are the rows."""
    shutil.copytree(copy / "photos" / "red", tmp_path / "more" / "red")
    shutil.copytree(copy / "photos" / "blue", tmp_path / "more" / "blue")
    featx.extract_features(tmp_path / "more", tmp_path / "c", calibration=copy / source, **INT8)
    here, there = featx.open_cache(tmp_path / "c"), featx.open_cache(copy / "cache")
    assert here.recipe == there.recipe
    rows = [there.catalog.paths.index(path) for path in here.catalog.paths]
    np.testing.assert_array_equal(here.features(np.arange(len(rows))), there.features(np.array(rows)))


@pytest.mark.usefixtures("no_quantization")
def test_network_that_does_not_fit_is_refused(copy: Path, tmp_path: Path) -> None:
    """One of another image size, one of a float32 cache, one asked for without int8."""
    other = VGG16 | {"image_size": (48, 48)}
    with pytest.raises(QuantizedNetworkError, match=r"image_size=\(32, 32\), but image_size=\(48, 48\) was asked for"):
        featx.extract_features(copy / "photos", tmp_path / "c", precision="int8", calibration=copy / "cache", **other)
    featx.extract_features(copy / "photos", tmp_path / "f", **VGG16)
    with pytest.raises(QuantizedNetworkError, match="was made in float32 and has no int8 network"):
        featx.extract_features(copy / "photos", tmp_path / "c", calibration=tmp_path / "f", **INT8)
    with pytest.raises(RecipeError, match="--int8-from is for --precision int8 alone"):
        featx.extract_features(copy / "photos", tmp_path / "c", calibration=copy / "cache", **VGG16)
    with pytest.raises(RecipeMismatch, match=r"precision='float32'.* but precision='int8'"):
        featx.extract_features(copy / "photos", tmp_path / "f", **INT8)
    with pytest.raises(RecipeMismatch, match=r"precision='int8'.* but precision='float32'"):
        featx.extract_features(copy / "photos", copy / "cache", **VGG16)
    with pytest.raises(RecipeMismatch, match=r"with image_size=\[32, 32\], but image_size=\[48, 48\]"):
        featx.extract_features(copy / "photos", copy / "cache", precision="int8", **other)


@pytest.mark.usefixtures("no_quantization")
@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_network_that_is_lost_comes_back_from_a_model(copy: Path, harm: str) -> None:
    """Verify, extract and fit name the file; a model fitted on the cache carries the network, and puts it back."""
    (network,) = (copy / "cache" / "quantized").glob("*.zip")
    before = network.read_bytes()
    if harm == "lost":
        network.unlink()
    else:
        network.write_bytes(before[: len(before) // 2])
    found = featx.verify_cache(copy / "cache")
    assert [damage.path for damage in found.damages] == [network]
    if harm == "damaged":
        assert featx.verify_cache(copy / "cache", repair=True).damages  # no extract could do it again: it stays damage
    with pytest.raises(QuantizedNetworkError, match=network.name):
        featx.extract_features(copy / "photos", copy / "cache", **INT8)
    with pytest.raises(QuantizedNetworkError, match="Give --int8-from MODEL"):
        featx.fit_head(copy / "cache", "logreg", out=copy / "again.featx")
    result = featx.extract_features(copy / "photos", copy / "cache", calibration=copy / "m.featx", **INT8)
    assert result.extracted == 0
    assert network.read_bytes() == before
    assert featx.verify_cache(copy / "cache").sound


def other_network(copy: Path) -> Path:
    """Return a model file with another quantized network for the same backbone: one constant is different."""
    from featx.models.file import save_model

    model = featx.load_model(copy / "m.featx")
    assert model.quantized is not None
    network = dataclasses.replace(model.quantized, weights=model.quantized.weights[:-1] + b"\x07")
    recipe = dataclasses.replace(model.recipe, quantized=network.identity)
    save_model(dataclasses.replace(model, recipe=recipe, quantized=network), copy / "other.featx")
    return copy / "other.featx"


@pytest.mark.usefixtures("no_quantization")
def test_old_network_stays_in_use_until_the_new_features_are_complete(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An overwriting extract that is stopped leaves cache, network and models as they were."""

    class Stopped:
        network, device, engine = {"parameters": 0, "layers": []}, "cpu", "openvino"

        def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
            raise KeyboardInterrupt

    other = other_network(copy)
    with monkeypatch.context() as patch:
        patch.setattr("featx.models.compute.load_backbone", lambda *_, **__: Stopped())
        with pytest.raises(Interrupted):
            featx.extract_features(copy / "photos", copy / "cache", calibration=other, overwrite=True, **INT8)
    assert featx.verify_cache(copy / "cache").sound
    assert featx.fit_head(copy / "cache", "logreg", out=copy / "again.featx").head == "logreg"
    assert featx.extract_features(copy / "photos", copy / "cache", **INT8).extracted == 0


def test_processes_make_one_network_between_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second waits, and finds it made."""
    network = featx.load_model(folder / "m.featx").quantized
    made: list[int] = []

    def make(*_: object) -> Any:
        made.append(1)
        time.sleep(0.3)
        return network

    monkeypatch.setattr(int8, "quantize_backbone", make)
    with ThreadPoolExecutor(2) as pool:
        parts = [pool.submit(featx.extract_features, folder / "photos", tmp_path / "c", shard=(n, 2), **INT8) for n in (1, 2)]
        assert sum(part.result().extracted for part in parts) == 24
    assert len(made) == 1


@pytest.mark.usefixtures("no_quantization")
def test_part_without_an_image_to_quantize_from_pins_nothing(tmp_path: Path) -> None:
    """It says so, and the next part starts as if it had not been there."""
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    with pytest.raises(ImageListError, match="no image of part 1/1 can be used to make the int8 network"):
        featx.extract_features(tmp_path / "photos", tmp_path / "c", shard=(1, 1), yes=True, **INT8)
    assert not (tmp_path / "c" / "recipe.json").exists()


def test_network_that_another_process_deletes_before_it_has_the_lock_is_put_back(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extract in float32 that ends while this one waits for it: it deletes networks that are not its own."""
    cache = tmp_path / "cache"

    real = featx.verbs.extract.extract._with_network

    def then_the_other_ends(prepared: Prepared, *arguments: Any) -> Any:
        done = real(prepared, *arguments)
        int8.drop_other_networks(cache, dataclasses.replace(prepared.recipe, precision="float32", quantized=""))
        return done

    monkeypatch.setattr(featx.verbs.extract.extract, "_with_network", then_the_other_ends)
    featx.extract_features(copy / "photos", cache, calibration=copy / "m.featx", **INT8)
    assert featx.fit_head(cache, "logreg", out=tmp_path / "m.featx").model.exists()


def test_unfinished_network_of_a_killed_process_is_found_and_swept(copy: Path) -> None:
    """By ``featx verify`` and by the next extract, but not while another process is making one."""
    cache = copy / "cache"
    left = cache / "quantized" / ".tmp-1-cut.zip"
    left.write_bytes(b"half")
    assert featx.verify_cache(cache).leftovers == 1
    with locked(cache / "quantized" / ".lock"):
        featx.extract_features(copy / "photos", cache, **INT8)
        assert left.exists()
    featx.extract_features(copy / "photos", cache, **INT8)
    assert not left.exists()
    assert featx.verify_cache(cache).leftovers == 0


@pytest.mark.slow
def test_overwriting_changes_the_network_and_keeps_one(copy: Path) -> None:
    """Another network is another recipe: all features are made again, and the old network goes with the old features."""
    (network,) = (copy / "cache" / "quantized").glob("*.zip")
    network.unlink()
    result = featx.extract_features(copy / "photos", copy / "cache", seed=5, overwrite=True, **INT8)
    assert (result.extracted, len(list((copy / "cache" / "quantized").glob("*.zip")))) == (24, 1)
    featx.extract_features(copy / "photos", copy / "cache", overwrite=True, **VGG16)
    assert list((copy / "cache" / "quantized").glob("*.zip")) == []


@pytest.mark.usefixtures("no_quantization")
def test_model_with_another_network_is_refused(copy: Path) -> None:
    """Its bytes are part of what the recipe names."""
    model = featx.load_model(copy / "m.featx")
    assert model.quantized is not None
    other = dataclasses.replace(model.quantized, weights=model.quantized.weights[:-1] + b"\x07")
    from featx.models.file import save_model

    for changed in (other, None):
        save_model(dataclasses.replace(model, quantized=changed), copy / "x.featx")
        with pytest.raises(ModelDamaged, match="quantized network does not fit its recipe"):
            featx.load_model(copy / "x.featx")


@pytest.mark.usefixtures("no_quantization")
def test_what_needs_float32_says_so(copy: Path) -> None:
    """Fine-tuning and network exports; a scikit-learn pipeline takes features and can be had."""
    with pytest.raises(CacheError, match="fine-tuning starts from features in float32, and these are int8"):
        featx.fine_tune(copy / "cache")
    with pytest.raises(ExportError, match="was fitted on features in int8"):
        featx.export_model(copy / "m.featx", copy / "m.onnx")
    assert featx.export_model(copy / "m.featx", copy / "m.joblib").largest_difference < 1e-4


@pytest.mark.usefixtures("no_quantization")
def test_folder_without_one_readable_image_is_no_reason_to_quantize(tmp_path: Path) -> None:
    """Each is rejected with its reason, as in float32."""
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image" + name.encode())
    with pytest.raises(ImageListError, match="none of its 2 images could be used"):
        featx.extract_features(tmp_path / "photos", tmp_path / "c", yes=True, **INT8)


def test_choice_of_images_is_of_contents_and_seed_alone(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renamed, moved and unreadable files change nothing; at most 32 are chosen, here 10."""
    monkeypatch.setattr(quantization, "MOST_IMAGES", 10)
    seen: list[np.ndarray] = []
    from featx.system.files import file_digest
    from featx.verbs.extract.options import ExtractOptions

    draft = ExtractOptions(image_size=(32, 32), precision="int8").make_recipe()[0]
    assert draft.is_draft
    paths = sorted((folder / "photos").rglob("*.png"))
    renamed = [tmp_path / f"{number}.png" for number in range(len(paths))]
    for path, name in zip(paths, renamed, strict=True):
        shutil.copy(path, name)
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:60])
    for some, seed in ((paths, 0), ([broken, *reversed(renamed)], 0), (paths, 1)):
        digests = [file_digest(path) for path in some]
        seen.append(quantization.quantization_images(draft, some, digests, Compute(workers=1, max_pixels=10**6), seed))
    first, again, other = ({image.tobytes() for image in images} for images in seen)
    assert [len(images) for images in seen] == [10, 10, 10]
    assert first == again
    assert first != other


@pytest.mark.usefixtures("no_quantization")
def test_dry_run_of_int8_writes_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It quantizes for itself, on the first batch, to tell the rate; a cache that has a network uses that."""
    plan = featx.plan_extract(folder / "photos", folder / "cache", **INT8)
    assert (plan.to_extract, plan.reused) == (0, 24)
    network = featx.load_model(folder / "m.featx").quantized
    monkeypatch.setattr(int8, "quantize_backbone", lambda *_: network)
    plan = featx.plan_extract(folder / "photos", tmp_path / "none", **INT8)
    assert (plan.to_extract, plan.images_per_second > 0) == (24, True)
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("no_quantization")
def test_merged_cache_has_the_network_of_its_parts(folder: Path, tmp_path: Path) -> None:
    """Parts of one network are merged, and the whole can be fitted; the rows are those of the whole extract."""
    for number in (1, 2):
        part = tmp_path / f"part-{number}"
        featx.extract_features(folder / "photos", part, shard=(number, 2), calibration=folder / "cache", **INT8)
    featx.merge_caches([tmp_path / "part-1", tmp_path / "part-2"], tmp_path / "whole")
    whole, serial = featx.open_cache(tmp_path / "whole"), featx.open_cache(folder / "cache")
    assert (whole.recipe, whole.catalog.paths) == (serial.recipe, serial.catalog.paths)
    np.testing.assert_array_equal(whole.features(np.arange(24)), serial.features(np.arange(24)))
    assert featx.fit_head(tmp_path / "whole", "logreg", out=tmp_path / "m.featx").head == "logreg"


@pytest.mark.usefixtures("no_quantization")
def test_transformer_takes_the_network_of_a_cache(folder: Path) -> None:
    """It gives the rows that the cache has; without a network it says where to take one from."""
    settings = {"image_size": (32, 32), "batch_size": 8, "precision": "int8"}
    store = featx.open_cache(folder / "cache")
    paths = [folder / "photos" / path for path in store.catalog.paths]
    for cache in (folder / "cache", str(folder / "cache"), store):
        found = featx.FeatureExtractor(**settings, calibration=cache, device="cpu").transform(paths)
        np.testing.assert_array_equal(found, store.features(np.arange(len(paths)), pooling="avgmax"))
    with pytest.raises(RecipeError, match="calibration must be a cache or model whose int8 network is to be used"):
        featx.FeatureExtractor(**settings).fit(paths)


@pytest.mark.usefixtures("no_quantization")
def test_command_line_takes_precision_calibration_and_device(copy: Path, run: Run) -> None:
    """As ``--json`` and as text."""
    options = ("--image-size", 32, "--precision", "int8", "--calibration", copy / "m.featx", "--device", "cpu")
    result = as_json(run("extract", copy / "photos", "--cache", "c", *options, "--json"))
    assert (result["extracted"], result["precision"], result["device"]) == (24, "int8", "cpu")
    assert "int8" in run("inspect", "c").stdout
    assert run("predict", copy / "m.featx", copy / "photos" / "red", "--device", "cpu").exit_code == 0
    lost = run("verify", copy / "cache")
    assert lost.exit_code == 0
    refused = run("predict", copy / "m.featx", copy / "photos" / "red", "--device", "gpu:3")
    assert refused.exit_code == 2
    assert "--device gpu:3: int8 networks run on the processor" in refused.stderr


def test_bfloat16_is_a_recipe_of_its_own(folder: Path, tmp_path: Path) -> None:
    """Through extract, fit and predict: the model's files are computed as its cache was."""
    featx.extract_features(folder / "photos", tmp_path / "c", precision="bfloat16", **VGG16)
    model = featx.fit_head(tmp_path / "c", "logreg", out=tmp_path / "m.featx").model
    evaluated = featx.evaluate_model(model, split="all")
    predicted = featx.predict_images(model, [folder / "photos"], batch_size=8)
    surest = dict(zip(evaluated.paths, evaluated.probabilities.max(axis=1), strict=True))
    for one in predicted:
        assert one.confidence == pytest.approx(surest[str(Path(one.path).relative_to(folder / "photos"))], abs=1e-12)
    with pytest.raises(RecipeMismatch, match=r"precision='bfloat16'.* but precision='float32'"):
        featx.extract_features(folder / "photos", tmp_path / "c", **VGG16)


def test_what_int8_would_save_is_said_where_a_measurement_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 images at 9 a second: 19 minutes, or 5 and the quantization, where int8 computes 40 a second and float32 10."""
    monkeypatch.setattr(quantization, "int8_rates", lambda *_: (10.0, 40.0))
    engine = Engine(ExtractOptions().make_recipe()[0])
    seconds = quantization.seconds_in_int8(engine, 10_000, 9.0)
    # Beside the forward pass, 1/9 - 1/10 s an image; the pass itself in int8; 32 images in float32; the conversion.
    assert seconds == pytest.approx(10_000 * (1 / 9 - 1 / 10 + 1 / 40) + 32 / 10 + 17)
    assert quantization.seconds_in_int8(engine, 500, 9.0) is None, "less than a minute"
    assert quantization.seconds_in_int8(engine, 0, 0.0) is None
    for precision in ("int8", "bfloat16"):
        other = dataclasses.replace(engine, recipe=dataclasses.replace(engine.recipe, precision=precision))
        assert quantization.seconds_in_int8(other, 10_000, 9.0) is None
    for rates in (None, (10.0, 11.0), (10.0, 5.0)):
        monkeypatch.setattr(quantization, "int8_rates", lambda *_, rates=rates: rates)
        assert quantization.seconds_in_int8(engine, 10_000, 9.0) is None

    def fails(*_: object) -> None:
        raise BackboneError("cannot be tried")

    monkeypatch.setattr(quantization, "int8_rates", fails)
    assert quantization.seconds_in_int8(engine, 10_000, 9.0) is None
