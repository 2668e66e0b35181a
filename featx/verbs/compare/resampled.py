"""How sure the score of a head is, and its difference from the best: by resampling the images, whole groups at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.verbs.compare.candidates import Tried
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.scoring import score_of

_DRAWS = 200


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


def _drawn(images: TrainingImages, tried: Tried) -> NDArray[np.float64]:
    """Return the score of each draw (n_draws,); NaN where a draw tells none."""
    assert tried.outputs is not None, "other tasks than classes keep them"
    group_of = np.unique(images.store.catalog.joined_groups(images.rows), return_inverse=True)[1].reshape(-1)
    n_groups, random = int(group_of.max()) + 1, np.random.default_rng(0)
    own = np.ones(len(group_of)) if images.weights is None else images.weights
    scores = []
    for _ in range(_DRAWS):
        times = np.bincount(random.integers(n_groups, size=n_groups), minlength=n_groups)
        found = score_of(images.task, images.y, tried.outputs, own * times[group_of])
        scores.append(np.nan if found is None else found)
    return np.array(scores)
