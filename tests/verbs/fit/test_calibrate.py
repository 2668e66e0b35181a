"""fit --calibrate: one temperature from the validation images, in the model and in the report."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss

import featx
from featx.errors import HeadError, ModelDamaged
from featx.models import save_model
from tests.conftest import Run, as_json, write_image

HEADS = ("dense", "conv", "logreg", "svm", "ridge", "knn")


@pytest.fixture
def noisy_cache(tmp_path: Path, extract: Callable[..., Any]) -> Path:
    """A cache of greys close enough together that some images are mistaken."""
    for label, shift in enumerate((0, 3, 6)):
        for number in range(30):
            level = 100 + shift + int(np.random.default_rng(label * 100 + number).integers(-4, 5))
            write_image(tmp_path / "noisy" / f"c{label}" / f"{number}.png", (level,) * 3, seed=label * 100 + number)
    cache: Path = extract(tmp_path / "noisy", tmp_path / "noisy-cache", val_fraction=0.4).cache
    return cache


def document_of(model: Path) -> dict[str, Any]:
    """Read a model's own description."""
    with zipfile.ZipFile(model) as archive:
        document = json.loads(archive.read("model.json"))
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("head", HEADS)
def test_every_head_takes_a_temperature(noisy_cache: Path, tmp_path: Path, head: str) -> None:
    """On the validation images the log loss falls, on the test images no answer changes; all of it survives the file."""
    plain, calibrated = (
        featx.fit_head(noisy_cache, head, out=tmp_path / f"{flag}.featx", calibrate=flag) for flag in (False, True)
    )
    before, after = (featx.evaluate_model(one.model, split="val") for one in (plain, calibrated))
    assert (plain.temperature, featx.load_model(calibrated.model).temperature) == (1.0, calibrated.temperature)
    assert calibrated.temperature != 1.0
    assert after.log_loss < before.log_loss
    assert after.log_loss == pytest.approx(log_loss(after.y, after.probabilities))
    assert calibrated.val_accuracy == plain.val_accuracy
    np.testing.assert_array_equal(before.probabilities.argmax(axis=1), after.probabilities.argmax(axis=1))
    # What the report shows as "before" is what the head without a temperature is measured to be.
    assert before.uncalibrated is None
    assert before.confidence is not None
    assert after.uncalibrated is not None
    if head != "knn":  # its zeros were lifted to the least probability
        assert after.uncalibrated.log_loss == pytest.approx(before.log_loss, rel=1e-6)
        assert after.uncalibrated.ece == pytest.approx(before.confidence.ece, abs=1e-6)


def test_new_images_get_the_temperature_too(noisy_cache: Path, tmp_path: Path) -> None:
    """Evaluate on files, and predict: as from the cache."""
    model = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx", calibrate=True).model
    cached = featx.evaluate_model(model, split="all")
    files = featx.evaluate_model(model, images=tmp_path / "noisy", split="all")
    order = [cached.paths.index(path) for path in files.paths]
    np.testing.assert_allclose(files.probabilities, cached.probabilities[order], atol=1e-6)
    (found,) = featx.predict_images(model, [tmp_path / "noisy" / files.paths[0]])
    assert found.confidence == pytest.approx(files.probabilities[0].max(), abs=1e-6)


def test_a_model_without_a_temperature_is_one_that_an_older_featx_reads(noisy_cache: Path, tmp_path: Path) -> None:
    """Schema 1, as ever; with a temperature 2, with what tells strangers 3, which an older featx refuses by its number."""
    plain = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "p.featx").model
    calibrated = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "c.featx", calibrate=True).model
    assert document_of(plain)["schema"] == document_of(calibrated)["schema"] == 3
    for path, schema in ((plain, 1), (calibrated, 2)):
        save_model(dataclasses.replace(featx.load_model(path), familiarity=None, isotonic=None), path)
        assert document_of(path)["schema"] == schema
    assert "temperature" not in document_of(plain)


@pytest.mark.parametrize("temperature", [0, -1, 1e9, "1", None, True, float("nan"), [2]])
def test_a_temperature_that_no_fit_gives_is_refused(noisy_cache: Path, tmp_path: Path, temperature: object) -> None:
    """A model file comes from anywhere."""
    path = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx").model
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.json"] = json.dumps(json.loads(members["model.json"]) | {"temperature": temperature}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ModelDamaged, match=r"model\.json, temperature: Expected `float`"):
        featx.load_model(path)


def test_the_note_says_what_it_was_fitted_on(noisy_cache: Path, tmp_path: Path) -> None:
    """Of a head with epochs, that the same images chose the epoch; evaluating on them says so again."""
    result = featx.fit_head(noisy_cache, "dense", out=tmp_path / "m.featx", calibrate=True, epochs=3)
    assert any("which chose the epoch too" in note for note in result.notes)
    assert any("set the temperature too" in note for note in featx.evaluate_model(result.model, split="val").notes)
    assert not any("temperature" in note for note in featx.evaluate_model(result.model).notes)


def test_where_every_validation_image_is_right_nothing_is_changed(stub_cache: Path, tmp_path: Path) -> None:
    """There is no best temperature then, and the note says so."""
    result = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx", calibrate=True)
    assert (result.val_accuracy, result.temperature) == (1.0, 1.0)
    assert any("no temperature can be fitted to them" in note for note in result.notes)


def test_without_validation_images_it_is_refused(photos: Path, tmp_path: Path, extract: Callable[..., Any]) -> None:
    """Before the fit, and the message says what to do."""
    cache = extract(photos, val_fraction=0).cache
    with pytest.raises(HeadError, match=r"no validation images to calibrate on.*--val-fraction"):
        featx.fit_head(cache, "logreg", out=tmp_path / "m.featx", calibrate=True)
    assert not (tmp_path / "m.featx").exists()


def test_the_command_says_it_and_the_report_compares(noisy_cache: Path, tmp_path: Path, run: Run) -> None:
    """With --json both commands give the temperature; metrics.json has the figures before and after."""
    fitted = as_json(run("fit", noisy_cache, "--head", "svm", "--calibrate", "--out", "m.featx", "--json"))
    shown = as_json(run("evaluate", "m.featx", "--out", "r", "--json"))
    assert shown["temperature"] == fitted["temperature"] != 1.0
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["calibration"]["ece"] == shown["ece"]
    assert metrics["calibration"]["log_loss_before"] != metrics["log_loss"]
    assert f"calibrated temperature {fitted['temperature']:.2f}" in run("inspect", "m.featx").stdout
    page = (tmp_path / "r" / "report.html").read_text()
    assert f"temperature {fitted['temperature']:.2f}" in page
