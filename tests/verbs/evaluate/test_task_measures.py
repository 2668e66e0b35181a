"""Measures of labels, numbers and grades, against scikit-learn, SciPy and a bootstrap image by image."""

import itertools

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from numpy.typing import NDArray

from featx.verbs.evaluate.grade_measures import measure_grades
from featx.verbs.evaluate.label_measures import measure_labels
from featx.verbs.evaluate.number_measures import measure_bounds, measure_target
from featx.verbs.evaluate.resamples import Units, percentile_interval

NAMES = ("cat", "dog", "indoor", "never")
THRESHOLDS = np.array([0.5, 0.3, 0.6, 0.5])


@pytest.fixture
def labelled() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True labels (200, 4), the second seldom with the first and the last of no image, and probabilities with ties."""
    rng = np.random.default_rng(2)
    cat = rng.random(200) < 0.4
    targets = np.stack([cat, (rng.random(200) < 0.6) & ~cat, rng.random(200) < 0.5, np.zeros(200)], axis=1).astype(float)
    return targets, np.clip(0.5 + 0.25 * (targets - 0.5) + rng.normal(0, 0.2, targets.shape), 0.01, 0.99).round(2)


def weights_of(n: int) -> NDArray[np.float64]:
    """Return weights from 0.5 to 2."""
    return np.random.default_rng(3).uniform(0.5, 2, n)


@pytest.mark.parametrize("weighted", [False, True])
def test_labels_are_measured_as_scikit_learn_does(labelled: tuple[np.ndarray, np.ndarray], weighted: bool) -> None:
    """Average precision, precision, recall, F1 of each label and the means; a label of no image is in no mean but micro F1."""
    targets, p = labelled
    weights = weights_of(200) if weighted else None
    found = measure_labels(targets, p, NAMES, THRESHOLDS, Units.of(200, weights=weights))
    called = (p >= THRESHOLDS).astype(int)
    ap = [sklearn.metrics.average_precision_score(targets[:, k], p[:, k], sample_weight=weights) for k in range(3)]
    assert [one.average_precision for one in found.per_label] == [*map(pytest.approx, ap), None]
    assert found.mean_average_precision == pytest.approx(np.mean(ap))
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(
        targets, called, sample_weight=weights, zero_division=0
    )
    for k, one in enumerate(found.per_label):
        assert (one.precision, one.recall, one.f1) == pytest.approx((precision[k], recall[k], f1[k]))
        assert (one.name, one.known, one.images, one.called) == (NAMES[k], 200, targets[:, k].sum(), called[:, k].sum())
    at_half = sklearn.metrics.f1_score(targets, p >= 0.5, sample_weight=weights, average=None, zero_division=0)
    assert [one.f1_at_half for one in found.per_label] == pytest.approx(at_half.tolist())
    assert found.macro_f1 == pytest.approx(f1[:3].mean())
    assert found.micro_f1 == pytest.approx(sklearn.metrics.f1_score(targets, called, average="micro", sample_weight=weights))
    assert found.subset_accuracy == pytest.approx(sklearn.metrics.accuracy_score(targets, called, sample_weight=weights))
    losses = [sklearn.metrics.log_loss(targets[:, k], p[:, k], sample_weight=weights, labels=[0, 1]) for k in range(4)]
    assert found.log_loss == pytest.approx(np.mean(losses))
    assert [curve.label for curve in found.curves] == [0, 1, 2]


def test_what_is_not_known_changes_no_figure(labelled: tuple[np.ndarray, np.ndarray]) -> None:
    """Each label as over the images where it is known; whatever is predicted where it is not; all alike of complete images."""
    targets, p = labelled
    rng = np.random.default_rng(0)
    unknown = rng.random(targets.shape) < 0.3
    some = np.where(unknown, np.nan, targets)
    found = measure_labels(some, p, NAMES, THRESHOLDS, Units.of(200))
    other = measure_labels(some, np.where(unknown, rng.random(p.shape), p), NAMES, THRESHOLDS, Units.of(200))
    assert found == other
    for k, one in enumerate(found.per_label[:3]):
        own = ~unknown[:, k]
        assert one.average_precision == pytest.approx(sklearn.metrics.average_precision_score(targets[own, k], p[own, k]))
        assert one.f1 == pytest.approx(sklearn.metrics.f1_score(targets[own, k], p[own, k] >= THRESHOLDS[k]))
        assert one.known == own.sum()
    complete = ~unknown.any(axis=1)
    assert found.complete == complete.sum()
    assert found.subset_accuracy == pytest.approx(((p >= THRESHOLDS) == (targets == 1))[complete].all(axis=1).mean())


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_of_labels_are_those_of_drawing_images_or_groups(
    labelled: tuple[np.ndarray, np.ndarray], grouped: bool
) -> None:
    """Against scikit-learn's measures of images drawn with replacement, one resample at a time."""
    targets, p = (each[:, :3] for each in labelled)
    groups = np.arange(200) // 5 if grouped else np.arange(200)
    if grouped:  # images of a group are alike
        targets, p = targets[groups * 5], p[groups * 5]
    found = measure_labels(targets, p, NAMES[:3], THRESHOLDS[:3], Units.of(200, groups if grouped else None))
    rng, drawn = np.random.default_rng(1), []
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for _ in range(400):
        rows = np.concatenate([members[one] for one in rng.integers(0, len(members), len(members))])
        own, called = targets[rows], p[rows] >= THRESHOLDS[:3]
        ap = sklearn.metrics.average_precision_score(own, p[rows], average=None)
        f1 = sklearn.metrics.f1_score(own, called, average=None)
        micro = sklearn.metrics.f1_score(own, called, average="micro")
        drawn.append((ap[0], f1[1], ap.mean(), f1.mean(), micro, (own == called).all(axis=1).mean()))
    wanted = np.ptp(np.quantile(drawn, [0.025, 0.975], axis=0), axis=0)
    names = ("mean_average_precision", "macro_f1", "micro_f1", "subset_accuracy")
    intervals = [found.per_label[0].average_precision_interval, found.per_label[1].f1_interval]
    intervals += [found.intervals[name] for name in names]
    ratios = [(interval[1] - interval[0]) / width for interval, width in zip(intervals, wanted, strict=True) if interval]
    assert len(ratios) == 6
    assert all(0.83 < ratio < 1.17 for ratio in ratios), ratios


