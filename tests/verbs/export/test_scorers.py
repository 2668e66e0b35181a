"""Every scorer of scikit-learn gives of an exported pipeline, and of featx's own classifier, what evaluate measures."""

import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils.metaestimators import available_if

import featx
from featx.heads import make_head
from tests.conftest import write_image
from tests.verbs.export.test_pipeline import PIPELINES, make_pipeline

# In natural order, which is not the alphabet's.
NUMBERS = tuple(str(number) for number in range(1, 12))
APPLICABLE = 20
"""At least so many scorers apply to a classifier of many classes; those of numbers, of clusters and of two classes do not."""


def _has_values(stated: "Stated") -> bool:
    return stated.values is not None


class Stated(ClassifierMixin, BaseEstimator):
    """Probabilities written down, for a scorer to measure: rows of X are their numbers. So may be values of planes."""

    def __init__(
        self, probabilities: NDArray[np.floating], classes: NDArray[np.str_], values: NDArray[np.floating] | None = None
    ) -> None:
        self.probabilities = probabilities
        self.classes_ = classes
        self.values = values

    @available_if(_has_values)  # type: ignore[untyped-decorator] # scikit-learn ships no types
    def decision_function(self, X: NDArray[np.integer]) -> NDArray[np.floating]:
        """Return the rows asked for."""
        assert self.values is not None
        return self.values[X[:, 0]]

    def predict_proba(self, X: NDArray[np.integer]) -> NDArray[np.floating]:
        """Return the rows asked for."""
        return self.probabilities[X[:, 0]]

    def predict(self, X: NDArray[np.integer]) -> NDArray[np.str_]:
        """Return the most probable class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def scored(estimator: Any, X: NDArray[Any], y: NDArray[np.str_]) -> dict[str, float]:
    """Return what each scorer gives that applies."""
    found = {}
    for name in get_scorer_names():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that are never predicted, and of small samples
            try:
                value = get_scorer(name)(estimator, X, y)
            except (ValueError, TypeError, AttributeError):
                continue
        if np.isfinite(value):
            found[name] = float(value)
    return found


def check_scores(
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[np.str_],
    probabilities: NDArray[np.floating],
    names: Any,
    values: NDArray[np.floating] | None = None,
) -> None:
    """Compare each scorer's figure with the one that the probabilities, columns sorted by name, have by themselves.

    Some scorers look at the values of planes instead, where there are any.
    """
    order = np.argsort(names)
    stated = Stated(probabilities[:, order], np.array(names)[order], None if values is None else values[:, order])
    wanted = scored(stated, np.arange(len(y))[:, None], y)
    found = scored(estimator, X, y)
    assert found.keys() == wanted.keys()
    assert len(found) >= APPLICABLE
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name


def made_rows(n_classes: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes of 24 features, some negative."""
    rng = np.random.default_rng(seed)
    y = np.arange(12 * n_classes) % n_classes
    centres = np.random.default_rng(1).normal(0, 1.2, (n_classes, 24))
    return (centres[y] + rng.normal(0, 1, (len(y), 24))).astype(np.float32), y


@pytest.mark.parametrize("n_classes", [2, 11])
@pytest.mark.parametrize(("name", "settings"), PIPELINES, ids=str)
def test_every_scorer_gives_the_heads_own_figure(name: str, settings: dict[str, Any], n_classes: int) -> None:
    """Of the pipeline of each head, and of two classes and eleven; log loss too, whose columns scikit-learn takes as sorted."""
    quick = {"epochs": 8} if name == "dense" else {}
    names = ("9", "10") if n_classes == 2 else NUMBERS
    X, y = made_rows(n_classes, seed=0)
    head = make_head(name, **settings, **quick).fit(X, y)
    new, y_new = made_rows(n_classes, seed=5)
    probabilities = head.predict_proba(new)
    two = np.sort(probabilities, axis=1)[:, -2:]
    # Of two classes with equally many votes each side names its own first.
    clear = two[:, 1] - two[:, 0] > 1e-5
    check_scores(make_pipeline(head, name, names), new[clear], np.array(names)[y_new[clear]], probabilities[clear], names)


@pytest.mark.parametrize("name", ["dense", "logreg", "svm", "ridge", "knn"])
def test_featx_inside_scikit_learn_is_scored_alike(name: str) -> None:
    """``HeadClassifier``, whose labels are texts that sort otherwise than numbers."""
    quick = {"epochs": 8} if name == "dense" else {}
    X, y = made_rows(11, seed=0)
    texts = np.array(NUMBERS)
    classifier = featx.HeadClassifier(name, quick).fit(X, texts[y])
    new, y_new = made_rows(11, seed=5)
    values = None if name == "knn" else new @ classifier.coef_.T + classifier.intercept_
    check_scores(classifier, new, texts[y_new], classifier.head_.predict_proba(new), sorted(NUMBERS), values)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of eleven classes named by numbers, hard enough that some images come out wrong, with a test split."""
    folder = tmp_path_factory.mktemp("numbered")
    for label, name in enumerate(NUMBERS):
        for number in range(14):
            split = "test" if number < 6 else "train"
            colour = (40 + 16 * label, 210 - 16 * label, 100 + 3 * number)
            write_image(folder / "photos" / split / name / f"{number}.png", colour, seed=100 * label + number)
    featx.extract_features(folder / "photos", folder / "cache", backbone="stub", image_size=(64, 64))
    return folder


@pytest.mark.parametrize("head", ["dense", "logreg", "svm", "ridge", "knn"])
def test_scorers_give_what_evaluate_reports(numbered: Path, tmp_path: Path, head: str) -> None:
    """From the model file through the exported file: accuracy, balanced accuracy, macro F1, log loss and average precisions."""
    settings: dict[str, Any] = {"dense": {"epochs": 60, "learning_rate": 0.02}, "knn": {"neighbors": 1}}.get(head, {})
    featx.fit_head(numbered / "cache", head, **settings, out=tmp_path / "m.featx")
    evaluation = featx.evaluate_model(tmp_path / "m.featx", split="test")
    model = evaluation.model
    assert model.class_names == NUMBERS
    result = featx.export_model(tmp_path / "m.featx", tmp_path / "it.joblib")
    assert result.class_names == tuple(sorted(NUMBERS))
    cache = featx.open_cache(str(numbered / "cache"))
    rows = cache.catalog.rows("test")
    X = cache.features(rows, pooling=model.pooling)
    y = np.array(NUMBERS)[cache.catalog.labels[rows]]
    found = scored(joblib.load(result.path), X, y)
    assert found["accuracy"] == pytest.approx(evaluation.accuracy)
    assert found["balanced_accuracy"] == pytest.approx(evaluation.balanced_accuracy)
    assert found["f1_macro"] == pytest.approx(evaluation.macro_f1)
    assert found["average_precision"] == pytest.approx(
        np.mean([one.average_precision for one in evaluation.per_class]), abs=1e-4
    )
    assert found["neg_log_loss"] == pytest.approx(-evaluation.log_loss, abs=1e-4)
    assert 0.2 < evaluation.accuracy < 1
