"""Cross-validation and search of labels, numbers and grades."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, mean_squared_error, r2_score

import featx
from featx.errors import HeadError, TaskError, TooFewImages
from featx.report import comparison_text
from featx.verbs.compare import Candidate, cross_validate, cut_into_folds, figures_of
from featx.verbs.compare.scoring import score_of
from featx.verbs.evaluate.grade_measures import measure_grades
from featx.verbs.evaluate.resamples import Units
from tests.conftest import Run, as_json
from tests.verbs.fit.made import colour_targets, with_task, write_colours

TASKS = {
    "labels": featx.Task("labels", ("warm", "bright")),
    "numbers": featx.Task("numbers", ("weight", "age")),
    "grades": featx.Task("grades", ("red", "blue", "green")),
}
MEASURES = {"labels": "mean_average_precision", "numbers": "r2", "grades": "quadratic_kappa"}


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same images with each task."""
    colours = write_colours(tmp_path_factory.mktemp("colours"), train=14, val=2, test=2)
    made = {}
    for kind, task in TASKS.items():
        made[kind] = tmp_path_factory.mktemp(kind) / "cache"
        shutil.copytree(colours, made[kind])
        with_task(made[kind], task, colour_targets(colours, kind) if task.has_targets else None)
    return made


@pytest.mark.parametrize("kind", TASKS)
def test_heads_are_compared_by_the_figure_of_the_task(caches: dict[str, Path], kind: str) -> None:
    """The best first, each with an interval of its score and of its difference."""
    comparison = featx.compare_heads(caches[kind], ["ridge", "knn"], folds=3)
    assert [head.measure for head in comparison.heads] == [MEASURES[kind]] * 2
    assert comparison.heads[0].score >= comparison.heads[1].score
    for head in comparison.heads:
        assert head.low <= head.score <= head.high
        assert head.figures[MEASURES[kind]] == head.score
    assert comparison.heads[1].difference == comparison.heads[1].score - comparison.heads[0].score
    assert comparison.task == TASKS[kind]
    assert (comparison.baseline is None) == (kind != "grades")
    text = comparison_text(comparison)
    assert TASKS[kind].describe() in text
    assert f"{comparison.best.score:.3f}" in text


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("head", ["dense", "svm"])
def test_every_image_is_judged_by_a_fit_without_it(caches: dict[str, Path], kind: str, head: str) -> None:
    """The score is that of all left-out answers together, as scikit-learn measures it."""
    store = featx.open_cache(caches[kind])
    images = cut_into_folds(store, store.recipe.layers[-1], 3, 0)
    assert len(images.rows) == len(store.catalog.learned_from())
    settings = {"epochs": 3, "seed": 0} if head == "dense" else {"seed": 0}
    (tried,) = cross_validate(images, [Candidate(head, "avg", settings)])
    if kind == "grades":
        called = [int((row.cumsum() >= 0.5).argmax()) for row in tried.outputs]
        wanted = cohen_kappa_score(images.labels, called, weights="quadratic")
    else:
        measure = average_precision_score if kind == "labels" else r2_score
        known = ~np.isnan(images.targets)
        wanted = np.mean([measure(images.targets[on, at], tried.outputs[on, at]) for at, on in enumerate(known.T)])
    assert tried.score == pytest.approx(wanted)


@pytest.mark.parametrize(("kind", "head"), [("labels", "logreg"), ("numbers", "ridge"), ("grades", "knn"), ("labels", "dense")])
def test_settings_are_searched(caches: dict[str, Path], tmp_path: Path, kind: str, head: str) -> None:
    """The chosen candidate is the one of the largest score, and the model keeps the table."""
    given = {"pooling": "avg"} | ({"epochs": 2, "hidden": []} if head == "dense" else {})
    result = featx.fit_head(caches[kind], head, tune=True, folds=3, out=tmp_path / "m.featx", **given)
    scores = [tried["score"] for tried in result.tuning]
    assert len(scores) >= 2
    assert scores == sorted(scores, reverse=True)
    assert featx.load_model(result.model).tuning == result.tuning


def test_defaults_are_the_heads_of_the_task(caches: dict[str, Path], run: Run, tmp_path: Path) -> None:
    """The one without numbers, logreg, is left out of numbers, and refused where it is asked for; the table has the score."""
    found = as_json(run("compare", caches["numbers"], "--folds", "2", "--epochs", "2", "--out", "table.csv", "--json"))
    assert {head["head"] for head in found["heads"]} == {"dense", "svm", "ridge", "knn"}
    assert all(head["accuracy"] is None and head["log_loss"] is None for head in found["heads"])
    with Path("table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score"]) for row in rows] == [head["score"] for head in found["heads"]]
    with pytest.raises(HeadError, match="logreg: learns no numbers"):
        featx.compare_heads(caches["numbers"], ["logreg"])
    with pytest.raises(HeadError, match="none of the heads ridge has a setting 'class_weight'"):
        featx.compare_heads(caches["numbers"], ["ridge"], class_weight="balanced")
    with pytest.raises(TaskError, match="--withhold works with classes"):
        featx.compare_heads(caches["labels"], ["ridge"], withhold=0.5)


