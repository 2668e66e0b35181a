"""Measures beyond the count of hits: the best three answers, how well confidence matches accuracy, precision and recall."""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson

Interval = tuple[float, float]

BINS = 10
"""Of the reliability diagram, equally wide."""

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Least confidences of the table of thresholds."""

MOST_CURVE_POINTS = 100
"""Of a precision-recall curve: more cannot be distinguished on a page."""

# Sorting the probabilities of one class takes a second for some ten million of them; beyond this, no curves are made.
_MOST_PROBABILITIES = 20_000_000


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
    interval : (low, high) or None
        95 % interval of ``accuracy`` (Wilson's).
    """

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None
    interval: Interval | None = None


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
    """Answers of at least some confidence: how many, what share of all, and what share of them is right (None: none).

    ``interval`` is the 95 % interval of ``accuracy`` (Wilson's).
    """

    confidence: float
    images: int
    share: float
    accuracy: float | None
    interval: Interval | None = None


def top_k_accuracy(
    probabilities: NDArray[np.float64], y: NDArray[np.integer], k: int, weights: NDArray[np.float64] | None = None
) -> float | None:
    """Return the share of images whose class is among the k most probable; None where k is all of the classes.

    Of equally probable classes the first counts as more probable, as it does for top-1.
    """
    if k >= probabilities.shape[1]:
        return None
    places = np.arange(probabilities.shape[1])
    own = np.take_along_axis(probabilities, y[:, None], axis=1)
    before = (probabilities > own).sum(axis=1) + ((probabilities == own) & (places < y[:, None])).sum(axis=1)
    return float(np.average(before < k, weights=weights))


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
        if not images:
            bins.append(ReliabilityBin(float(low), float(high), 0, None, None))
            continue
        interval = wilson(int(right[inside].sum()), images)
        means = float(confidence[inside].mean()), float(right[inside].mean())
        bins.append(ReliabilityBin(float(low), float(high), images, *means, interval))
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
        count = int(taken.sum())
        accuracy = float(right[taken].mean()) if count else None
        interval = wilson(int(right[taken].sum()), count) if count else None
        thresholds.append(Threshold(least, count, float(taken.mean()), accuracy, interval))
    return thresholds


def precision_recall_curves(probabilities: NDArray[np.float64], y: NDArray[np.integer]) -> list[PrecisionRecall]:
    """Return the curve of each class that has images here; none at all past some twenty million probabilities.

    Images of one class alone have none: no answer can be wrongly of that class, so precision is 1 whatever the model does.
    """
    present = np.unique(y).tolist()
    if probabilities.size > _MOST_PROBABILITIES or len(present) < 2:
        return []
    return [curve_of(label, y == label, probabilities[:, label]) for label in present]


def curve_of(label: int, own: NDArray[np.bool_], column: NDArray[np.float64]) -> PrecisionRecall:
    """Return the curve of one class, of whether images are of it (n_images,) and of its probabilities (n_images,)."""
    recall, precision = _precision_recall(own, column)
    kept = _thinned(len(recall))
    average = float(np.sum(np.diff(recall) * precision[1:]))
    return PrecisionRecall(label, average, recall[kept].tolist(), precision[kept].tolist())


def _precision_recall(own: NDArray[np.bool_], column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall, ascending from 0, and precision of one class; as scikit-learn does, which checks its input for each."""
    order = np.argsort(-column, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(column[order])), len(column) - 1)  # the last of equal probabilities
    hits = np.cumsum(own[order])[ends]
    return np.append(0.0, hits / hits[-1]), np.append(1.0, hits / (ends + 1))


def _thinned(n_points: int) -> NDArray[np.int64]:
    """Choose points of a curve evenly, the first and the last among them."""
    return np.unique(np.linspace(0, n_points - 1, min(n_points, MOST_CURVE_POINTS)).round().astype(np.int64))


def average_precisions(true: NDArray[np.bool_], p: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scikit-learn's average precision under each of some weights (size, n), of images (n,) from the most probable on.

    NaN where every image that weighs anything is of the class, or none is.
    """
    if not len(p):
        return np.full(len(weights), np.nan)
    ends = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)  # the last of equal probabilities
    hits, called = (weights * true).cumsum(axis=1)[:, ends], weights.cumsum(axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0.0)
    precision = np.divide(hits, called, out=np.zeros(hits.shape), where=called > 0)
    positive, total = hits[:, -1], called[:, -1]
    found = (gained * precision).sum(axis=1)
    out = np.full(len(found), np.nan)
    np.divide(found, positive, out=out, where=(positive > 0) & (positive < total))
    return out
