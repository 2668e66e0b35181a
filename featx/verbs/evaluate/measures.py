"""Measures beyond the count of hits: how precise a figure is, and how well confidence matches accuracy."""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from featx.verbs.evaluate.grouped import GroupedAnswers

RESAMPLES = 2000
"""Of the bootstrap: the ends of a 95 % interval then stand on 50 resamples each."""

BINS = 10
"""Of the reliability diagram, equally wide."""

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Least confidences of the table of thresholds."""

MOST_CURVE_POINTS = 100
"""Of a precision-recall curve: more cannot be distinguished on a page."""

# Sorting the probabilities of one class takes a second for some ten million of them; beyond this, no curves are made.
_MOST_PROBABILITIES = 20_000_000

_BLOCK = 4_000_000


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """The images whose confidence lies in (low, high].

    Parameters
    ----------
    low, high : float
        Its ends; the first bin has 0 in it.
    images : int
        How many there are.
    confidence, accuracy : float or None
        Their mean confidence and the share that is right; None without any.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclasses.dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of one class against all others, as the threshold falls.

    Parameters
    ----------
    label : int
        Index of the class.
    average_precision : float
        As scikit-learn defines it.
    recall, precision : list of float
        Ascending in recall, at most ``MOST_CURVE_POINTS``.
    """

    label: int
    average_precision: float
    recall: list[float]
    precision: list[float]


@dataclasses.dataclass(frozen=True)
class Threshold:
    """Answers of at least some confidence: how many, what share of all, and what share of them is right (None: none)."""

    confidence: float
    images: int
    share: float
    accuracy: float | None


def bootstrap_intervals(
    confusion: NDArray[np.int64],
    groups: GroupedAnswers | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """Return 95 % percentile intervals of accuracy, balanced accuracy and macro F1.

    The three depend on the images through the confusion matrix alone. Drawing n images with replacement therefore is one
    multinomial draw over its cells, and only the cells that are not empty can be drawn.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes), int64
        Rows true, columns predicted.
    groups : GroupedAnswers or None
        The same answers by group: then whole groups are drawn, as images of one group are right or wrong together.
    seed : int
        Of the resamples.
    resamples : int
        How many.

    Returns
    -------
    intervals : dict of str to (low, high)
        ``accuracy``, ``balanced_accuracy``, ``macro_f1``; the last two over the classes that a resample has images of.

    References
    ----------
    Efron & Tibshirani (1993), An introduction to the bootstrap, section 13.3; Davison & Hinkley (1997), Bootstrap methods and
    their application, section 3.8, for groups.
    """
    true, predicted = np.nonzero(confusion)
    counts = confusion[true, predicted]
    n_images = int(counts.sum())
    rng = np.random.default_rng(seed)
    by_column = np.argsort(predicted, kind="stable")
    classes, row_starts = np.unique(true, return_index=True)
    columns, column_starts = np.unique(predicted[by_column], return_index=True)
    place = {int(label): position for position, label in enumerate(columns)}
    # Where each true class stands among those that were predicted; one past the end for a class that never was.
    found_at = np.array([place.get(int(label), len(columns)) for label in classes])
    hits = np.flatnonzero(true == predicted)
    hit_class = np.searchsorted(classes, true[hits])
    drawn: list[NDArray[np.float64]] = []
    for size in _sizes(resamples, max(1, _BLOCK // max(len(counts), groups.size if groups else 0))):
        draws = groups.draw(rng, size) if groups else rng.multinomial(n_images, counts / n_images, size=size)
        support = np.add.reduceat(draws, row_starts, axis=1)
        called = np.hstack([np.add.reduceat(draws[:, by_column], column_starts, axis=1), np.zeros((size, 1), np.int64)])
        right = np.zeros((size, len(classes)), np.int64)
        right[:, hit_class] = draws[:, hits]
        present = support > 0
        n_present = present.sum(axis=1)
        recall = np.divide(right, support, where=present, out=np.zeros(right.shape))
        f1 = np.divide(2 * right, support + called[:, found_at], where=present, out=np.zeros(right.shape))
        drawn.append(
            np.stack([right.sum(axis=1) / support.sum(axis=1), recall.sum(axis=1) / n_present, f1.sum(axis=1) / n_present])
        )  # fmt: skip
    ends = np.quantile(np.hstack(drawn), [0.025, 0.975], axis=1)
    names = ("accuracy", "balanced_accuracy", "macro_f1")
    return {name: (float(low), float(high)) for name, low, high in zip(names, *ends, strict=True)}


def _sizes(total: int, most: int) -> list[int]:
    return [most] * (total // most) + [total % most] * (total % most > 0)


def top_k_accuracy(probabilities: NDArray[np.float64], y: NDArray[np.integer], k: int) -> float | None:
    """Return the share of images whose class is among the k most probable; None where k is all of the classes.

    Of equally probable classes the first counts as more probable, as it does for top-1.
    """
    if k >= probabilities.shape[1]:
        return None
    places = np.arange(probabilities.shape[1])
    own = np.take_along_axis(probabilities, y[:, None], axis=1)
    before = (probabilities > own).sum(axis=1) + ((probabilities == own) & (places < y[:, None])).sum(axis=1)
    return float((before < k).mean())


def reliability(probabilities: NDArray[np.float64], y: NDArray[np.integer], n_bins: int = BINS) -> list[ReliabilityBin]:
    """Return how often the most probable class is right, by its predicted probability."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    edges = np.linspace(0, 1, n_bins + 1)
    # Closed above, so that a confidence of 1 has a bin.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    bins = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = place == number
        images = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if images else (None, None)
        bins.append(ReliabilityBin(float(low), float(high), images, *means))
    return bins


