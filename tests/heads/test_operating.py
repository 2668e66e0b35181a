"""Operating points against scikit-learn's measures at every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from featx.errors import HeadError
from featx.heads.operating import Goal, OperatingPoint, choose_point, cuts_of

CASES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.55, 0.8, 0.99, 1.0]), st.integers(1, 3)),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({label for label, _, _ in rows}) == 2)
"""(is positive, probability, weight): many equal probabilities."""

COSTS = np.array([[0.0, 1.0], [5.0, 0.5]])


def pairs(p: np.ndarray) -> np.ndarray:
    """Return the probabilities of both classes."""
    return np.stack([1 - p, p], axis=1)


def expected_cost(y: np.ndarray, called: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean cost of an image."""
    return float(np.average(COSTS[y.astype(int), called.astype(int)], weights=weights))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(CASES, st.sampled_from(["f1", "balanced", "precision=0.8", "recall=0.7", "cost=x"]))
def test_no_threshold_serves_the_goal_better(rows: list[tuple[bool, float, int]], text: str) -> None:
    """Tried: every threshold that can make a difference, by scikit-learn's measures with weights."""
    y, p, weights = (np.array(column) for column in zip(*rows, strict=True))
    goal = Goal.parse(text)
    values = np.unique(p)
    tries = [0.0, *((values[:-1] + values[1:]) / 2), *([(1 + values[-1]) / 2] if values[-1] < 1 else [])]

    def scores(threshold: float) -> dict[str, float]:
        called = p >= threshold
        options = {"sample_weight": weights, "zero_division": 0.0}
        return {
            "f1": f1_score(y, called, **options),
            "balanced": balanced_accuracy_score(y, called, sample_weight=weights),
            "precision": precision_score(y, called, **options),
            "recall": recall_score(y, called, **options),
            "cost": expected_cost(y, called, weights),
        }

    def rank(found: dict[str, float]) -> float:
        if goal.kind == "cost":
            return -found["cost"]
        if goal.kind in ("precision", "recall"):
            other = {"precision": "recall", "recall": "precision"}[goal.kind]
            return found[other] if found[goal.kind] >= goal.value else -1.0
        return found[goal.kind]

    best = max(rank(scores(threshold)) for threshold in tries)
    costs = COSTS if goal.kind == "cost" else None
    if best < 0 and goal.kind == "precision":
        with pytest.raises(HeadError, match="no threshold reaches it"):
            choose_point(goal, pairs(p), y.astype(int), 1, costs, weights.astype(float))
        return
    point = choose_point(goal, pairs(p), y.astype(int), 1, costs, weights.astype(float))
    assert rank(scores(point.threshold)) == pytest.approx(best)
    assert (point(pairs(p)) == (p >= point.threshold)).all()
    named = {"f1": "f1", "balanced_accuracy": "balanced", "precision": "precision", "recall": "recall"}
    for figures, threshold in ((point.at_point, point.threshold), (point.at_half, 0.5)):
        wanted = scores(threshold)
        assert {name: figures[name] for name in named} == pytest.approx({name: wanted[own] for name, own in named.items()})
        if costs is not None:
            assert figures["cost"] == pytest.approx(wanted["cost"])


def test_the_first_class_may_be_the_positive_one() -> None:
    """Its probability is compared, and costs turn with it."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    p = np.clip(0.3 + 0.3 * y + rng.normal(0, 0.2, 200), 0, 1)
    second = choose_point(Goal("cost"), pairs(p), y, 1, COSTS)
    first = choose_point(Goal("cost"), pairs(p), y, 0, COSTS)
    assert first.at_point["cost"] == pytest.approx(second.at_point["cost"])
    assert (first(pairs(p)) == second(pairs(p))).all()
    assert (OperatingPoint(0, 0.7, "0.7")(pairs(p)) == np.where(1 - p >= 0.7, 0, 1)).all()


def test_of_equal_thresholds_the_one_next_to_a_half_is_taken() -> None:
    """Two classes far apart: any threshold between them is as good."""
    y = np.repeat([0, 1], 5)
    p = np.repeat([0.1, 0.6], 5)
    assert choose_point(Goal.parse("f1"), pairs(p), y, 1).threshold == pytest.approx(0.35)
    assert choose_point(Goal.parse(0.2), pairs(p), y, 1).threshold == 0.2


def test_thresholds_lie_between_probabilities() -> None:
    """The last calls all positive; above a probability of 1 there is no room."""
    thresholds, counts = cuts_of(np.array([0.2, 1.0, 0.2, 0.6]), np.array([False, True, True, False]))
    assert thresholds.tolist() == [0.8, 0.4, 0.0]
    assert counts.tp.tolist() == [1, 1, 2]
    assert counts.fp.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "text", ["", "f2", "f1=0.5", "precision", "precision=2", "recall=0", "cost", "1", "0", "nan", None, True, [0.5]]
)
def test_what_is_no_goal_is_refused(text: object) -> None:
    """With all that there are."""
    with pytest.raises(HeadError, match=r"--threshold must be f1, balanced, precision=0\.9") as caught:
        Goal.parse(text)
    assert caught.value.wrong_value


def test_goals_are_written_as_they_are_read() -> None:
    """In a model and on a page."""
    for text in ("f1", "balanced", "precision=0.9", "recall=0.95", "0.3"):
        assert str(Goal.parse(text)) == text


def test_images_of_one_class_choose_nothing() -> None:
    """No recall, no precision."""
    with pytest.raises(HeadError, match="all of one class"):
        choose_point(Goal("f1"), pairs(np.array([0.2, 0.4])), np.array([1, 1]), 1)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("text", ["f1", "balanced", "precision=0.6", "recall=0.7", "cost=x"])
def test_a_point_is_chosen_anew_for_the_same_goal(text: str, positive: int) -> None:
    """By the costs that it was chosen with; what a model keeps of a point is enough."""
    rng, costs = np.random.default_rng(0), COSTS if text.startswith("cost") else None
    y = np.arange(60) % 2
    first, second = (pairs(np.clip(0.5 + 0.2 * (y - 0.5) + rng.normal(0, 0.15, 60), 0, 1)) for _ in range(2))
    kept = choose_point(Goal.parse(text), first, y, positive, costs)
    assert not kept.is_given
    assert kept.anew(second, y) == choose_point(Goal.parse(text), second, y, positive, costs)
    assert kept.anew(first, y) == kept
    assert OperatingPoint(1, 0.35, "0.35").is_given
