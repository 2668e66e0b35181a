"""Measures of grades: classes that have an order, of which a near one is less wrong than a far one."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.verbs.evaluate.resamples import Interval, Units, percentile_interval


@dataclasses.dataclass(frozen=True)
class GradeMeasures:
    """How far off the answers are, in grades.

    Parameters
    ----------
    kappa : float or None
        Cohen's with quadratic weights: 1 for every grade right, 0 for no more agreement than chance. None where all images and
        all answers are of one grade.
    mae : float
        Mean distance between the true grade and the answer, in grades.
    within_one : float
        Share of the images whose answer is the true grade or one beside it.
    intervals : dict of str to (low, high)
        95 % bootstrap intervals of ``kappa`` and ``mae``; without those that cannot be drawn, as where every answer is right.
    """

    kappa: float | None
    mae: float
    within_one: float
    intervals: dict[str, Interval]


def measure_grades(y: NDArray[np.int64], predicted: NDArray[np.int64], units: Units) -> GradeMeasures:
    """Measure answers.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_images,), int64
        True grades and answers, by their place in the order of the grades.
    units : Units
        What the intervals are drawn from, and how much each image counts.
    """
    # Everything that both measures need is a sum over the images: one product for all resamples.
    distance = np.abs(y - predicted)
    sums = np.stack([np.ones(len(y)), y, predicted, y**2 + predicted**2, distance**2, distance], axis=1).astype(np.float64)
    values = _measures(units.weights[None] @ sums)[0]
    drawn = units.resampled(lambda weights: _measures(weights @ sums))
    intervals = {
        name: found
        for name, value, column in zip(("kappa", "mae"), values, drawn.T, strict=True)
        if np.isfinite(value) and (found := percentile_interval(column, units.count))
    }
    kappa, mae = values.tolist()
    near = float(np.average(distance <= 1, weights=units.weights))
    return GradeMeasures(kappa if np.isfinite(kappa) else None, mae, near, intervals)


def _measures(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return kappa and mean distance (size, 2) of sums (size, 6): n, true, answer, both squared, squared distance, distance."""
    n, true, answer, squares, squared, distance = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = squares - 2 * true * answer / n  # the squared distance, if answers told nothing of the true grades
        kappa = np.where(by_chance > 1e-9 * np.maximum(squares, 1), 1 - squared / by_chance, np.nan)
        return np.stack([kappa, distance / n], axis=1)
