"""The bootstrap of measures that no confusion matrix holds: images drawn with replacement, whole groups where there are any."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson

Interval = tuple[float, float]

MOST, FEWEST = 2000, 200
"""Resamples: of few images the first, of very many the second, whose intervals are narrow anyway."""

_BUDGET = 100_000_000
"""Weights of images that are drawn in all, times the columns that each is measured by: some five seconds."""

_BLOCK = 2_000_000


@dataclasses.dataclass(frozen=True)
class Units:
    """What is drawn: images, or whole groups of them.

    Parameters
    ----------
    unit : ndarray of shape (n_images,), int64
        Number of each image's unit, from 0 without gaps.
    weights : ndarray of shape (n_images,), float64
        How much each image counts.
    seed : int
        Of the draws.
    """

    unit: NDArray[np.int64]
    weights: NDArray[np.float64]
    seed: int = 0

    @classmethod
    def of(
        cls,
        n_images: int,
        groups: NDArray[np.int64] | None = None,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> "Units":
        """Return the units of some images: their groups, or without groups each image."""
        unit = np.arange(n_images) if groups is None else np.unique(groups, return_inverse=True)[1]
        return cls(unit.astype(np.int64), np.ones(n_images) if weights is None else weights, seed)

    def where(self, chosen: NDArray[np.bool_]) -> "Units":
        """Return the units of the chosen images alone."""
        return Units(np.unique(self.unit[chosen], return_inverse=True)[1].astype(np.int64), self.weights[chosen], self.seed)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.unit.max()) + 1 if len(self.unit) else 0

    def draws(self, columns: int = 1) -> Iterator[NDArray[np.float64]]:
        """Yield the weight of each image in each resample (size, n_images), so many resamples at a time as memory allows.

        Where each is measured by many ``columns`` there are fewer resamples.
        """
        rng = np.random.default_rng(self.seed)
        left = int(np.clip(_BUDGET // max(1, len(self.unit) * columns), FEWEST, MOST))
        most = max(1, _BLOCK // max(1, len(self.unit)))
        while left > 0:
            size = min(most, left)
            left -= size
            yield rng.multinomial(self.count, np.full(self.count, 1 / self.count), size=size)[:, self.unit] * self.weights

    def resampled(self, measure: Callable[[NDArray[np.float64]], NDArray[np.float64]], columns: int = 1) -> NDArray[np.float64]:
        """Return a measure of each resample.

        Parameters
        ----------
        measure : callable
            Takes weights (size, n_images) and returns measures (size, …).
        columns : int
            How many columns it goes through.
        """
        return np.concatenate([measure(drawn) for drawn in self.draws(columns)])


def share_interval(mean: float, drawn: NDArray[np.float64], most: float, unseen: float) -> Interval:
    """Return the 95 % interval of a measure between 0 and 1: Wilson's, of a share with the variance of the resamples.

    Their percentiles would tell nothing of mistakes that were not seen: from 1 to 1 where every image is right. In simulations
    of three labels and 40 to 300 images the intervals of average precision, F1 and their means held the truth in 92 to 99 % of
    draws.

    Parameters
    ----------
    mean : float
        The measure of the images.
    drawn : ndarray of shape (n_resamples,)
        Of the resamples; NaN where one has none.
    most, unseen : float
        As how many images it counts at most, and as how many where the resamples do not differ.
    """
    known = drawn[np.isfinite(drawn)]
    variance = float(known.var()) if len(known) else 0.0
    worth = min(most, mean * (1 - mean) / variance) if variance > 0 and 0 < mean < 1 else unseen
    return wilson(mean * worth, worth)


def percentile_interval(drawn: NDArray[np.float64], units: int) -> Interval | None:
    """Return the 95 % interval of a measure without bounds: percentiles of the resamples, further out for few images.

    Plain percentiles are too narrow for few images, as a normal interval that divides by n would be in place of Student's. In
    simulations of 20 to 200 images the intervals of errors, R², rank correlation and kappa held the truth in 91 to 99 %.

    Parameters
    ----------
    drawn : ndarray of shape (n_resamples,)
        The measure of the resamples; NaN where one has none.
    units : int
        How many images or groups were drawn.

    Returns
    -------
    interval : (low, high) or None
        None where the resamples do not differ, or there are fewer than three units: they tell nothing of its precision.

    References
    ----------
    Hesterberg (2015), What teachers should know about the bootstrap: the expanded percentile interval.
    """
    from scipy.stats import norm, t  # here, not above: featx --help does not load SciPy

    known = drawn[np.isfinite(drawn)]
    if units < 3 or not len(known) or known.min() == known.max():
        return None
    tail = float(norm.cdf(-np.sqrt(units / (units - 1)) * t.ppf(0.975, units - 1)))
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
