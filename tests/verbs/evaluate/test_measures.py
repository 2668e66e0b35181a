"""Intervals, calibration and curves, against scikit-learn, a brute-force bootstrap and numbers worked out by hand."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from featx.verbs.evaluate.intervals import measure_intervals
from featx.verbs.evaluate.measures import (
    answered_from,
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


def test_the_interval_of_the_accuracy_is_scipys(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """Wilson's, of the share of images that are right."""
    probabilities, y = measured
    right = int((probabilities.argmax(axis=1) == y).sum())
    wanted = scipy.stats.binomtest(right, 300).proportion_ci(0.95, "wilson")
    found = measure_intervals(sklearn.metrics.confusion_matrix(y, probabilities.argmax(axis=1), labels=range(7)))
    assert found["accuracy"] == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_intervals_of_means_are_as_wide_as_those_of_resampling_the_images(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """Against scikit-learn's measures of images drawn with replacement, one resample at a time; never narrower by much.

    One class is never found here: as surely wrong, it takes from the spread of macro F1, which counts as of 300 images at most.
    """
    probabilities, y = measured
    predicted = probabilities.argmax(axis=1)
    found = measure_intervals(sklearn.metrics.confusion_matrix(y, predicted, labels=range(7)), resamples=4000)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(1000):
        rows = rng.integers(0, len(y), len(y))
        own, called = y[rows], predicted[rows]
        drawn.append(
            (
                sklearn.metrics.recall_score(own, called, average="macro", labels=np.unique(own)),
                sklearn.metrics.f1_score(own, called, average="macro", labels=np.unique(own)),
            )
        )
    wanted = np.quantile(drawn, [0.025, 0.975], axis=0).T
    means = [
        sklearn.metrics.recall_score(y, predicted, average="macro", labels=np.unique(y)),
        sklearn.metrics.f1_score(y, predicted, average="macro", labels=np.unique(y)),
    ]
    for name, (low, high), mean, wider in zip(("balanced_accuracy", "macro_f1"), wanted, means, (1.07, 1.2), strict=True):
        assert found[name][0] < mean < found[name][1]
        assert 0.93 < (found[name][1] - found[name][0]) / (high - low) < wider


def test_an_interval_is_the_same_each_time_and_narrows_with_the_images() -> None:
    """Seeded; four times the images, half the width."""
    few, many = np.array([[80, 20], [20, 80]]), np.array([[320, 80], [80, 320]])
    assert measure_intervals(few) == measure_intervals(few)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        (low, high), (lower, higher) = (measure_intervals(one)[name] for one in (few, many))
        assert low < 0.8 < high
        assert (higher - lower) / (high - low) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("recalls", "images"), [((0.99, 0.99), (100, 100)), ((0.9, 0.6), (40, 10)), ((0.999,) * 10, (20,) * 10)]
)
def test_the_intervals_hold_the_truth(recalls: tuple[float, ...], images: tuple[int, ...]) -> None:
    """In nine of ten of 100 draws at least; the resamples' own percentiles do in 86, 89 and 17 % of such draws."""
    rng, held = np.random.default_rng(0), 0
    n_classes = len(recalls)
    for seed in range(100):
        confusion = np.zeros((n_classes, n_classes), np.int64)
        for label, (recall, count) in enumerate(zip(recalls, images, strict=True)):
            confusion[label] = rng.multinomial(
                count, [recall if label == other else (1 - recall) / (n_classes - 1) for other in range(n_classes)]
            )
        low, high = measure_intervals(confusion, seed=seed, resamples=300)["balanced_accuracy"]
        held += low <= np.mean(recalls) <= high
    assert held >= 90


@pytest.mark.parametrize(
    "confusion",
    [
        [[1, 0], [0, 0]],
        [[0, 1], [0, 0]],
        [[0, 3, 0], [2, 0, 0], [0, 0, 0]],
        [[40, 0], [0, 3]],
        [[0, 40], [3, 0]],
        (np.eye(60, dtype=int) * 4).tolist(),
    ],
    ids=["one image right", "one image wrong", "no hit", "all right", "all wrong", "many right"],
)
def test_no_interval_claims_certainty(confusion: list[list[int]]) -> None:
    """Neither from 1 to 1 nor from 0 to 0, and never wider than 0 to 1."""
    for low, high in measure_intervals(np.array(confusion)).values():
        assert 0 <= low < high <= 1
        assert high - low > 0.01


def test_of_all_right_a_mean_over_equal_classes_is_as_precise_as_the_accuracy() -> None:
    """And of unequal classes less so: 100 and 4 images count as 2² / (1/100 + 1/4) = 15.4."""
    found = measure_intervals(np.eye(3, dtype=np.int64) * 20)
    assert found["balanced_accuracy"] == pytest.approx(found["accuracy"])
    low, _ = measure_intervals(np.diag([100, 4]))["balanced_accuracy"]
    worth = 4 / (1 / 100 + 1 / 4)
    assert low == pytest.approx(worth / (worth + 1.959964**2))


def test_a_single_class_has_no_curve() -> None:
    """Its precision is 1 whatever the model answers."""
    assert precision_recall_curves(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0])) == []


def test_shares_come_with_wilsons_interval(measured: tuple[np.ndarray, np.ndarray]) -> None:
    """Of each bin and each threshold; none without images."""
    probabilities, y = measured
    for one in [*reliability(probabilities, y), *answered_from(probabilities, y)]:
        assert (one.interval is None) == (one.accuracy is None)
        if one.accuracy is not None:
            wanted = scipy.stats.binomtest(round(one.accuracy * one.images), one.images).proportion_ci(0.95, "wilson")
            assert one.interval == pytest.approx((wanted.low, wanted.high), abs=1e-6)


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
