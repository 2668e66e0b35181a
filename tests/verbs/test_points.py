"""Operating points through the verbs: chosen by fit, kept in the model, used by evaluate, predict, explain and exports."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

import featx
from featx.errors import HeadError, ModelDamaged
from featx.verbs.compare import cut_into_folds
from tests.conftest import Run, as_json

Extract = Callable[..., featx.ExtractResult]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder of 90 good parts and 30 bad ones that look much alike."""
    rng = np.random.default_rng(0)
    for name, n, light in (("good", 90, 110), ("bad", 30, 121)):
        for number in range(n):
            pixels = np.clip(rng.normal(light, 25, (8, 8, 3)) + rng.normal(0, 8, 3), 0, 255).astype(np.uint8)
            path = tmp_path / "parts" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).resize((64, 64)).save(path)
    return tmp_path / "parts"


@pytest.fixture
def cache(parts: Path, extract: Extract) -> Path:
    """Its features, a quarter of the images in test."""
    return extract(parts, test_fraction=0.25).cache


def fit(cache: Path, **options: Any) -> featx.FitResult:
    """Fit a weak logistic regression, whose probabilities hardly reach a half."""
    return featx.fit_head(cache, "logreg", pooling="avg", C=0.01, out=cache.parent / "m.featx", **options)


def test_the_threshold_is_chosen_on_images_left_out(cache: Path) -> None:
    """Against a loop over folds and thresholds, by scikit-learn's F1; the model's coefficients are those without one."""
    found = fit(cache, threshold="f1")
    point = found.operating_point
    assert point is not None
    assert featx.load_model(found.model).class_names[point.positive] == "bad"
    store = featx.open_cache(cache)
    folds = cut_into_folds(store, "cells", 5, 0)
    X = store.features(folds.rows, pooling="avg")
    p = np.zeros(len(X))
    for fold in range(folds.n_folds):
        out = folds.fold_of == fold
        head = featx.heads.make_head("logreg", C=0.01).fit(X[~out], folds.labels[~out])
        p[out] = head.predict_proba(X[out])[:, point.positive]
    positive = folds.labels == point.positive
    best = max(f1_score(positive, p >= threshold) for threshold in np.unique(p))
    assert point.at_point["f1"] == pytest.approx(best) == pytest.approx(f1_score(positive, p >= point.threshold))
    assert point.at_half["f1"] == pytest.approx(f1_score(positive, p >= 0.5))
    assert point.at_point["f1"] > point.at_half["f1"] + 0.2
    plain = featx.load_model(fit(cache).model)
    assert plain.point is None
    np.testing.assert_array_equal(
        plain.head.arrays()["coef"], featx.load_model(fit(cache, threshold="f1").model).head.arrays()["coef"]
    )


def test_every_verb_answers_by_it(cache: Path, parts: Path, run: Run, tmp_path: Path) -> None:
    """evaluate, its files, predict, Model.predict and explain call an image alike; confidence is that of the answer."""
    model = as_json(run("fit", cache, "--head", "logreg", "--C", 0.01, "--threshold", "recall=0.9", "--json"))["model"]
    loaded = featx.load_model(model)
    assert loaded.point is not None
    found = featx.evaluate_model(loaded)
    called = np.where(found.probabilities[:, loaded.point.positive] >= loaded.point.threshold, "bad", "good")
    true = np.array(loaded.class_names)[found.y]
    assert (called != np.array(loaded.class_names)[found.probabilities.argmax(axis=1)]).any()
    assert found.accuracy == pytest.approx((called == true).mean())
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, called))
    assert found.operating is not None
    assert found.operating.at_point["recall"] == pytest.approx(recall_score(true, called, pos_label="bad"))
    assert found.operating.at_point["precision"] == pytest.approx(precision_score(true, called, pos_label="bad"))
    assert any("called 'bad' from a probability of" in note for note in found.notes)
    figures = as_json(run("evaluate", model, "--json", "--out", "report", "--map", "none"))
    assert figures["operating_point"]["threshold"] == loaded.point.threshold
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())["operating_point"] == figures["operating_point"]
    with (tmp_path / "report" / "predictions.csv").open(newline="") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == called.tolist()
    files = [parts / path for path in found.paths]
    predictions = featx.predict_images(loaded, files, weights=None)
    assert [one.label for one in predictions] == called.tolist() == loaded.predict(files).tolist()
    assert [one.confidence for one in predictions] == pytest.approx(found.answered.tolist(), abs=1e-5)
    assert min(one.confidence or 0 for one in predictions) < 0.5
    assert any("is called 'bad' from a probability of" in note for note in predictions.notes)
    assert [one.label for one in featx.explain_images(loaded, files[:9])] == called[:9].tolist()


