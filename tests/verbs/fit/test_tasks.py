"""A fit of labels, of numbers and of grades, from a cache to a model file and back."""

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, r2_score

import featx
from featx.errors import HeadError, ModelDamaged, TaskError
from featx.models import save_model
from featx.report import fit_text
from tests.conftest import Run, as_json, write_image
from tests.models.test_file import edit, put
from tests.verbs.fit.made import colour_targets, with_task, write_colours

LABELS, NUMBERS = featx.Task("labels", ("warm", "bright")), featx.Task("numbers", ("weight", "age"))


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of classes."""
    return write_colours(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def labels(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images with two labels."""
    cache = tmp_path_factory.mktemp("labels") / "cache"
    shutil.copytree(colours, cache)
    return with_task(cache, LABELS, colour_targets(colours, "labels"))


@pytest.fixture(scope="module")
def numbers(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images with two numbers."""
    cache = tmp_path_factory.mktemp("numbers") / "cache"
    shutil.copytree(colours, cache)
    return with_task(cache, NUMBERS, colour_targets(colours, "numbers"))


@pytest.fixture(scope="module")
def grades(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images with their colours as grades, in an order that is not the alphabet's."""
    cache = tmp_path_factory.mktemp("grades") / "cache"
    shutil.copytree(colours, cache)
    return with_task(cache, featx.Task("grades", ("red", "blue", "green")))


@pytest.mark.parametrize("head", ["dense", "logreg", "svm", "ridge", "knn"])
def test_labels_are_fitted(labels: Path, tmp_path: Path, head: str) -> None:
    """The figures on the validation images are scikit-learn's; the model comes back with the same answers."""
    result = featx.fit_head(labels, head, out=tmp_path / "m.featx")
    store, model = featx.open_cache(labels), featx.load_model(result.model)
    val = store.catalog.known_rows("val")
    probabilities = model.predict_proba(store.features(val, pooling=model.pooling))
    truth = store.catalog.targets[val]
    wanted = [
        average_precision_score(truth[known, at], probabilities[known, at]) for at, known in enumerate((~np.isnan(truth)).T)
    ]
    assert result.val_figures["mean_average_precision"] == pytest.approx(np.mean(wanted), abs=1e-6)
    assert np.mean(wanted) > 0.7
    assert (model.task, model.class_names, result.val_accuracy, result.val_images) == (LABELS, LABELS.names, None, len(val))
    assert result.train_images == len(store.catalog.learned_from()) < len(store.catalog.rows("train"))
    assert "2 labels: warm, bright" in fit_text(result)
    called = model.predict(store.features(val, pooling=model.pooling))
    assert (called == (probabilities >= 0.5)).all()


@pytest.mark.parametrize("head", ["dense", "svm", "ridge", "knn"])
def test_numbers_are_fitted(numbers: Path, tmp_path: Path, head: str) -> None:
    """The figures on the validation images are scikit-learn's; the errors make the intervals."""
    settings: dict[str, Any] = {"C": 1.0} if head == "svm" else {}
    result = featx.fit_head(numbers, head, out=tmp_path / "m.featx", **settings)
    store, model = featx.open_cache(numbers), featx.load_model(result.model)
    val = store.catalog.known_rows("val")
    given, truth = model.predict(store.features(val, pooling=model.pooling)), store.catalog.targets[val]
    wanted = [r2_score(truth[known, at], given[known, at]) for at, known in enumerate((~np.isnan(truth)).T)]
    assert result.val_figures["r2"] == pytest.approx(np.mean(wanted), abs=1e-6)
    assert np.mean(wanted) > 0.5
    assert model.intervals is not None
    off = np.sort(np.abs(given - truth)[~np.isnan(truth[:, 1]), 1])
    np.testing.assert_allclose(model.intervals.errors[1], off, atol=1e-4)
    assert (model.class_names, model.task) == ((), NUMBERS)
    assert result.val_images == len(val)
    assert "numbers: weight, age" in fit_text(result)
    with pytest.raises(TaskError, match="predict_proba"):
        model.predict_proba(store.features(val, pooling=model.pooling))


def test_grades_are_classes_in_an_order(grades: Path, tmp_path: Path) -> None:
    """Quadratic kappa is scikit-learn's; the order of the grades is kept."""
    result = featx.fit_head(grades, "logreg", out=tmp_path / "m.featx")
    store, model = featx.open_cache(grades), featx.load_model(result.model)
    assert model.class_names == model.task.names == ("red", "blue", "green")
    val = store.catalog.rows("val")
    called = model.predict(store.features(val, pooling=model.pooling))
    wanted = cohen_kappa_score(
        store.catalog.labels[val], [model.class_names.index(name) for name in called], weights="quadratic"
    )
    assert result.val_figures["quadratic_kappa"] == pytest.approx(wanted)
    assert result.val_accuracy == np.mean(np.array(model.class_names)[store.catalog.labels[val]] == called)


@pytest.mark.parametrize("goal", ["f1", "balanced", "recall=0.8", "0.3"])
def test_each_label_gets_a_threshold(labels: Path, tmp_path: Path, goal: str) -> None:
    """Chosen inside the training images, kept in the model, used by predict."""
    result = featx.fit_head(labels, "logreg", threshold=goal, folds=3, out=tmp_path / "m.featx")
    model = featx.load_model(result.model)
    assert len(model.points) == len(result.label_points) == 2
    for point in model.points:
        figure = {"f1": "f1", "balanced": "balanced_accuracy"}.get(goal)
        assert figure is None or point.at_point[figure] >= point.at_half[figure]
        assert goal != "0.3" or point.threshold == 0.3
        assert not goal.startswith("recall") or point.at_point["recall"] >= 0.8
    store = featx.open_cache(labels)
    X = store.features(store.catalog.rows("test"), pooling=model.pooling)
    assert (model.predict(X) == (model.predict_proba(X) >= [point.threshold for point in model.points])).all()
    assert f"thresholds ({goal})" in " ".join(result.notes)


def test_costs_of_labels_come_from_a_table(labels: Path, tmp_path: Path) -> None:
    """A label that is dear to miss is called sooner; a table of other labels is refused with the form."""
    costs = tmp_path / "costs.csv"
    costs.write_text("label,false_alarm,missed\nbright,1,1\nwarm,1,20\n")
    result = featx.fit_head(labels, "ridge", threshold=f"cost={costs}", out=tmp_path / "m.featx")
    warm = result.label_points[0]
    assert warm.threshold < 0.5
    assert warm.at_point["cost"] <= warm.at_half["cost"]
    costs.write_text("label,false_alarm,missed\nwarm,1,20\n")
    with pytest.raises(HeadError, match=r"costs of \['warm'\], but the labels are \['warm', 'bright'\]"):
        featx.fit_head(labels, "ridge", threshold=f"cost={costs}")


def test_what_does_not_go_with_a_task_is_refused(labels: Path, numbers: Path, grades: Path) -> None:
    """By name, before anything is fitted."""
    with pytest.raises(TaskError, match="--threshold is for probabilities, and a model of numbers has none"):
        featx.fit_head(numbers, "ridge", threshold="f1")
    with pytest.raises(TaskError, match="--calibrate works with classes and grades"):
        featx.fit_head(labels, "ridge", calibrate=True)
    with pytest.raises(HeadError, match="--positive is for two classes"):
        featx.fit_head(labels, "ridge", positive="warm", threshold="f1")
    with pytest.raises(HeadError, match="head conv: learns no labels"):
        featx.fit_head(labels, "conv")
    with pytest.raises(HeadError, match="head logreg: learns no numbers"):
        featx.fit_head(numbers, "logreg")
    with pytest.raises(HeadError, match="--threshold tells two classes apart, and the training images are of 3"):
        featx.fit_head(grades, "ridge", threshold="f1")
    with pytest.raises(HeadError, match="has no setting 'class_weight'"):
        featx.fit_head(numbers, "ridge", class_weight="balanced")


@pytest.mark.parametrize(("value", "said"), [(1.0, "on all of the"), (0.0, "on none of the"), (np.nan, "is known of no")])
def test_a_label_that_tells_nothing_is_refused(labels: Path, tmp_path: Path, value: float, said: str) -> None:
    """By its name."""
    cache = tmp_path / "cache"
    shutil.copytree(labels, cache)
    targets = featx.open_cache(cache).catalog.targets
    targets[:, 1] = np.where(np.isnan(targets[:, 1]), np.nan, value)
    with_task(cache, LABELS, targets)
    with pytest.raises(TaskError, match=f"label 'bright' is? ?{said.removeprefix('is ')}"):
        featx.fit_head(cache, "ridge")


def test_a_target_that_is_constant_is_refused(numbers: Path, tmp_path: Path) -> None:
    """By its name and value, with exit code 2."""
    cache = tmp_path / "cache"
    shutil.copytree(numbers, cache)
    targets = featx.open_cache(cache).catalog.targets
    targets[:, 0] = 7
    with_task(cache, NUMBERS, targets)
    with pytest.raises(TaskError, match="target 'weight' is 7 on all 48 training images"):
        featx.fit_head(cache, "ridge")


def test_the_command_line_tells_of_a_task(labels: Path, numbers: Path, run: Run) -> None:
    """Figures by task in JSON; a wrong value is exit code 2."""
    fitted = as_json(run("fit", labels, "--head", "ridge", "--threshold", "f1", "--out", "l.featx", "--json"))
    assert fitted["task"] == {"kind": "labels", "names": ["warm", "bright"]}
    assert set(fitted["val_figures"]) == {"mean_average_precision", "macro_f1", "log_loss"}
    assert [point["goal"] for point in fitted["label_points"]] == ["f1", "f1"]
    fitted = as_json(run("fit", numbers, "--head", "svm", "--epsilon", "0.2", "--out", "n.featx", "--json"))
    assert set(fitted["val_figures"]) == {"r2", "rmse", "mean_absolute_error"}
    assert featx.load_model("n.featx").head.settings()["epsilon"] == 0.2
    failed = run("fit", numbers, "--head", "ridge", "--threshold", "0.4")
    assert failed.exit_code == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", {"kind": "labels", "names": ["warm"]}),
        ("task", {"kind": "numbers", "names": ["warm", "bright"]}),
        ("task", {"kind": "labels", "names": ["warm", "bright"], "more": 1}),
        ("label_points", []),
        ("temperature", 2.0),
        ("grade_answer", "most_probable"),
        ("number_intervals", {"errors": [[1.0]], "images": [1], "chose": ""}),
    ],
)
def test_a_model_whose_task_does_not_fit_is_damaged(labels: Path, tmp_path: Path, field: str, value: Any) -> None:
    """Even one with sound digests."""
    path = featx.fit_head(labels, "ridge", out=tmp_path / "m.featx").model
    edit(path, put(field, value=value))
    with pytest.raises(ModelDamaged):
        featx.load_model(path)


