"""What an operating curve is: precision, recall and cost of one of two classes at each threshold."""

import dataclasses

MOST_CUTS = 200
"""Thresholds of a curve: more cannot be distinguished on a page."""


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """A threshold, and what it is worth: recall and precision of the positive class, and the mean cost of an image."""

    threshold: float
    recall: float
    precision: float
    cost: float


@dataclasses.dataclass(frozen=True)
class OperatingCurve:
    """What each threshold would be worth on the images measured.

    Parameters
    ----------
    label : int
        Index of the positive class.
    thresholds, recall, precision, cost : list of float
        From the threshold that calls fewest images positive to the one that calls all so; at most ``MOST_CUTS``.
    has_costs : bool
        Whether the cost is that of the model's costs; else every mistake costs 1, and the mean cost is the share wrong.
    points : list of CurvePoint
        A threshold of 0.5, then the model's own where it has one.
    cheapest : CurvePoint
        The least cost on these images, which no threshold that was chosen elsewhere can promise.
    """

    label: int
    thresholds: list[float]
    recall: list[float]
    precision: list[float]
    cost: list[float]
    has_costs: bool
    points: list[CurvePoint]
    cheapest: CurvePoint
