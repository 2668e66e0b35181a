"""predict --sets and evaluate --sets: as the user meets them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.errors import ExportError, HeadError, ModelError
from featx.verbs.predict import joined
from tests.conftest import Run, as_json, write_image

SETTINGS = {"C": 0.001}


@pytest.fixture
def noisy(tmp_path: Path, extract: Callable[..., Any]) -> Path:
    """A cache of greys of three classes that overlap; a name has the separator in it."""
    for label, name in enumerate(("a|b", "back\\slash", "plain")):
        for number in range(40):
            rng = np.random.default_rng(label * 100 + number)
            level = 100 + 4 * label + int(rng.integers(-5, 6))
            write_image(tmp_path / "noisy" / name / f"{number}.png", (level,) * 3, seed=label * 100 + number)
    cache: Path = extract(tmp_path / "noisy", tmp_path / "noisy-cache", val_fraction=0.4).cache
    return cache


@pytest.fixture
def model(noisy: Path, tmp_path: Path) -> Path:
    """A logreg head on it."""
    return featx.fit_head(noisy, "logreg", out=tmp_path / "m.featx", **SETTINGS).model


def test_the_sets_are_those_of_the_probabilities(model: Path, tmp_path: Path) -> None:
    """The most probable class first; made anew here from the probabilities of an evaluation."""
    evaluation = featx.evaluate_model(model, split="test")
    files = [tmp_path / "noisy" / path for path in evaluation.paths]
    found = featx.predict_images(model, files, sets=0.9)
    conformal = evaluation.model.conformal
    assert conformal is not None
    names = evaluation.model.class_names
    threshold = np.sort(conformal.lac)[int(np.ceil((conformal.images + 1) * 0.9)) - 1]
    for prediction, row in zip(found, evaluation.probabilities, strict=True):
        expected = [names[label] for label in np.argsort(-row) if 1 - row[label] <= threshold + 1e-6] or [names[row.argmax()]]
        assert list(prediction.set or ()) == expected
        assert prediction.set is not None
        assert prediction.set[0] == prediction.label
    assert max(len(one.set or ()) for one in found) > 1
    assert found.notes == ()


def test_csv_and_json_lines_have_them(model: Path, tmp_path: Path, run: Run) -> None:
    """A column behind the others, names with | between them and a backslash before one in a name; a list in JSON."""
    images = tmp_path / "noisy" / "a|b"
    (images / "broken.png").write_bytes(b"no image")
    run("predict", model, images, "--sets", "0.95", "--out", "p.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert rows[0] == ["path", "label", "confidence", "error", "unfamiliar", "set"]
    run("predict", model, images, "--sets", "0.95", "--out", "p.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    for row, line in zip(rows[1:], lines, strict=True):
        assert row[5] == joined(line["set"])
        assert bool(line["set"]) != bool(line["error"])
    assert any("a\\|b" in row[5] and "back\\\\slash" in row[5] for row in rows)
    result = as_json(run("predict", model, images, "--sets", "0.95", "--json"))
    assert [one["set"] for one in result["predictions"]] == [line["set"] for line in lines]
    assert result["notes"] == []


def test_without_the_option_nothing_is_new(model: Path, tmp_path: Path, run: Run) -> None:
    """Neither a column nor a key of a prediction."""
    run("predict", model, tmp_path / "noisy", "--out", "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == "path,label,confidence,error,unfamiliar"
    result = as_json(run("predict", model, tmp_path / "noisy", "--json"))
    assert set(result["predictions"][0]) == {"path", "label", "confidence", "error", "unfamiliar"}


def test_names_can_be_told_apart_again() -> None:
    """Whatever is in them."""
    assert joined(["a", "b|c", "d\\", "\\|"]) == "a|b\\|c|d\\\\|\\\\\\|"
    assert len({joined(names) for names in (["a|b"], ["a", "b"], ["a\\", "b"], ["a\\|b"])}) == 4


def test_too_few_images_for_a_level_are_said(model: Path, tmp_path: Path, run: Run) -> None:
    """Every class is in every set, and the note has the number that would do."""
    result = run("predict", model, tmp_path / "noisy" / "plain" / "0.png", "--sets", "0.999")
    assert "validation images are too few for sets at 0.999, which take 999: each set has all classes" in result.stderr
    (row,) = list(csv.reader(io.StringIO(result.stdout)))[1:]
    assert row[3] == ""
    assert row[5] == "a\\|b|back\\\\slash|plain"


def test_what_cannot_be_is_refused(model: Path, noisy: Path, tmp_path: Path, run: Run, extract: Callable[..., Any]) -> None:
    """Views that are averaged, a method without sets, a level that is none, a model without validation images."""
    image = tmp_path / "noisy" / "plain" / "0.png"
    with pytest.raises(HeadError, match="--tta averages several"):
        featx.predict_images(model, image, sets=0.9, tta=True)
    with pytest.raises(HeadError, match="--tta averages several"):
        featx.evaluate_model(model, sets=0.9, tta=True)
    with pytest.raises(HeadError, match="Give --sets too"):
        featx.predict_images(model, image, set_method="aps")
    with pytest.raises(HeadError, match=r"'raps': unknown\. Give one of lac, aps"):
        featx.predict_images(model, image, sets=0.9, set_method="raps")
    for wrong in ("0", "1", "nan", "90", "x"):
        assert run("predict", model, image, "--sets", wrong).exit_code == 2
    cache = extract(tmp_path / "noisy", tmp_path / "bare", val_fraction=0).cache
    bare = featx.fit_head(cache, "logreg", out=tmp_path / "bare.featx").model
    assert featx.evaluate_model(bare).sets is None
    for ask in (featx.predict_images, lambda path, *_, **options: featx.evaluate_model(path, **options)):
        with pytest.raises(ModelError, match="has no scores of validation images"):
            ask(bare, image, sets=0.9)


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_evaluate_measures_them(model: Path, method: str) -> None:
    """Coverage, size, and both by class, counted apart from the predictions."""
    evaluation = featx.evaluate_model(model, split="test", sets=0.8, set_method=method)
    files = [Path(evaluation.source) / path for path in evaluation.paths]
    found, sets = featx.predict_images(model, files, sets=0.8, set_method=method), evaluation.sets
    assert sets is not None
    truth = [evaluation.model.class_names[label] for label in evaluation.y]
    held = [name in (one.set or ()) for name, one in zip(truth, found, strict=True)]
    sizes = [len(one.set or ()) for one in found]
    assert (sets.level, sets.method) == (0.8, method)
    assert sets.coverage == pytest.approx(np.mean(held))
    assert sets.mean_size == pytest.approx(np.mean(sizes))
    assert sets.sizes == {size: sizes.count(size) for size in sorted(set(sizes))}
    assert sets.interval[0] < sets.coverage < sets.interval[1] or sets.coverage in (0, 1)
    for one in sets.per_class:
        mine = [place for place, name in enumerate(truth) if name == one.class_name]
        assert one.images == len(mine)
        assert one.coverage == pytest.approx(np.mean([held[place] for place in mine]))
        assert one.mean_size == pytest.approx(np.mean([sizes[place] for place in mine]))


def test_text_json_files_and_page_have_them(model: Path, tmp_path: Path, run: Run) -> None:
    """At 0.9 without being asked; at another level where one is given."""
    result = as_json(run("evaluate", model, "--out", "r", "--json"))
    assert (result["sets"]["level"], result["sets"]["method"]) == (0.9, "lac")
    assert result["ece_interval"][0] <= result["ece"] <= result["ece_interval"][1]
    shown = run("evaluate", model, "--out", "r", "--sets", "0.8").stdout
    assert "sets at 0.8 (lac): " in shown
    assert "answer the surest 80 %: " in shown
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["sets"]["level"] == 0.8
    assert [one["share"] for one in metrics["surest"]["table"]] == [1.0, 0.95, 0.9, 0.8, 0.7, 0.5]
    assert metrics["surest"]["table"][0]["accuracy"] == pytest.approx(metrics["accuracy"])
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Several classes instead of one" in page
    assert "Answer the surest 80 %" in page


def test_a_curve_is_reported_and_no_export_takes_it(noisy: Path, tmp_path: Path, run: Run) -> None:
    """By fit, evaluate and inspect; an export names the way out."""
    fitted = as_json(run("fit", noisy, "--head", "logreg", "--calibration", "isotonic", "--out", "i.featx", "--json"))
    assert (fitted["calibration"], fitted["temperature"]) == ("isotonic", 1.0)
    assert any("one rising curve, fitted on the" in note for note in fitted["notes"])
    plain = featx.fit_head(noisy, "logreg", out=tmp_path / "p.featx").model
    evaluation, before = featx.evaluate_model(tmp_path / "i.featx"), featx.evaluate_model(plain)
    assert evaluation.accuracy == before.accuracy
    assert evaluation.uncalibrated is not None
    assert evaluation.uncalibrated.log_loss == pytest.approx(before.log_loss, rel=1e-6)
    assert "calibrated by an isotonic curve" in run("inspect", "i.featx").stdout
    assert "isotonic curve" in Path(featx.write_report(evaluation, tmp_path / "r").page or "").read_text()
    assert any("set the curve too" in note for note in featx.evaluate_model(tmp_path / "i.featx", split="val").notes)
    for name in ("i.joblib", "i.keras"):
        with pytest.raises(ExportError, match=r"calibrated by an isotonic curve.*Fit with --calibration temperature"):
            featx.export_model(tmp_path / "i.featx", tmp_path / name)
    with pytest.raises(HeadError, match=r"'platt': unknown\. Give one of auto, temperature, isotonic"):
        featx.fit_head(noisy, "logreg", calibration="platt")  # type: ignore[arg-type]
