"""A first look at rows: which poolings and scales are worth the fits of a search that has not the time for all."""

import contextlib
import math
from collections.abc import Sequence

import numpy as np

from featx.heads import rough_decisions
from featx.system.progress import Progress
from featx.verbs.compare.candidates import Candidate
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.limit import Limit, TimeIsUp
from featx.verbs.compare.validate import CrossValidation, basis_key

_LINEAR = ("svm", "logreg", "ridge")

_WORTH_A_LOOK = 20_000_000_000
"""Multiplications of the widest inner products, half a second: of less everything is tried within any time."""

_BEHIND = 2.0
"""Standard errors of an accuracy that a look must be behind the best one, to be believed."""


def are_worth_a_look(images: TrainingImages, candidates: Sequence[Candidate]) -> bool:
    """Return whether candidates take so long, and are such, that a look at each comes before the fits."""
    if images.task.has_targets or len(candidates) < 2:
        return False
    if any(one.head not in _LINEAR or one.settings.get("kernel", "linear") != "linear" for one in candidates):
        return False
    width = max(math.prod(images.store.row_shape(images.layer, one.pooling)) for one in candidates)
    return len(images.rows) ** 2 * width > _WORTH_A_LOOK


def first_looks(
    validation: CrossValidation,
    images: TrainingImages,
    candidates: Sequence[Candidate],
    limit: Limit,
    progress: Progress | None,
) -> list[float]:
    """Return the accuracy of a rough head on each candidate's rows, by the same folds.

    Parameters
    ----------
    validation : CrossValidation
        Keeps what was computed for the fits.
    images : TrainingImages
        In folds.
    candidates : sequence of Candidate
        Of classical heads, each on other rows.
    limit : Limit
        When to stop.
    progress : callable or None
        Called as (stage, newly done, total) after each.

    Returns
    -------
    looks : list of float
        NaN for those that there was no room or no time for; infinite where there are too many rows to compare them.
    """
    looks = [math.nan] * len(candidates)
    if progress:
        progress("first look", 0, len(candidates))
    for number, candidate in enumerate(candidates):
        pooling, scale = basis_key(candidate, images.task)
        with contextlib.suppress(TimeIsUp):
            limit.check()
            rows = validation.shared_rows(pooling, scale, [candidate], limit)
            if rows.gram is None:
                looks[number] = math.inf
            else:
                validation.hold(pooling, scale, rows)
                right = np.empty(len(images.rows))
                for fold in range(images.n_folds):
                    limit.check()
                    decision = rough_decisions(rows, *validation.sides(fold), len(images.class_names))
                    right[images.fold_of == fold] = decision.argmax(axis=1) == images.labels[images.fold_of == fold]
                looks[number] = float(np.average(right, weights=images.weights))
        if progress:
            progress("first look", 1, len(candidates))
    return looks


def are_behind(looks: Sequence[float], n_images: int) -> list[bool]:
    """Return which looks are so far behind the best that their rows will hardly be the best ones; no others."""
    best = max((look for look in looks if math.isfinite(look)), default=math.nan)
    margin = _BEHIND * math.sqrt(max(best * (1 - best), 1 / n_images) / n_images)
    return [look < best - margin for look in looks]
