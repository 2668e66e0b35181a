"""Measures of several labels an image, each there, not there or not known: as scikit-learn defines them, with intervals."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.verbs.evaluate.measures import PrecisionRecall, average_precisions, curve_of
from featx.verbs.evaluate.resamples import Interval, Units, share_interval

MOST_PAIRS = 20
"""Pairs of labels that are listed."""


@dataclasses.dataclass(frozen=True)
class LabelMeasures:
    """Measures of one label, over the images where it is known.

    Parameters
    ----------
    name : str
        Of the label.
    known, images : int
        Images where it is known, and those that have it.
    threshold : float
        From which probability on an image is said to have it.
    called : int
        Images that are.
    precision, recall, f1 : float
        At the threshold; 0 where they are of no image.
    average_precision : float or None
        None where every image with a known label has it, or none has.
    f1_interval, average_precision_interval : (low, high) or None
        95 % intervals; None without the value, and for a label that no image has.
    f1_at_half : float
        F1 with a threshold of 0.5.
    """

    name: str
    known: int
    images: int
    threshold: float
    called: int
    precision: float
    recall: float
    f1: float
    average_precision: float | None
    f1_interval: Interval | None = None
    average_precision_interval: Interval | None = None
    f1_at_half: float = 0.0


@dataclasses.dataclass(frozen=True)
class LabelPair:
    """Two labels that go together, or keep apart, more than chance would have it.

    Parameters
    ----------
    first, second : str
        Their names.
    images : int
        Images that have both, of those where both are known.
    expected : float
        As many would have both if one told nothing of the other.
    correlation : float
        Pearson's, of two labels that are 0 or 1 (phi): 1 for always together, below 0 for seldom.
    called : int
        Images, of the same, that are said to have both.
    """

    first: str
    second: str
    images: int
    expected: float
    correlation: float
    called: int


@dataclasses.dataclass(frozen=True)
class LabelFigures:
    """Measures of all labels of some images.

    Parameters
    ----------
    mean_average_precision : float or None
        Mean of the average precision over the labels that have one.
    macro_f1, micro_f1 : float
        Mean of F1 over the labels that some image has; F1 of all cells together.
    subset_accuracy : float or None
        Share of the images whose labels are all known that have every label right; None without such an image.
    log_loss : float
        Mean over all known cells, each label by itself.
    complete : int
        Images whose labels are all known.
    per_label : list of LabelMeasures
        Of each its name, images that have it and where it is known, threshold, precision, recall, F1 and average precision.
    curves : list of PrecisionRecall
        Of the labels that have an average precision.
    pairs : list of LabelPair
        Labels that go together or keep apart, the most correlated first: images of both, and how many by chance.
    intervals : dict of str to (low, high)
        95 % intervals of the four means.
    """

    mean_average_precision: float | None
    macro_f1: float
    micro_f1: float
    subset_accuracy: float | None
    log_loss: float
    complete: int
    per_label: list[LabelMeasures]
    curves: list[PrecisionRecall]
    pairs: list[LabelPair]
    intervals: dict[str, Interval]


def measure_labels(
    targets: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    names: tuple[str, ...],
    thresholds: NDArray[np.float64],
    units: Units,
) -> LabelFigures:
    """Measure the probabilities of labels.

    Parameters
    ----------
    targets : ndarray of shape (n_images, n_labels), float64
        1 for a label that an image has, 0 for one that it has not, NaN where it is not known.
    probabilities : ndarray of shape (n_images, n_labels), float64
        Of each label by itself.
    names : tuple of str
        Of the labels.
    thresholds : ndarray of shape (n_labels,), float64
        From which probability on an image is said to have each.
    units : Units
        What the intervals are drawn from, and how much each image counts.
    """
    known, true, called = ~np.isnan(targets), targets == 1, probabilities >= thresholds
    own = units.weights[:, None] * known
    tp, fp, fn = ((own * cells).sum(axis=0) for cells in (true & called, ~true & called, true & ~called))
    f1 = _ratio(2 * tp, 2 * tp + fp + fn)
    at_half = _f1(own, true, probabilities >= 0.5)
    present = (own * true > 0).any(axis=0)
    ap = np.array([_average_precision(true[own, k], probabilities[own, k], units.weights[own]) for k, own in _columns(known)])
    complete = known.all(axis=1) & (units.weights > 0)
    right = ((true == called) | ~known).all(axis=1)
    drawn = _drawn(units, known, true, called, probabilities, complete, right)
    n_units = [_units_with(units, known[:, k] & true[:, k]) for k in range(len(names))]
    figures = {
        "mean_average_precision": _mean(ap),
        "macro_f1": float(f1[present].mean()) if present.any() else 0.0,
        "micro_f1": float(_ratio(2 * tp.sum(), (2 * tp + fp + fn).sum())),
        "subset_accuracy": float(np.average(right[complete], weights=units.weights[complete])) if complete.any() else None,
    }
    counts = np.array(n_units, np.float64)[present]
    together = min(float(units.count), len(counts) ** 2 / (1 / counts).sum()) if present.any() else 1.0
    unseen = dict.fromkeys(figures, together) | {"subset_accuracy": float(_units_with(units, complete))}
    return LabelFigures(
        **figures,  # type: ignore[arg-type] # each of its own kind
        log_loss=_log_loss(true, probabilities, own),
        complete=int(complete.sum()),
        per_label=[
            LabelMeasures(
                name=name,
                known=int(known[:, k].sum()),
                images=int((known & true)[:, k].sum()),
                threshold=float(thresholds[k]),
                called=int((known & called)[:, k].sum()),
                precision=float(_ratio(tp, tp + fp)[k]),
                recall=float(_ratio(tp, tp + fn)[k]),
                f1=float(f1[k]),
                average_precision=None if np.isnan(ap[k]) else float(ap[k]),
                f1_at_half=float(at_half[k]),
                f1_interval=share_interval(float(f1[k]), drawn.f1[:, k], units.count, n_units[k]) if present[k] else None,
                average_precision_interval=None
                if np.isnan(ap[k])
                else share_interval(float(ap[k]), drawn.average_precision[:, k], units.count, n_units[k]),
            )
            for k, name in enumerate(names)
        ],
        curves=[curve_of(k, true[own, k], probabilities[own, k]) for k, own in _columns(known) if not np.isnan(ap[k])],
        pairs=_pairs(known, true, called, names),
        intervals={
            name: share_interval(value, drawn.means[name], units.count * len(names), unseen[name])
            for name, value in figures.items()
            if value is not None
        },
    )


def _columns(known: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.bool_]]]:
    return list(enumerate(known.T))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)


def _f1(weights: NDArray[np.float64], true: NDArray[np.bool_], called: NDArray[np.bool_]) -> NDArray[np.float64]:
    right, wrong = (weights * (true & called)).sum(axis=0), (weights * (true ^ called)).sum(axis=0)
    return _ratio(2 * right, 2 * right + wrong)


def _mean(values: NDArray[np.float64]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


def _units_with(units: Units, chosen: NDArray[np.bool_]) -> int:
    """Return how many units have an image that is chosen."""
    return len(np.unique(units.unit[chosen]))


def _log_loss(true: NDArray[np.bool_], probabilities: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    least = np.finfo(probabilities.dtype).eps
    p = np.clip(probabilities, least, 1 - least)
    total = weights.sum()
    return float((weights * -np.where(true, np.log(p), np.log1p(-p))).sum() / total) if total else 0.0


def _average_precision(true: NDArray[np.bool_], p: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return scikit-learn's average precision of one label; NaN where all images are alike."""
    order = np.argsort(-p, kind="stable")
    return float(average_precisions(true[order], p[order], weights[order][None])[0])


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """Measures of resamples: of each label (n_resamples, n_labels), and means (n_resamples,) by name."""

    f1: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    means: dict[str, NDArray[np.float64]]


