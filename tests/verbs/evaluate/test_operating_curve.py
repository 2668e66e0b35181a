"""What each threshold is worth for two classes, against scikit-learn at that threshold."""

import numpy as np
import pytest
import sklearn.metrics
from numpy.typing import NDArray

from featx.heads import Goal, OperatingPoint, choose_point
from featx.models import Model
from featx.report.page.operating import operating_section
from tests.report.page.made import measured_of, model_of

NAMES = ("bad", "good")
COSTS = np.array([[0.0, 5.0], [1.0, 0.5]])


@pytest.fixture
def measured() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (300, 2), many of them equal, and labels; a quarter of the images is bad."""
    rng = np.random.default_rng(0)
    y = (rng.random(300) > 0.25).astype(np.int64)
    bad = np.round(1 / (1 + np.exp(2 + rng.normal(size=300) - 2 * (1 - y))), 2)
    return np.stack([bad, 1 - bad], axis=1), y


def model_at(point: OperatingPoint | None) -> Model:
    """Return a model of two classes with an operating point."""
    return model_of(NAMES, point=point)


@pytest.mark.parametrize("goal", [None, "f1", "cost=costs.csv"])
def test_each_threshold_is_worth_what_scikit_learn_says(
    measured: tuple[NDArray[np.float64], NDArray[np.int64]], goal: str | None
) -> None:
    """Recall, precision and cost of the positive class; without a point that of the rarer one, and each mistake costs 1."""
    p, y = measured
    costs = COSTS if goal and goal.startswith("cost") else None
    point = choose_point(Goal.parse(goal), p, y, 0, costs) if goal else None
    found = measured_of(p, y, model_at(point)).operating_curve
    assert found is not None
    assert (found.label, found.has_costs) == (0, costs is not None)
    own = 1 - np.eye(2) if costs is None else costs

    def worth(threshold: float) -> tuple[float, float, float]:
        called = np.where(p[:, 0] >= threshold, 0, 1)
        recall = sklearn.metrics.recall_score(y, called, pos_label=0)
        precision = sklearn.metrics.precision_score(y, called, pos_label=0, zero_division=1)
        return recall, precision, float(own[y, called].mean())

    every = zip(found.thresholds, found.recall, found.precision, found.cost, strict=True)
    for threshold, *values in every:
        assert values == pytest.approx(worth(threshold))
    assert [one.threshold for one in found.points] == [0.5, *([point.threshold] if point else [])]
    for one in found.points:
        assert (one.recall, one.precision, one.cost) == pytest.approx(worth(one.threshold))
    least = min(worth(threshold)[2] for threshold in (*np.unique(p[:, 0]), 1.1))
    assert found.cheapest.cost == pytest.approx(least) == pytest.approx(worth(found.cheapest.threshold)[2])


def test_the_points_lie_on_the_page_where_their_figures_are(measured: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    """Both marks of both plots; the table has the figures of both thresholds."""
    p, y = measured
    evaluation = measured_of(p, y, model_at(choose_point(Goal("f1"), p, y, 0)))
    shown = operating_section(evaluation)
    assert shown is not None
    assert evaluation.operating is not None
    half, own = shown["marks"]
    assert (half["own"], own["own"]) == (False, True)
    for mark, figures in ((half, evaluation.operating.at_half), (own, evaluation.operating.at_point)):
        assert (mark["recall"], mark["precision"]) == (figures["recall"], figures["precision"])
        assert shown["cost_frame"].y(mark["cost"]) > shown["cost_frame"].top
    assert dict(shown["table"])["F1"] == [evaluation.operating.at_half["f1"], evaluation.operating.at_point["f1"]]
    assert "chosen for f1 inside the training images" in shown["text"]
    given = operating_section(measured_of(p, y, model_at(OperatingPoint(0, 0.2, "0.2"))))
    assert given is not None
    assert "0.200 on, as it was asked for" in given["text"]


def test_other_than_two_classes_with_images_have_no_curve() -> None:
    """Three classes, and two of which only one has images."""
    p = np.full((6, 3), 1 / 3)
    assert measured_of(p, np.arange(6) % 3, model_of(("a", "b", "c"))).operating_curve is None
    one = measured_of(p[:, :2], np.zeros(6, np.int64), model_of(NAMES))
    assert one.operating_curve is None
    assert operating_section(one) is None
