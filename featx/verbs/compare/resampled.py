"""How sure the score of a head is, and its difference from the best: by resampling the images, whole groups at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson
from featx.verbs.compare.candidates import Tried
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.scoring import score_of

_DRAWS = 200

Z_95 = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""


def compare_scores(images: TrainingImages, entry: Tried, best: Tried) -> dict[str, Any]:
    """Return the 95 % intervals of a candidate's score and of its difference from the best, by the same draws of images.

    Returns
    -------
    found : dict of str to float
        ``low``, ``high``, ``difference``, ``difference_low``, ``difference_high``; zeros where there is no score.
    """
    names = ("low", "high", "difference", "difference_low", "difference_high")
    if entry.score is None or best.score is None:
        return dict.fromkeys(names, 0.0)
    own, others = _drawn(images, entry), _drawn(images, best)
    low, high = np.nanpercentile(own, [2.5, 97.5])
    if entry is best:
        return dict(zip(names, (float(low), float(high), 0.0, 0.0, 0.0), strict=True))
    below, above = np.nanpercentile(own - others, [2.5, 97.5])
    found = float(low), float(high), entry.score - best.score, float(below), float(above)
    return dict(zip(names, found, strict=True))


def compare_accuracies(images: TrainingImages, entry: Tried, best: Tried) -> dict[str, Any]:
    """Return the same of the accuracies of classes, whose images come in groups or weigh differently.

    The interval is Wilson's, of as many images as the variance of the draws is worth: their percentiles would tell nothing of
    mistakes that were not seen.
    """
    draws = list(_draws(images))
    own, others = (np.array([np.average(tried.right, weights=drawn) for drawn in draws]) for tried in (entry, best))
    accuracy, n_groups = float(entry.accuracy or 0.0), len(np.unique(images.store.catalog.joined_groups(images.rows)))
    variance = float(own.var())
    worth = min(float(len(entry.right)), accuracy * (1 - accuracy) / variance) if variance > 0 else float(n_groups)
    low, high = wilson(accuracy * worth, worth)
    found: dict[str, Any] = {"low": low, "high": high}
    if entry is best:
        return found | dict.fromkeys(("difference", "difference_low", "difference_high"), 0.0)
    difference = accuracy - float(best.accuracy or 0.0)
    spread = float((own - others).std())
    half = Z_95 * spread if spread > 0 else Z_95 / (n_groups + 2)  # as Agresti & Min have it, where no image tells them apart
    return found | {"difference": difference, "difference_low": difference - half, "difference_high": difference + half}


def _drawn(images: TrainingImages, tried: Tried) -> NDArray[np.float64]:
    """Return the score of each draw (n_draws,); NaN where a draw tells none."""
    assert tried.outputs is not None, "other tasks than classes keep them"
    found = [score_of(images.task, images.y, tried.outputs, drawn) for drawn in _draws(images)]
    return np.array([np.nan if score is None else score for score in found])


def _draws(images: TrainingImages) -> Iterator[NDArray[np.float64]]:
    """Yield how much each image counts (n_images,) in each draw of whole groups with replacement."""
    group_of = np.unique(images.store.catalog.joined_groups(images.rows), return_inverse=True)[1].reshape(-1)
    n_groups, random = int(group_of.max()) + 1, np.random.default_rng(0)
    own = np.ones(len(group_of)) if images.weights is None else images.weights
    for _ in range(_DRAWS):
        times = np.bincount(random.integers(n_groups, size=n_groups), minlength=n_groups)
        yield own * times[group_of]