def test_exports_know_it(cache: Path, run: Run, tmp_path: Path) -> None:
    """A scikit-learn pipeline answers by it; beside every export it stands in the facts."""
    found = fit(cache, threshold="balanced")
    assert found.operating_point is not None
    loaded = featx.load_model(found.model)
    exported = as_json(run("export", found.model, "m.joblib", "--json"))
    pipeline = joblib.load(tmp_path / "m.joblib")
    store = featx.open_cache(cache)
    X = store.features(store.catalog.rows("test"), pooling="avg")
    assert pipeline.predict(X).tolist() == loaded.predict(X).tolist()
    assert (pipeline.predict(X) != np.array(loaded.class_names)[loaded.predict_proba(X).argmax(axis=1)]).any()
    np.testing.assert_allclose(pipeline.predict_proba(X), loaded.predict_proba(X), atol=1e-6)
    facts = json.loads((tmp_path / exported["sidecar"]).read_text())
    assert facts["operating_point"] == {"class": "bad", "threshold": found.operating_point.threshold, "chosen_for": "balanced"}


def test_an_export_of_two_grades_names_the_threshold_alone(parts: Path, extract: Extract, tmp_path: Path) -> None:
    """A model with a threshold answers by it, and by no median."""
    cache = extract(parts, ordinal=["good", "bad"]).cache
    for threshold, said in ((None, True), ("f1", False)):
        model = fit(cache, threshold=threshold).model
        exported = featx.export_model(model, tmp_path / "m.joblib", overwrite=True)
        assert any("median grade" in note for note in exported.notes) == said


def test_costs_are_read_from_a_table(cache: Path, tmp_path: Path) -> None:
    """By name, in any order; the dearer a missed bad part is, the lower the threshold."""
    thresholds = []
    for cost in (1, 10):
        table = tmp_path / "costs.csv"
        table.write_text(f"true,good,bad\nbad,{cost},0\ngood,0,1\n")
        point = fit(cache, threshold=f"cost={table}").operating_point
        assert point is not None
        assert point.costs == ((0.0, float(cost)), (1.0, 0.0))
        assert point.at_point["cost"] <= point.at_half["cost"]
        thresholds.append(point.threshold)
    assert thresholds[1] < thresholds[0]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("true,good,ugly\ngood,0,1\nugly,1,0\n", "but the classes are"),
        ("true,good,bad\ngood,0,1\n", "but the classes are"),
        ("true,good,bad\ngood,0,1\nbad,x,0\n", "the cost of calling 'bad' 'good' is 'x'"),
        ("true,good,bad\ngood,0,1\nbad,1\n", "row 'bad' has 1 costs, wanted 2"),
        ("true,good,bad\ngood,1,0\nbad,0,1\n", "must cost less than calling it another"),
        ("true,good,bad\ngood,0,0\nbad,0,0\n", "must cost less than calling it another"),
        ("", "has 0 rows"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_table_of_costs_that_is_none_is_refused(cache: Path, tmp_path: Path, table: str | None, said: str) -> None:
    """Before anything is fitted."""
    if table is not None:
        (tmp_path / "costs.csv").write_text(table)
    with pytest.raises(HeadError, match=said) as caught:
        fit(cache, threshold=f"cost={tmp_path / 'costs.csv'}")
    assert caught.value.wrong_value
    assert not (tmp_path / "m.featx").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--threshold", "f2"), "--threshold must be f1, balanced"),
        (("--positive", "bad"), "Give --threshold"),
        (("--threshold", "f1", "--positive", "ugly"), "--positive must be one of 'bad', 'good'. Received: 'ugly'"),
    ],
)
def test_what_cannot_be_chosen_is_wrong_usage(cache: Path, run: Run, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, with what there is."""
    result = run("fit", cache, "--head", "ridge", *words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_three_classes_have_no_threshold(stub_cache: Path, run: Run) -> None:
    """They are named."""
    result = run("fit", stub_cache, "--threshold", "f1")
    assert result.exit_code == 2
    assert "tells two classes apart, and the training images are of 3" in result.stderr


def test_a_point_needs_a_featx_that_knows_it(cache: Path, tmp_path: Path) -> None:
    """The schema says so; an edited threshold is refused."""
    import zipfile

    path = fit(cache, threshold=0.3).model
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    document = json.loads(members["model.json"])
    assert document["schema"] == 5
    document["operating_point"]["threshold"] = 0.9
    edited = tmp_path / "edited.featx"
    with zipfile.ZipFile(edited, "w") as file:
        for name, data in (members | {"model.json": json.dumps(document).encode()}).items():
            file.writestr(name, data)
    with pytest.raises(ModelDamaged, match="operating_point: not what was written"):
        featx.load_model(edited)