def expected_calibration_error(bins: list[ReliabilityBin]) -> float:
    """Return the mean gap between confidence and accuracy, each bin weighing as many images as it has.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    total = sum(bin_.images for bin_ in bins)
    gaps = [
        bin_.images * abs(bin_.confidence - bin_.accuracy)
        for bin_ in bins
        if bin_.confidence is not None and bin_.accuracy is not None
    ]
    return sum(gaps) / total


def answered_from(probabilities: NDArray[np.float64], y: NDArray[np.integer]) -> list[Threshold]:
    """Return share and accuracy of the answers of at least each confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    thresholds = []
    for least in THRESHOLDS:
        taken = confidence >= least
        accuracy = float(right[taken].mean()) if taken.any() else None
        thresholds.append(Threshold(least, int(taken.sum()), float(taken.mean()), accuracy))
    return thresholds


def precision_recall_curves(probabilities: NDArray[np.float64], y: NDArray[np.integer]) -> list[PrecisionRecall]:
    """Return the curve of each class that has images here; none at all past some twenty million probabilities."""
    if probabilities.size > _MOST_PROBABILITIES:
        return []
    curves = []
    for label in np.unique(y).tolist():
        recall, precision = _precision_recall(y == label, probabilities[:, label])
        kept = _thinned(len(recall))
        curves.append(
            PrecisionRecall(
                label=label,
                average_precision=float(np.sum(np.diff(recall) * precision[1:])),
                recall=recall[kept].tolist(),
                precision=precision[kept].tolist(),
            )
        )
    return curves


def _precision_recall(own: NDArray[np.bool_], column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall, ascending from 0, and precision of one class; as scikit-learn does, which checks its input for each."""
    order = np.argsort(-column, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(column[order])), len(column) - 1)  # the last of equal probabilities
    hits = np.cumsum(own[order])[ends]
    return np.append(0.0, hits / hits[-1]), np.append(1.0, hits / (ends + 1))


def _thinned(n_points: int) -> NDArray[np.int64]:
    """Choose points of a curve evenly, the first and the last among them."""
    return np.unique(np.linspace(0, n_points - 1, min(n_points, MOST_CURVE_POINTS)).round().astype(np.int64))