def test_an_older_featx_refuses_a_task(labels: Path, colours: Path, tmp_path: Path) -> None:
    """The schema of a model with another task than classes is 6; of classes what it was."""
    for cache, schema in ((labels, 6), (colours, 3)):
        path = featx.fit_head(cache, "ridge", out=tmp_path / f"{schema}.featx").model
        with zipfile.ZipFile(path) as archive:
            assert json.loads(archive.read("model.json"))["schema"] == schema


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_a_stranger_is_told_from_the_images_learned_from(kind: str, labels: Path, numbers: Path, tmp_path: Path) -> None:
    """Noise is stranger than any test image; the model file keeps how that is told."""
    result = featx.fit_head(labels if kind == "labels" else numbers, "ridge", out=tmp_path / "m.featx")
    store, model = featx.open_cache(labels), featx.load_model(result.model)
    averages = store.features(store.catalog.rows("test"), pooling="avg")
    noise = np.abs(np.random.default_rng(0).normal(0, 1, averages.shape)) * averages.max()
    noise[:, 0] = 0
    known, strange = (
        model.familiarity.strangeness(rows, model.shares_of(np.zeros((len(rows), 2)))) for rows in (averages, noise)
    )
    assert np.median(strange) > known.max()


def test_two_grades_may_have_a_threshold(tmp_path: Path) -> None:
    """As two classes may: it is the threshold that decides then, not the median."""
    for label, (name, colour) in enumerate({"low": (90, 40, 40), "high": (110, 40, 40)}.items()):
        for number in range(24):
            split = "train" if number < 18 else "val"
            write_image(tmp_path / "photos" / split / name / f"{number}.png", colour, seed=100 * label + number)
    cache = tmp_path / "cache"
    featx.extract_features(tmp_path / "photos", cache, backbone="stub", image_size=(64, 64), workers=1, ordinal=("low", "high"))
    result = featx.fit_head(cache, "logreg", threshold=0.9, positive="high", out=tmp_path / "m.featx")
    model = featx.load_model(result.model)
    assert (model.task.names, model.point.positive, model.point.threshold) == (("low", "high"), 1, 0.9)
    assert model.decide(np.array([[0.2, 0.8], [0.05, 0.95]])).tolist() == [0, 1]
    assert set(result.val_figures) <= {"quadratic_kappa", "mean_absolute_error"}


