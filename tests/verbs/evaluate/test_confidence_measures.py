"""The interval of the calibration error, and the surest answers."""

import numpy as np
import pytest

from featx.verbs.evaluate.calibration_error import calibration_precision
from featx.verbs.evaluate.measures import expected_calibration_error, reliability
from featx.verbs.evaluate.surest import risk_coverage
from tests.heads.test_conformal import drawn


def error(p: np.ndarray, y: np.ndarray) -> float:
    """Return the expected calibration error."""
    return expected_calibration_error(reliability(p, y))


@pytest.mark.parametrize(("boast", "n", "least"), [(1.0, 500, 51), (1.3, 200, 49), (1.6, 500, 51), (3.0, 500, 51)])
def test_the_interval_holds_the_true_error(boast: float, n: int, least: int) -> None:
    """In most of 60 draws; of a million images the error is known. It always holds the error found.

    Of 200 images with an error of 0.08, the resamples' own percentiles hold it in 44 draws: they have its excess twice.
    """
    true = error(*drawn(1_000_000, 99, boast))
    held = 0
    for seed in range(60):
        p, y = drawn(n, seed, boast)
        (low, high), _ = calibration_precision(p, y)
        assert low <= error(p, y) <= high
        held += low <= true <= high
    assert held >= least


def test_an_exact_confidence_shows_the_error_of_chance() -> None:
    """The mean over draws of labels is what is expected; the interval then begins at 0."""
    found, expected, zero = [], [], 0
    for seed in range(60):
        p, y = drawn(300, seed, boast=1.0)
        (low, _), by_chance = calibration_precision(p, y)
        found.append(error(p, y))
        expected.append(by_chance)
        zero += low == 0
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.06)
    assert zero >= 55


def test_the_surest_by_counting() -> None:
    """Sorted by hand; equally sure images share their hits."""
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    y = np.array([0, 0, 1, 0, 1])
    found = risk_coverage(p, y)
    expected = [1.0, 1.5 / 2, 2 / 3, 3 / 4, 3 / 5]
    np.testing.assert_allclose(found.accuracy, expected)
    np.testing.assert_allclose(found.share, [0.2, 0.4, 0.6, 0.8, 1.0])
    assert found.aurc == pytest.approx(1 - np.mean(expected))
    (at_80,) = [one for one in found.table if one.share == 0.8]
    assert (at_80.images, at_80.accuracy, at_80.confidence) == (4, 0.75, 0.7)


def test_the_area_is_the_mean_over_every_number_of_answers() -> None:
    """However many points the curve is thinned to; the order of the images decides nothing."""
    p, y = drawn(3000, 0)
    found = risk_coverage(p, y)
    order = np.argsort(-p.max(axis=1))
    wrong = np.cumsum(p.argmax(axis=1)[order] != y[order])
    assert found.aurc == pytest.approx((wrong / np.arange(1, 3001)).mean())
    assert len(found.share) == 100
    turned = risk_coverage(p[::-1], y[::-1])
    assert (turned.aurc, turned.accuracy) == (found.aurc, found.accuracy)


def test_one_image_is_measured_too() -> None:
    """A curve of one point."""
    found = risk_coverage(np.array([[0.3, 0.7]]), np.array([1]))
    assert (found.aurc, found.share, found.accuracy) == (0.0, [1.0], [1.0])
    (low, high), by_chance = calibration_precision(np.array([[0.3, 0.7]]), np.array([1]))
    assert 0 <= low <= 0.3 <= high
    assert by_chance > 0
