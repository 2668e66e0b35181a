"""What an operating point is worth on the images that are measured."""

import numpy as np
from numpy.typing import NDArray

from featx.heads import figures_at
from featx.models import Model
from featx.verbs.evaluate.evaluation import Operating


def measure_point(
    model: Model, probabilities: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> Operating | None:
    """Return the figures at 0.5 and at the model's threshold, of probabilities (n, 2) and labels (n,); None without a point."""
    point = model.point
    if point is None:
        return None
    costs = np.array(point.costs) if point.costs else None
    turned = None if costs is None else costs if point.positive == 1 else costs[::-1, ::-1]
    at_half, at_point = (
        figures_at(probabilities[:, point.positive], y == point.positive, threshold, turned, weights)
        for threshold in (0.5, point.threshold)
    )
    return Operating(model.class_names[point.positive], point.threshold, point.goal, at_half, at_point)
