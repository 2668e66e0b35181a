"""Measures of numbers that are predicted: how far off they are, and what of their spread they explain, with intervals."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson
from featx.verbs.evaluate.resamples import Interval, Units, percentile_interval


@dataclasses.dataclass(frozen=True)
class TargetMeasures:
    """Measures of one target, over the images where it is known.

    Parameters
    ----------
    name : str
        Of the target.
    images : int
        Where it is known.
    mae, rmse : float
        Mean absolute error and root of the mean squared error [units of the target].
    r2 : float or None
        Share of the variance that is explained; below 0 for worse than always the mean of these images. None where all have the
        same value.
    spearman : float or None
        Rank correlation; None where the values, or the predictions, are all the same.
    bias : float
        Mean of predicted less true [units of the target].
    baseline_mae : float
        Mean absolute error of always answering the median of these images.
    intervals : dict of str to (low, high)
        95 % intervals of ``mae``, ``rmse``, ``r2``, ``spearman`` and ``bias``; without those that cannot be drawn.
    """

    name: str
    images: int
    mae: float
    rmse: float
    r2: float | None
    spearman: float | None
    bias: float
    baseline_mae: float
    intervals: dict[str, Interval]


@dataclasses.dataclass(frozen=True)
class BoundMeasures:
    """How often the true value lies between the bounds that a model gives.

    Parameters
    ----------
    name : str
        Of the target.
    level : float
        The share that was promised.
    images : int
        Where the target is known.
    coverage : float
        Share of them between their bounds.
    interval : (low, high)
        95 % interval of the coverage (Wilson's).
    mean_width : float
        Of the upper bound less the lower [units of the target].
    """

    name: str
    level: float
    images: int
    coverage: float
    interval: Interval
    mean_width: float


def measure_target(name: str, y: NDArray[np.float64], predicted: NDArray[np.float64], units: Units) -> TargetMeasures | None:
    """Measure the predictions of one target.

    Parameters
    ----------
    name : str
        Of the target.
    y, predicted : ndarray of shape (n_images,), float64
        True values, NaN where not known, and predictions.
    units : Units
        What the intervals are drawn from, and how much each image counts.

    Returns
    -------
    measures : TargetMeasures or None
        None where no image has a known value.
    """
    known = ~np.isnan(y) & (units.weights > 0)
    if not known.any():
        return None
    y, predicted, units = y[known], predicted[known], units.where(known)
    values = _measures(y, predicted, units.weights[None])[0]
    # Ranks take as long as some eight sums.
    drawn = units.resampled(lambda weights: _measures(y, predicted, weights), columns=8)
    intervals = {
        which: found
        for which, value, column in zip(_NAMES, values, drawn.T, strict=True)
        if np.isfinite(value) and (found := percentile_interval(column, units.count))
    }
    mae, rmse, r2, spearman, bias = (float(value) for value in values)
    off = np.abs(y - _median(y, units.weights))
    return TargetMeasures(
        name,
        len(y),
        mae,
        rmse,
        r2 if np.isfinite(r2) else None,
        spearman if np.isfinite(spearman) else None,
        bias,
        float(np.average(off, weights=units.weights)),
        intervals,
    )


_NAMES = ("mae", "rmse", "r2", "spearman", "bias")


def _measures(y: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the five measures (size, 5) under each of some weights (size, n)."""
    error = predicted - y
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mae, squared, bias = (weights @ each / total for each in (np.abs(error), error**2, error))
        # Around the mean of all: the sum of squares less that of the mean would lose the digits of values far from zero.
        centred = y - y.mean()
        variance = weights @ centred**2 / total - (weights @ centred / total) ** 2
        r2 = np.where(variance > 1e-12 * max(float((centred**2).mean()), 1e-300), 1 - squared / variance, np.nan)
    r2 = r2 if len(y) > 1 and (centred != 0).any() else np.full(len(weights), np.nan)
    return np.stack([mae, np.sqrt(squared), r2, _spearman(y, predicted, weights), bias], axis=1)


def _spearman(y: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's rank correlation, an image of weight 2 counting as two images that are alike."""
    first, second = _ranks(y, weights), _ranks(predicted, weights)
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        first -= (weights * first).sum(axis=1, keepdims=True) / total
        second -= (weights * second).sum(axis=1, keepdims=True) / total
        spread = (weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1)
        found = (weights * first * second).sum(axis=1) / np.sqrt(spread)
    # Ranks that are all the same differ by rounding at most.
    return np.where(spread > 1e-12 * total[:, 0] ** 6, np.clip(found, -1, 1), np.nan)


def _ranks(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value (size, n), the mean of the ranks that equal values share."""
    order = np.argsort(values, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(values[order])) + 1)
    of_value = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = of_value.cumsum(axis=1) - (of_value - 1) / 2
    place = np.empty(len(values), np.int64)
    place[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    return np.asarray(middle[:, place], np.float64)


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the value with half of the weight on each side; the middle of two that have exactly half."""
    order = np.argsort(values, kind="stable")
    share = weights[order].cumsum() / weights.sum()
    place = int(np.searchsorted(share, 0.5 - 1e-12))
    after = min(place + (abs(share[place] - 0.5) < 1e-12), len(values) - 1)
    return float((values[order[place]] + values[order[after]]) / 2)


def measure_bounds(
    name: str, y: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], level: float
) -> BoundMeasures | None:
    """Return how often the true values (n_images,), NaN where not known, lie between their bounds; None without a known one."""
    known = ~np.isnan(y)
    if not known.any():
        return None
    inside, n_images = (low <= y) & (y <= high) & known, int(known.sum())
    width = float((high - low)[known].mean())
    return BoundMeasures(name, level, n_images, float(inside.sum() / n_images), wilson(int(inside.sum()), n_images), width)
