"""Sets of classes that keep a promise, against MAPIE and against counting."""

import math
from typing import Any, Self

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import APSConformityScore
from sklearn.base import BaseEstimator, ClassifierMixin

from featx.heads import METHODS, MOST_SCORES, Conformal
from featx.heads.conformal import class_scores

CLASSES = 6


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose features are its probabilities."""

    def __init__(self) -> None:
        self.classes_ = np.arange(CLASSES)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Learn nothing."""
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return what was given."""
        return X

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class."""
        labels: np.ndarray = X.argmax(axis=1)
        return labels


class OnlyOnes(np.random.RandomState):
    """A source of random numbers that are all 1."""

    def uniform(self, *_: Any, size: Any = None, **__: Any) -> Any:
        """Return ones."""
        return np.ones(size)


def drawn(n: int, seed: int, boast: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return overconfident probabilities of images and their labels; no two probabilities are equal."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, CLASSES))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random((n, 1)) > shares.cumsum(axis=1)).sum(axis=1).clip(0, CLASSES - 1)
    boasted = shares**boast
    return boasted / boasted.sum(axis=1, keepdims=True), y


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("n", [60, 399])
def test_lac_is_as_mapie_has_it(level: float, n: int) -> None:
    """With the most probable class in the sets that MAPIE leaves empty."""
    (p, y), (new, _) = drawn(n, 0), drawn(300, 1)
    mapie = SplitConformalClassifier(Given(), confidence_level=level, conformity_score="lac", prefit=True)
    _, sets = mapie.conformalize(p, y).predict_set(new)
    expected = sets[:, :, 0]
    assert level > 0.5 or not expected.any(axis=1).all()
    expected[np.arange(len(new)), new.argmax(axis=1)] = True
    np.testing.assert_array_equal(Conformal.of(p, y).sets(new, level, "lac"), expected)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("n", [60, 399])
def test_aps_is_as_mapie_has_it_with_its_random_number_at_one(level: float, n: int) -> None:
    """MAPIE draws how much of the right class counts; here none of it does."""
    (p, y), (new, _) = drawn(n, 0), drawn(300, 1)
    score = APSConformityScore()
    mapie = SplitConformalClassifier(
        Given(), confidence_level=level, conformity_score=score, prefit=True, random_state=OnlyOnes()
    )
    _, sets = mapie.conformalize(p, y).predict_set(new, conformity_score_params={"include_last_label": True})
    found = Conformal.of(p, y)
    if found.threshold(level, "aps") == 0:  # nothing but the most probable class
        sets = np.zeros_like(sets)
        sets[np.arange(len(new)), new.argmax(axis=1)] = True
    np.testing.assert_array_equal(found.sets(new, level, "aps"), sets[:, :, 0])


@pytest.mark.parametrize("method", METHODS)
def test_the_promise_is_kept_on_average(method: str) -> None:
    """Over 400 draws, coverage is the level, and at most one part in n + 1 above it where no set is filled up."""
    level, n, found = 0.9, 49, []
    for seed in range(400):
        p, y = drawn(n + 200, seed)
        chosen = Conformal.of(p[:n], y[:n]).sets(p[n:], level, method)
        found.append(chosen[np.arange(200), y[n:]].mean())
    assert level - 0.006 <= np.mean(found) <= level + 1 / (n + 1) + 0.006


def test_the_threshold_is_the_right_rank() -> None:
    """Of n scores the ceil((n + 1) level)-th, counted by hand; rounding does not lift a product past a whole number."""
    scores = np.arange(1, 10) / 100
    found = Conformal(scores, scores, 9)
    for level, rank in ((0.05, 1), (0.1, 1), (0.5, 5), (0.7, 7), (0.71, 8), (0.9, 9)):
        assert found.threshold(level, "lac") == rank / 100, level
    assert 10 * 0.7 > 7 or math.ceil((9 + 1) * 0.7) == 7  # what the guard is for, where a machine rounds so
    assert found.threshold(0.91, "lac") == math.inf


def test_too_few_images_give_every_class_and_the_number_that_would_do() -> None:
    """9 images are enough for 0.9 and 19 for 0.95; one less is not."""
    p, y = drawn(19, 0)
    for level, enough in ((0.9, 9), (0.95, 19), (0.8, 4), (0.5, 1)):
        few, just = (
            (Conformal.of(p[:n], y[:n]) for n in (enough - 1, enough)) if enough > 1 else (None, Conformal.of(p[:1], y[:1]))
        )
        assert just.images_wanted(level) == 0
        assert math.isfinite(just.threshold(level, "lac"))
        if few:
            assert few.images_wanted(level) == enough
            assert few.sets(p, level, "lac").all()
            assert few.sets(p, level, "aps").all()


def test_no_set_is_empty_and_each_is_a_run_from_the_most_probable_class() -> None:
    """Also where the threshold is below what any class has."""
    sure = np.array([[0.9, 0.05, 0.05]] * 20)
    found = Conformal.of(sure, np.zeros(20, int))
    unsure = np.array([[0.4, 0.35, 0.25], [0.2, 0.3, 0.5]])
    for method in METHODS:
        np.testing.assert_array_equal(found.sets(unsure, 0.9, method), [[True, False, False], [False, False, True]])
    (p, y), (new, _) = drawn(80, 2), drawn(80, 3)
    for method in METHODS:
        chosen = Conformal.of(p, y).sets(new, 0.9, method)
        falling = np.take_along_axis(chosen, np.argsort(-new, axis=1), axis=1).astype(int)
        assert (np.diff(falling, axis=1) <= 0).all()
        assert falling[:, 0].all()


def test_scores_by_hand_and_equal_classes_alike() -> None:
    """Votes tie often: which of two equal classes has the smaller label decides nothing."""
    p = np.array([[0.2, 0.4, 0.4, 0.0]])
    np.testing.assert_allclose(class_scores(p, "lac"), [[0.8, 0.6, 0.6, 1.0]])
    np.testing.assert_allclose(class_scores(p, "aps"), [[0.8, 0.0, 0.0, 1.0]])


def test_of_very_many_images_some_are_kept_and_promise_the_same() -> None:
    """A draw of them, always the same one."""
    p, y = drawn(4 * MOST_SCORES, 0)
    found = Conformal.of(p, y)
    assert (len(found.lac), len(found.aps), found.images) == (MOST_SCORES, MOST_SCORES, 4 * MOST_SCORES)
    np.testing.assert_array_equal(found.lac, Conformal.of(p, y).lac)
    new, right = drawn(20_000, 1)
    assert found.sets(new, 0.9, "lac")[np.arange(20_000), right].mean() == pytest.approx(0.9, abs=0.015)