def _drawn(
    units: Units,
    known: NDArray[np.bool_],
    true: NDArray[np.bool_],
    called: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    complete: NDArray[np.bool_],
    right: NDArray[np.bool_],
) -> _Drawn:
    """Return the measures of resamples; of every label from the same draws, as an image has its labels together."""
    n_labels = known.shape[1]
    orders = [np.flatnonzero(known[:, k])[np.argsort(-probabilities[known[:, k], k], kind="stable")] for k in range(n_labels)]
    cells = [(known & some).astype(np.float64) for some in (true & called, true ^ called)]

    def measure(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        tp, wrong = (drawn @ each for each in cells)
        has = drawn @ (known & true) > 0
        f1 = _ratio(2 * tp, 2 * tp + wrong)
        ap = np.stack([average_precisions(true[o, k], probabilities[o, k], drawn[:, o]) for k, o in enumerate(orders)], axis=1)
        there = ~np.isnan(ap)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [
                np.where(there, ap, 0).sum(axis=1) / there.sum(axis=1),
                np.where(has, f1, 0).sum(axis=1) / has.sum(axis=1),
                2 * tp.sum(axis=1) / (2 * tp + wrong).sum(axis=1),
                drawn @ (complete & right) / (drawn @ complete.astype(np.float64)),
            ]
        return np.hstack([f1, ap, np.stack(means, axis=1)])

    found = units.resampled(measure, n_labels)
    names = ("mean_average_precision", "macro_f1", "micro_f1", "subset_accuracy")
    means = dict(zip(names, found[:, 2 * n_labels :].T, strict=True))
    return _Drawn(found[:, :n_labels], found[:, n_labels : 2 * n_labels], means)


def _pairs(
    known: NDArray[np.bool_], true: NDArray[np.bool_], called: NDArray[np.bool_], names: tuple[str, ...]
) -> list[LabelPair]:
    """Return the pairs of labels that tell most of each other."""
    sure, has, said = known.astype(np.float64), (known & true).astype(np.float64), (known & called).astype(np.float64)
    n = sure.T @ sure  # images where both are known
    both, first, second = has.T @ has, has.T @ sure, sure.T @ has
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = first * second / n
        correlation = (n * both - first * second) / np.sqrt(first * (n - first) * second * (n - second))
    said_both = said.T @ said
    rows, columns = np.triu_indices(len(names), 1)
    phi = correlation[rows, columns]
    order = np.argsort(-np.abs(np.nan_to_num(phi)), kind="stable")[:MOST_PAIRS]
    return [
        LabelPair(names[i], names[j], int(both[i, j]), float(expected[i, j]), float(correlation[i, j]), int(said_both[i, j]))
        for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
        if np.isfinite(correlation[i, j])
    ]
