"""Sets of classes that keep a promise: split conformal prediction from the scores of images that the head did not learn from.

A score says how badly a class fits an image. The right classes of n such images have n scores. The score of a new image's right
class does not exceed the ceil((n + 1) level)-th smallest of them in at least that share of cases, whatever the head, as long as
the new images come from where those came from. The set of an image is every class up to that threshold.

Two scores, both without random numbers:

- ``lac``: 1 minus the probability of the class. The smallest sets on average.
- ``aps``: the probability of all classes that are more probable than the class. Sets grow with what the image leaves open.

References
----------
Sadinle, Lei & Wasserman (2019), Least ambiguous set-valued classifiers with bounded error levels, arXiv:1609.00451.
Romano, Sesia & Candès (2020), Classification with valid and adaptive coverage, arXiv:2006.02544; here without its random
number: the share of the class itself is left out of its score, so that the most probable class is always in the set.
"""

import dataclasses
import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

METHODS = ("lac", "aps")
"""Scores that sets can be made by; the first is the default."""

MOST_SCORES = 5000
"""Images whose scores are kept: the promise of more than these differs by less than the coverage of one sample does."""

# (n + 1) * level must not be lifted past a whole number by its rounding: 10 * 0.7 is 7.000000000000001.
_ROUNDING = 1e-9


def class_scores(probabilities: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    """Return how badly each class fits each image.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Rows that sum to 1.
    method : str
        ``lac`` or ``aps``.

    Returns
    -------
    scores : ndarray of shape (n, n_classes)
        From 0 to 1. Equally probable classes have the same.
    """
    if method == "lac":
        return np.clip(1 - probabilities, 0.0, 1.0)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    falling = np.take_along_axis(probabilities, order, axis=1)
    before = np.zeros_like(falling)
    np.cumsum(falling[:, :-1], axis=1, out=before[:, 1:])
    tied = np.zeros(falling.shape, np.bool_)
    tied[:, 1:] = falling[:, 1:] == falling[:, :-1]
    # A tied class has before it what the first of its equals has; sums do not fall, so that the largest so far is that one's.
    before = np.maximum.accumulate(np.where(tied, 0.0, before), axis=1)
    scores = np.empty_like(before)
    np.put_along_axis(scores, order, np.minimum(before, 1.0), axis=1)
    return scores


@dataclasses.dataclass(frozen=True)
class Conformal:
    """Scores of the right classes of some images, ascending: what a set of any level takes.

    Parameters
    ----------
    lac, aps : ndarray of shape (n_scores,), float64
        One for each image, from 0 to 1.
    images : int
        How many images there were; of more than 5,000, that many scores are kept.
    chose : str
        What else was chosen by these images: ``epoch`` or nothing. Then the head is a little too good on them, and the sets a
        little too small.
    """

    lac: NDArray[np.float64]
    aps: NDArray[np.float64]
    images: int
    chose: str = ""

    @classmethod
    def of(cls, probabilities: NDArray[np.float64], y: NDArray[np.integer], chose: str = "") -> Self:
        """Take the scores of images (n, n_classes) with their labels (n,)."""
        rows = np.arange(len(y))
        if len(y) > MOST_SCORES:
            rows = np.sort(np.random.default_rng(0).choice(len(y), MOST_SCORES, replace=False))
        own = (np.arange(len(rows)), y[rows])
        lac, aps = (np.sort(class_scores(probabilities[rows], method)[own]) for method in METHODS)
        return cls(lac, aps, len(y), chose)

    def threshold(self, level: float, method: str) -> float:
        """Return the largest score of a class in a set; infinite where there are too few images for the level."""
        scores: NDArray[np.float64] = getattr(self, method)
        rank = math.ceil((len(scores) + 1) * level - _ROUNDING)
        return float(scores[rank - 1]) if rank <= len(scores) else math.inf

    def sets(self, probabilities: NDArray[np.float64], level: float, method: str) -> NDArray[np.bool_]:
        """Return which classes (n, n_classes) are in the sets of images; the most probable class always is."""
        chosen = class_scores(probabilities, method) <= self.threshold(level, method)
        chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
        return chosen

    def images_wanted(self, level: float) -> int:
        """Return how many images a level takes, if there are too few for it; else 0."""
        wanted = math.ceil(level / (1 - level) - _ROUNDING)
        return wanted if len(self.lac) < wanted else 0