def test_labels_that_are_all_right_keep_an_interval() -> None:
    """Ten images without a mistake exclude no label's mistake in the next: its interval is that of as many images."""
    targets = np.tile([[0.0], [1.0]], (10, 1))
    found = measure_labels(targets, targets * 0.8 + 0.1, ("a",), np.array([0.5]), Units.of(20))
    assert (found.per_label[0].f1, found.per_label[0].average_precision) == (1.0, 1.0)
    wanted = scipy.stats.binomtest(10, 10).proportion_ci(0.95, "wilson")
    for interval in (found.per_label[0].f1_interval, found.intervals["macro_f1"], found.intervals["mean_average_precision"]):
        assert interval == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_labels_that_go_together_are_found(labelled: tuple[np.ndarray, np.ndarray]) -> None:
    """By Pearson's correlation over the images where both are known; a label of no image has none."""
    targets = labelled[0].copy()
    targets[:40, 1] = np.nan
    (first, *rest) = measure_labels(targets, labelled[1], NAMES, THRESHOLDS, Units.of(200)).pairs
    assert len(rest) == 2
    own = targets[40:]
    assert (first.first, first.second, first.images) == ("cat", "dog", 0)
    assert first.correlation == pytest.approx(scipy.stats.pearsonr(own[:, 0], own[:, 1]).statistic)
    assert first.expected == pytest.approx(own[:, 0].sum() * own[:, 1].sum() / 160)
    assert first.called == ((labelled[1][40:, :2] >= THRESHOLDS[:2]).all(axis=1)).sum()


