"""What an operating point is worth on the images that are measured, and what the other thresholds would be."""

import numpy as np
from numpy.typing import NDArray

from featx.heads import cuts_of, figures_at
from featx.models import Model
from featx.verbs.evaluate.operating_curve import MOST_CUTS, CurvePoint, OperatingCurve
from featx.verbs.evaluate.parts import Operating


def measure_point(
    model: Model, probabilities: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> Operating | None:
    """Return the figures at 0.5 and at the model's threshold, of probabilities (n, 2) and labels (n,); None without a point."""
    point = model.point
    if point is None:
        return None
    at_half, at_point = (
        figures_at(probabilities[:, point.positive], y == point.positive, threshold, _costs(model), weights)
        for threshold in (0.5, point.threshold)
    )
    return Operating(model.class_names[point.positive], point.threshold, point.goal, at_half, at_point)


def measure_curve(
    model: Model, probabilities: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> OperatingCurve | None:
    """Return what each threshold would be worth; None where there are not two classes, or the images are all of one.

    Without an operating point it is of the rarer class here, and of the second of two that are as frequent: as ``fit`` takes
    it.
    """
    counts = np.bincount(y, minlength=2)
    if len(model.class_names) != 2 or not counts.all():
        return None
    positive = model.point.positive if model.point else int(counts[1] <= counts[0])
    p, is_positive, costs = probabilities[:, positive], y == positive, _costs(model)
    thresholds, found = cuts_of(p, is_positive, weights)
    each = 1.0 - np.eye(2) if costs is None else costs
    marks = [0.5, *([model.point.threshold] if model.point else [])]
    kept = np.unique(np.linspace(0, len(thresholds) - 1, min(len(thresholds), MOST_CUTS)).round().astype(np.int64))
    points = [
        CurvePoint(threshold, at["recall"], at["precision"] if (p >= threshold).any() else 1.0, at["cost"])
        for threshold in marks
        for at in [figures_at(p, is_positive, threshold, each, weights)]
    ]
    cost = found.cost(each)
    # A threshold that calls no image positive has no precision: the curve starts at 1, as scikit-learn's does.
    precision = np.where(found.tp + found.fp > 0, found.precision, 1.0)
    return OperatingCurve(
        label=positive,
        thresholds=thresholds[kept].tolist(),
        recall=found.recall[kept].tolist(),
        precision=precision[kept].tolist(),
        cost=cost[kept].tolist(),
        has_costs=costs is not None,
        points=points,
        cheapest=CurvePoint(*(float(values[cost.argmin()]) for values in (thresholds, found.recall, precision, cost))),
    )


def _costs(model: Model) -> NDArray[np.float64] | None:
    """Return the model's costs (2, 2) of negative and positive; None without."""
    point = model.point
    costs = np.array(point.costs) if point and point.costs else None
    return None if costs is None or point is None else costs if point.positive == 1 else costs[::-1, ::-1]
