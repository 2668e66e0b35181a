"""What a model is worth if it answers only what it is surest of."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson
from featx.verbs.evaluate.measures import MOST_CURVE_POINTS

SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Of the images, that the table has."""


@dataclasses.dataclass(frozen=True)
class Surest:
    """The surest images: their share of all, how many, how many of them are right (share), and the confidence of the last.

    ``interval`` is the 95 % interval of ``accuracy`` (Wilson's).
    """

    share: float
    images: int
    accuracy: float
    confidence: float
    interval: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class RiskCoverage:
    """Accuracy of the surest images, as ever more are answered.

    Parameters
    ----------
    aurc : float
        Area under the risk-coverage curve: the mean, over all numbers of answers, of the share of wrong ones.
    table : list of Surest
        At some round shares.
    share, accuracy : list of float
        The curve, ascending in share, at most a hundred points.

    References
    ----------
    Geifman & El-Yaniv (2017), Selective classification for deep neural networks, arXiv:1705.08500.
    """

    aurc: float
    table: list[Surest]
    share: list[float]
    accuracy: list[float]


def risk_coverage(probabilities: NDArray[np.float64], y: NDArray[np.integer]) -> RiskCoverage:
    """Measure the surest images (n_images, n_classes) with their labels (n_images,).

    Equally sure images count as if each of their orders were as likely: their hits are spread evenly over them.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(y) - 1) + 1
    answered = np.arange(1, len(y) + 1)
    hits = np.interp(answered, np.append(0, ends), np.append(0, np.cumsum(right[order])[ends - 1]))
    accuracy = hits / answered
    table = []
    for share in SHARES:
        count = round(share * len(y))
        if count:
            interval = wilson(float(hits[count - 1]), count)
            table.append(Surest(share, count, float(accuracy[count - 1]), float(falling[count - 1]), interval))
    kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_CURVE_POINTS)).round().astype(np.int64))
    return RiskCoverage(
        aurc=float(1 - accuracy.mean()),
        table=table,
        share=(answered[kept] / len(y)).tolist(),
        accuracy=accuracy[kept].tolist(),
    )