def test_folds_of_labels_have_each_of_them(caches: dict[str, Path]) -> None:
    """A label that one image has cannot be cross-validated, and is named."""
    cache = caches["labels"]
    catalog = featx.open_cache(cache).catalog
    targets = catalog.targets.copy()
    targets[catalog.learned_from()] = 0
    targets[catalog.learned_from()[:1]] = 1
    with_task(cache, TASKS["labels"], targets)
    try:
        with pytest.raises(HeadError, match=r"with and without label 'warm'. Received: 1"):
            cut_into_folds(featx.open_cache(cache), "cells", 3, 0)
    finally:
        with_task(cache, TASKS["labels"], catalog.targets)


def test_figures_are_scikit_learns() -> None:
    """With weights, unknown cells and equal probabilities."""
    rng = np.random.default_rng(0)
    y, weights = rng.integers(0, 2, (60, 2)).astype(float), rng.random(60)
    y[:9, 0] = np.nan
    p = np.round(rng.random((60, 2)), 1)
    wanted = np.mean(
        [average_precision_score(y[on, at], p[on, at], sample_weight=weights[on]) for at, on in enumerate((~np.isnan(y)).T)]
    )
    task = TASKS["labels"]
    assert figures_of(task, y, p, weights)["mean_average_precision"] == pytest.approx(wanted)
    assert score_of(task, y, p, weights) == pytest.approx(wanted)
    given = figures_of(TASKS["numbers"], y, p, weights)
    known = ~np.isnan(y[:, 0])
    both = [(y[known, 0], p[known, 0], weights[known]), (y[:, 1], p[:, 1], weights)]
    assert given["r2"] == pytest.approx(np.mean([r2_score(a, b, sample_weight=w) for a, b, w in both]))
    assert given["rmse"] == pytest.approx(np.mean([mean_squared_error(a, b, sample_weight=w) ** 0.5 for a, b, w in both]))


def test_a_grade_that_no_image_has_still_lies_between_the_others() -> None:
    """Kappa counts distances in grades, as evaluate does, not in those of the grades that are met."""
    task, y, called = featx.Task("grades", ("0", "1", "2", "3")), np.array([0, 0, 3, 3, 2, 2]), np.array([0, 2, 3, 2, 2, 3])
    for weights in (None, np.array([1.0, 2.0, 1.0, 0.5, 3.0, 1.0])):
        found = figures_of(task, y, np.eye(4)[called], weights, called)
        wanted = cohen_kappa_score(y, called, labels=range(4), weights="quadratic", sample_weight=weights)
        own = measure_grades(y, called, Units.of(len(y), weights=weights)).kappa
        assert found["quadratic_kappa"] == pytest.approx(wanted) == pytest.approx(own)


@pytest.mark.parametrize("head", ["dense", "logreg", "ridge", "knn"])
def test_a_label_of_two_images_is_cross_validated_and_has_a_threshold(
    caches: dict[str, Path], tmp_path: Path, head: str
) -> None:
    """The only image that is left of it is for learning, and does not end the training of a head with epochs."""
    cache = shutil.copytree(caches["labels"], tmp_path / "cache")
    targets = featx.open_cache(cache).catalog.targets
    assert targets is not None
    train = featx.open_cache(cache).catalog.known_rows("train")
    targets[:, 1] = 0.0
    targets[train[[3, 20]], 1] = 1.0
    with_task(cache, TASKS["labels"], targets)
    store = featx.open_cache(cache)
    folds = cut_into_folds(store, "cells", 5, 0)
    for fold in range(folds.n_folds):
        used = folds.fold_of != fold
        learned = used & ~folds.validating(used)
        assert {0.0, 1.0} <= set(folds.targets[learned, 1].tolist())
        assert folds.validating(used).any()
    settings = {"epochs": 2} if head == "dense" else {}
    assert featx.compare_heads(cache, head, "avg", **settings).best.score is not None
    fitted = featx.fit_head(cache, head, pooling="avg", threshold="f1", out=tmp_path / "m.featx", **settings)
    assert len(fitted.label_points) == 2


def test_a_head_that_needs_more_images_names_the_label(caches: dict[str, Path], tmp_path: Path) -> None:
    """By its name, not by its number, also in a fold."""
    cache = shutil.copytree(caches["labels"], tmp_path / "cache")
    targets = featx.open_cache(cache).catalog.targets
    assert targets is not None
    targets[:, 1] = 0.0
    targets[featx.open_cache(cache).catalog.known_rows("train")[[3, 20]], 1] = 1.0
    with_task(cache, TASKS["labels"], targets)
    with pytest.raises(TooFewImages, match="Received: 1 of label 'bright'"):
        featx.compare_heads(cache, "svm", "avg")
    with pytest.raises(TooFewImages, match="Received: 1 of label 'bright'"):
        featx.fit_head(cache, "svm", pooling="avg", threshold="f1", out=tmp_path / "m.featx")
