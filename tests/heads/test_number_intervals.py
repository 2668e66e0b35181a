"""Intervals around numbers: they hold the number as often as they say, whatever the head."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from featx.heads import NumberIntervals, make_head


def test_half_widths_are_the_right_order_statistic() -> None:
    """The ceil((n + 1) level)-th smallest error, of each target on the images where it is known."""
    given = np.zeros((9, 2))
    wanted = np.stack([np.arange(1.0, 10), np.append(np.arange(4.0), [np.nan] * 5)], axis=1)
    found = NumberIntervals.of(given, -wanted)
    assert found.images == (9, 4)
    np.testing.assert_array_equal(found.half_widths(0.5), [5, 2])
    np.testing.assert_array_equal(found.half_widths(0.8), [8, 3])
    np.testing.assert_array_equal(found.half_widths(0.9), [9, np.inf])
    assert (found.images_wanted(0.8), found.images_wanted(0.9)) == (0, 9)
    low, high = found.bounds(np.array([[10.0, 20.0]]), 0.5)
    assert (low.tolist(), high.tolist()) == ([[5, 18]], [[15, 22]])
    assert NumberIntervals.from_dict(found.to_dict()).to_dict() == found.to_dict()


@pytest.mark.parametrize("head", ["ridge", "knn"])
def test_intervals_cover_what_they_promise(head: str) -> None:
    """On 20 splits of the digits, as numbers: 0.90 within 0.02, though they are no normal errors at all."""
    digits = load_digits()
    X, y = digits.data.astype(np.float32), digits.target.astype(np.float64)
    covered = []
    for draw in range(20):
        order = np.random.default_rng(draw).permutation(len(y))
        train, val, test = order[:400], order[400:900], order[900:]
        fitted = make_head(head, "numbers").fit(X[train], y[train])
        low, high = NumberIntervals.of(fitted.outputs(X[val]), y[val, None]).bounds(fitted.outputs(X[test]), 0.9)
        covered.append(((low[:, 0] <= y[test]) & (y[test] <= high[:, 0])).mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)