def test_groups_and_weights_go_with_labels(labels: Path, tmp_path: Path) -> None:
    """Scores across and within groups are measured by the figure of the task; images of weight 0 are left out."""
    cache = tmp_path / "cache"
    shutil.copytree(labels, cache)
    catalog = featx.open_cache(cache).catalog
    weights = np.where(np.arange(len(catalog)) % 9 == 8, 0.0, 1.0 + np.arange(len(catalog)) % 2)
    groups = [f"g{number // 3}" for number in range(len(catalog))]
    dataclasses.replace(catalog, groups=groups, weights=weights).write(cache / "catalog.h5")
    result = featx.fit_head(cache, "ridge", threshold="f1", out=tmp_path / "m.featx")
    assert result.groups["measure"] == "mean_average_precision"
    assert 0 < result.groups["score_apart"] <= 1
    assert result.train_images == len(featx.open_cache(cache).catalog.learned_from())
    assert "new groups" in " ".join(result.notes)


def test_a_model_keeps_how_it_answers_grades(grades: Path, tmp_path: Path) -> None:
    """The median where nothing is said; the file has the other, and nothing else is taken."""
    path = featx.fit_head(grades, "logreg", out=tmp_path / "m.featx").model
    model = dataclasses.replace(featx.load_model(path), grade_answer="median")
    unsure = np.array([[0.4, 0.35, 0.25], [0.25, 0.35, 0.4]])
    assert model.decide(unsure).tolist() == [1, 1]
    save_model(dataclasses.replace(model, grade_answer="most_probable"), tmp_path / "other.featx")
    other = featx.load_model(tmp_path / "other.featx")
    assert other.decide(unsure).tolist() == [0, 2]
    edit(tmp_path / "other.featx", put("grade_answer", value="least"))
    with pytest.raises(ModelDamaged):
        featx.load_model(tmp_path / "other.featx")
