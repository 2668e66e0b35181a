"""Intervals, calibration and curves, against scikit-learn, a brute-force bootstrap and numbers worked out by hand."""

import numpy as np
import pytest
import sklearn.metrics

from featx.verbs.evaluate.measures import (
    answered_from,
    bootstrap_intervals,
    expected_calibration_error,
    precision_recall_curves,
    reliability,
    top_k_accuracy,
)


@pytest.fixture
def measured() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of 300 images of 7 classes, of which one has no image and another is never predicted; their labels."""
    rng = np.random.default_rng(4)
    y = rng.choice(6, 300, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
    logits = rng.normal(size=(300, 7)) + 1.5 * np.eye(7)[y]
    logits[:, 3] -= 20
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), y


def test_intervals_are_those_of_resampling_the_images(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """Against scikit-learn's measures of images drawn with replacement, one resample at a time."""
    probabilities, y = measured
    predicted = probabilities.argmax(axis=1)
    found = bootstrap_intervals(sklearn.metrics.confusion_matrix(y, predicted, labels=range(7)), resamples=4000)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(1000):
        rows = rng.integers(0, len(y), len(y))
        own, called = y[rows], predicted[rows]
        drawn.append(
            (
                sklearn.metrics.accuracy_score(own, called),
                sklearn.metrics.recall_score(own, called, average="macro", labels=np.unique(own)),
                sklearn.metrics.f1_score(own, called, average="macro", labels=np.unique(own)),
            )
        )
    wanted = np.quantile(drawn, [0.025, 0.975], axis=0).T
    for name, ends in zip(("accuracy", "balanced_accuracy", "macro_f1"), wanted, strict=True):
        np.testing.assert_allclose(found[name], ends, atol=0.012)


def test_an_interval_is_the_same_each_time_and_narrows_with_the_images() -> None:
    """Seeded; four times the images, half the width."""
    few, many = np.array([[80, 20], [20, 80]]), np.array([[320, 80], [80, 320]])
    assert bootstrap_intervals(few) == bootstrap_intervals(few)
    (low, high), (lower, higher) = (bootstrap_intervals(one)["accuracy"] for one in (few, many))
    assert low < 0.8 < high
    assert (higher - lower) / (high - low) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("confusion", [[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 3, 0], [2, 0, 0], [0, 0, 0]]])
def test_intervals_of_hardly_anything_are_numbers(confusion: list[list[int]]) -> None:
    """One image, right or wrong; no hit at all; a class without images."""
    found = bootstrap_intervals(np.array(confusion))
    assert all(0 <= low <= high <= 1 for low, high in found.values())


def test_top_3_accuracy_is_scikit_learns(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """And None where it would be 1 whatever the head does."""
    probabilities, y = measured
    wanted = sklearn.metrics.top_k_accuracy_score(y, probabilities, k=3, labels=range(7))
    assert top_k_accuracy(probabilities, y, 3) == pytest.approx(wanted)
    assert top_k_accuracy(probabilities, y, 1) == (probabilities.argmax(axis=1) == y).mean()
    assert top_k_accuracy(probabilities[:, :3], y % 3, 3) is None


def test_calibration_error_by_hand() -> None:
    """Four images: 0.9 right and 0.8 wrong and 0.75 right; 0.6 wrong. Bins (0.8, 0.9], (0.7, 0.8] and (0.5, 0.6]."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.25, 0.75], [0.6, 0.4]])
    bins = reliability(probabilities, np.array([0, 1, 1, 1]))
    held = {round(one.low, 1): (one.images, one.confidence, one.accuracy) for one in bins if one.images}
    assert held == {0.8: (1, 0.9, 1.0), 0.7: (2, pytest.approx(0.775), 0.5), 0.5: (1, 0.6, 0.0)}
    assert expected_calibration_error(bins) == pytest.approx((0.1 + 2 * 0.275 + 0.6) / 4)


def test_a_bin_holds_its_upper_end_and_certainty_has_one() -> None:
    """Confidences on the edges: 0.5 lies in (0.4, 0.5], 1 in (0.9, 1]."""
    bins = reliability(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]))
    assert [round(one.high, 1) for one in bins if one.images] == [0.5, 1.0]
    assert bins[0].confidence is None


def test_answers_from_a_confidence_by_hand() -> None:
    """Of confidences 0.9 (right), 0.8 (wrong) and 0.75 (right): from 0.8 on two answers, one right; from 0.95 none."""
    found = {
        one.confidence: one for one in answered_from(np.array([[0.9, 0.1], [0.8, 0.2], [0.25, 0.75]]), np.array([0, 1, 1]))
    }
    assert (found[0.8].images, found[0.8].share, found[0.8].accuracy) == (2, pytest.approx(2 / 3), 0.5)
    assert (found[0.95].images, found[0.95].accuracy) == (0, None)


def test_curves_are_scikit_learns(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """Each point is one of scikit-learn's, the ends among them; only classes with images have a curve."""
    probabilities, y = measured
    curves = precision_recall_curves(probabilities, y)
    assert [curve.label for curve in curves] == [0, 1, 2, 3, 4, 5]
    for curve in curves:
        own = y == curve.label
        precision, recall, _ = sklearn.metrics.precision_recall_curve(own, probabilities[:, curve.label])
        assert curve.average_precision == pytest.approx(
            sklearn.metrics.average_precision_score(own, probabilities[:, curve.label])
        )
        points = set(zip(recall.tolist(), precision.tolist(), strict=True))
        assert set(zip(curve.recall, curve.precision, strict=True)) <= points
        assert (curve.recall[0], curve.recall[-1]) == (0.0, 1.0)
        assert len(curve.recall) <= 100