@pytest.fixture
def numbers() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True values (150,) and predictions, both with ties, far from zero."""
    rng = np.random.default_rng(5)
    y = 1e4 + rng.normal(0, 3, 150).round(1)
    return y, (y + rng.normal(0.5, 2, 150)).round(0)


@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_measured_as_scikit_learn_and_scipy_do(numbers: tuple[np.ndarray, np.ndarray], weighted: bool) -> None:
    """Errors, explained variance and rank correlation; those of weights as of images that are there so many times."""
    y, predicted = numbers
    times = np.random.default_rng(0).integers(0, 4, 150) if weighted else np.ones(150, np.int64)
    found = measure_target("score", y, predicted, Units.of(150, weights=times.astype(float)))
    assert found is not None
    y, predicted = np.repeat(y, times), np.repeat(predicted, times)
    assert found.mae == pytest.approx(sklearn.metrics.mean_absolute_error(y, predicted))
    assert found.rmse == pytest.approx(sklearn.metrics.root_mean_squared_error(y, predicted))
    assert found.r2 == pytest.approx(sklearn.metrics.r2_score(y, predicted))
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(y, predicted).statistic)
    assert found.bias == pytest.approx((predicted - y).mean())
    assert found.baseline_mae == pytest.approx(np.abs(y - np.median(y)).mean())


def test_a_value_that_is_not_known_is_in_no_figure(numbers: tuple[np.ndarray, np.ndarray]) -> None:
    """As if its image were not there; without any known value there is nothing to measure."""
    y, predicted = numbers
    some = np.where(np.arange(150) % 3 == 0, np.nan, y)
    rest = ~np.isnan(some)
    assert measure_target("a", some, predicted, Units.of(150)) == measure_target(
        "a", y[rest], predicted[rest], Units.of(int(rest.sum()))
    )
    assert measure_target("a", np.full(150, np.nan), predicted, Units.of(150)) is None


def test_a_constant_has_no_correlation() -> None:
    """Nor an explained variance, where the values are; the errors stay."""
    y = np.array([0.1, 0.2, 0.3, 0.4])
    same = measure_target("a", np.full(4, 0.1), y, Units.of(4))
    assert same is not None
    assert (same.r2, same.spearman) == (None, None)
    assert {"mae", "rmse"} <= set(same.intervals)
    flat = measure_target("a", y, np.full(4, 0.25), Units.of(4))
    assert flat is not None
    assert flat.spearman is None
    assert flat.r2 == pytest.approx(0)


def test_intervals_of_numbers_hold_the_truth() -> None:
    """In 57 of 60 draws or so of 25 images; where groups share their error only if they are drawn by group."""
    rng = np.random.default_rng(7)
    truth = {"mae": np.sqrt(2 / np.pi), "rmse": 1.0, "spearman": 6 / np.pi * np.arcsin(np.sqrt(0.8) / 2), "bias": 0.0}
    held = dict.fromkeys(truth, 0)
    grouped = plain = 0
    for _ in range(60):
        y = rng.normal(0, 2, 25)
        found = measure_target("a", y, y + rng.normal(0, 1, 25), Units.of(25))
        assert found is not None
        for name, value in truth.items():
            held[name] += found.intervals[name][0] <= value <= found.intervals[name][1]
        of, y = np.arange(100) // 4, rng.normal(0, 2, 100)
        predicted = y + rng.normal(0, 1, 25)[of]
        for groups in (of, None):
            one = measure_target("a", y, predicted, Units.of(100, groups))
            assert one is not None
            inside = one.intervals["mae"][0] <= truth["mae"] <= one.intervals["mae"][1]
            grouped, plain = grouped + (inside and groups is not None), plain + (inside and groups is None)
    assert min(held.values()) >= 51, held
    assert grouped >= 51 > plain + 5, (grouped, plain)


def test_bounds_are_counted() -> None:
    """The share of true values between them, ends included, and how wide they are."""
    y = np.array([1.0, 2.0, np.nan, 4.0])
    found = measure_bounds("a", y, np.array([1, 0, 0, 5.0]), np.array([2, 1, 9, 6.0]), 0.9)
    assert found is not None
    assert (found.images, found.coverage, found.mean_width) == (3, pytest.approx(1 / 3), 1.0)
    wanted = scipy.stats.binomtest(1, 3).proportion_ci(0.95, "wilson")
    assert found.interval == pytest.approx((wanted.low, wanted.high), abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_kappa_is_scikit_learns(weighted: bool) -> None:
    """With quadratic weights; and the mean distance in grades."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 200)
    predicted = np.clip(y + rng.integers(-1, 3, 200), 0, 3)
    weights = weights_of(200) if weighted else None
    found = measure_grades(y, predicted, Units.of(200, weights=weights))
    assert found.kappa == pytest.approx(
        sklearn.metrics.cohen_kappa_score(y, predicted, weights="quadratic", sample_weight=weights)
    )
    assert found.mae == pytest.approx(sklearn.metrics.mean_absolute_error(y, predicted, sample_weight=weights))
    assert found.within_one == pytest.approx(np.average(np.abs(y - predicted) <= 1, weights=weights))


def test_the_interval_of_kappa_is_as_wide_as_that_of_drawing_images() -> None:
    """Against scikit-learn's kappa, one resample at a time; by group it is wider where images of a group are alike."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 120)
    predicted = np.clip(y + rng.integers(-1, 2, 120), 0, 3)
    draws = (rng.integers(0, 120, 120) for _ in range(600))
    drawn = [sklearn.metrics.cohen_kappa_score(y[rows], predicted[rows], weights="quadratic") for rows in draws]
    low, high = measure_grades(y, predicted, Units.of(120)).intervals["kappa"]
    assert (high - low) / np.ptp(np.quantile(drawn, [0.025, 0.975])) == pytest.approx(1, abs=0.12)
    copies = [np.repeat(each, 4) for each in (y, predicted, np.arange(120))]
    plain, grouped = (
        measure_grades(copies[0], copies[1], Units.of(480, groups)).intervals["kappa"] for groups in (None, copies[2])
    )
    assert (grouped[1] - grouped[0]) == pytest.approx(high - low, rel=0.12)
    assert (grouped[1] - grouped[0]) / (plain[1] - plain[0]) == pytest.approx(2, abs=0.3)


def test_grades_that_cannot_disagree_have_no_kappa() -> None:
    """One grade alone; and where every answer is right the resamples tell nothing of mistakes: no interval is claimed."""
    alone = measure_grades(np.ones(9, np.int64), np.ones(9, np.int64), Units.of(9))
    assert (alone.kappa, alone.mae, alone.intervals) == (None, 0.0, {})
    right = measure_grades(np.arange(9) % 3, np.arange(9) % 3, Units.of(9))
    assert (right.kappa, right.mae, right.intervals) == (1.0, 0.0, {})


def test_few_units_widen_the_percentiles() -> None:
    """As far out as Student's distribution is beyond the normal one: of many units they are the plain percentiles."""
    drawn = np.random.default_rng(0).normal(size=20_000)
    widths = [high - low for low, high in filter(None, (percentile_interval(drawn, units) for units in (5, 20, 10_000)))]
    assert all(wider > narrower for wider, narrower in itertools.pairwise(widths))
    assert widths[-1] == pytest.approx(2 * 1.96, abs=0.08)
    assert percentile_interval(drawn, 2) is None
