"""Operating points: from which probability on an image is called one of two classes, and what that costs."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.system.kinds import plain, shown

GOALS = ("f1", "balanced", "precision", "recall", "cost", "given")
"""What a point is chosen for; ``given``: it was not chosen."""

FORMS = "f1, balanced, precision=0.9, recall=0.9, cost=FILE, or a number between 0 and 1"
"""How a user asks for one."""


class Goal(NamedTuple):
    """What an operating point is chosen for.

    Parameters
    ----------
    kind : str
        One of ``GOALS``.
    value : float
        The precision or recall that is wanted, or the threshold that is given; 0 for the others.
    file : str
        Of the costs; empty for the others.
    """

    kind: str
    value: float = 0.0
    file: str = ""

    @classmethod
    def parse(cls, text: object) -> "Goal":
        """Read what a user asks for.

        Raises
        ------
        HeadError
            If it is none of ``FORMS``.
        """
        text = plain(text)
        name, _, value = text.strip().partition("=") if isinstance(text, str) else ("", "", "")
        if name in ("f1", "balanced") and not value:
            return cls(name)
        if name == "cost" and value:
            return cls("cost", file=value)
        number = _share(value or text)
        if name in ("precision", "recall") and value and number is not None:
            return cls(name, number)
        if not value and number is not None:
            return cls("given", number)
        raise HeadError(f"--threshold must be {FORMS}. Received: {shown(text)}.", wrong_value=True)

    def __str__(self) -> str:
        if self.kind in ("precision", "recall"):
            return f"{self.kind}={self.value:g}"
        return f"{self.value:g}" if self.kind == "given" else self.kind


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 < number < 1 else None


class Counts(NamedTuple):
    """Images, or their weight, at each cut of a ranking: called positive rightly, wrongly, and negative wrongly, rightly."""

    tp: NDArray[np.float64]
    fp: NDArray[np.float64]
    fn: NDArray[np.float64]
    tn: NDArray[np.float64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of those called positive that are; 0 where none is called so."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the positive that are called so."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of the two."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def balanced(self) -> NDArray[np.float64]:
        """Balanced accuracy: mean of the recalls of both classes."""
        return (self.recall + _ratio(self.tn, self.tn + self.fp)) / 2

    def cost(self, costs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean cost of an image, of costs (2, 2): rows true, columns called, negative first."""
        total = self.tn * costs[0, 0] + self.fp * costs[0, 1] + self.fn * costs[1, 0] + self.tp * costs[1, 1]
        return _ratio(total, self.tp + self.fp + self.fn + self.tn)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)


def cuts_of(
    p: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], Counts]:
    """Return every threshold that calls images otherwise than the one before, falling, and what it counts.

    Parameters
    ----------
    p : ndarray of shape (n,), float64
        Probability of the positive class.
    positive : ndarray of shape (n,), bool
        Whether each is of it.
    weights : ndarray of shape (n,), float64, or None
        How much each counts.

    Returns
    -------
    thresholds : ndarray of shape (n_cuts,), float64
        Half-way between two different probabilities; first one above all where there is room, last 0, which calls all positive.
    counts : Counts
        Of shape (n_cuts,) each.
    """
    own = np.ones(len(p)) if weights is None else weights
    order = np.argsort(-p, kind="stable")
    falling = p[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(p) - 1)  # the last of equal probabilities
    tp = np.concatenate([[0.0], np.cumsum(own[order] * positive[order])[ends]])
    fp = np.concatenate([[0.0], np.cumsum(own[order] * ~positive[order])[ends]])
    values = falling[ends]
    thresholds = np.concatenate([[(1 + values[0]) / 2], (values[:-1] + values[1:]) / 2, [0.0]])
    kept = slice(None) if values[0] < 1 else slice(1, None)
    return thresholds[kept], Counts(tp[kept], fp[kept], (tp[-1] - tp)[kept], (fp[-1] - fp)[kept])


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """From which probability on an image is called positive.

    Parameters
    ----------
    positive : int
        Index of the positive class among the two.
    threshold : float
        Least probability of it, as the model gives it.
    goal : str
        What it was chosen for, as a user asks for it.
    at_half, at_point : dict of str to float
        ``f1``, ``balanced_accuracy``, ``precision``, ``recall`` of the positive class at 0.5 and at the threshold, by
        cross-validation inside the training images, or on the validation images of a fine-tuned model, and ``cost`` where costs
        are given; empty where they were not measured.
    costs : tuple of tuple of float
        Rows true, columns called, in the order of the classes; empty without.
    """

    positive: int
    threshold: float
    goal: str
    at_half: dict[str, float] = dataclasses.field(default_factory=dict)
    at_point: dict[str, float] = dataclasses.field(default_factory=dict)
    costs: tuple[tuple[float, ...], ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether the threshold was given, and not chosen."""
        return _share(self.goal) is not None

    def anew(self, probabilities: NDArray[np.float64], y: NDArray[np.integer]) -> "OperatingPoint":
        """Return the point chosen for the same goal, and by the same costs, by other probabilities (n, 2) of images.

        Raises
        ------
        HeadError
            As ``choose_point`` does.
        """
        costs = np.array(self.costs) if self.costs else None
        goal = Goal("cost") if costs is not None else Goal.parse(self.goal)
        return choose_point(goal, probabilities, y, self.positive, costs)

    def __call__(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the class (n,) that images with these probabilities (n, 2) are called; NaN counts as the negative one."""
        called = probabilities[:, self.positive] >= self.threshold
        return np.where(called, self.positive, 1 - self.positive).astype(np.int64)


def choose_point(
    goal: Goal,
    probabilities: NDArray[np.float64],
    y: NDArray[np.integer],
    positive: int,
    costs: NDArray[np.float64] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> OperatingPoint:
    """Choose the threshold that serves a goal best on images that the probabilities were not learned from.

    Of equally good thresholds the one next to 0.5 is taken. For a precision it is the one of largest recall that reaches it,
    for a recall the one of largest precision.

    Parameters
    ----------
    goal : Goal
        What for.
    probabilities : ndarray of shape (n, 2)
        Of both classes.
    y : ndarray of shape (n,), int
        Labels.
    positive : int
        Which class F1, precision and recall are of.
    costs : ndarray of shape (2, 2) or None
        For ``cost``: rows true, columns called.
    weights : ndarray of shape (n,) or None
        How much each image counts.

    Raises
    ------
    HeadError
        If a precision is reached nowhere, or the images are all of one class.
    """
    p, is_positive = probabilities[:, positive], y == positive
    if is_positive.all() or not is_positive.any():
        raise HeadError("--threshold: the images that it is chosen on are all of one class. Add images of the other.")
    thresholds, counts = cuts_of(p, is_positive, weights)
    turned = None if costs is None else costs if positive == 1 else costs[::-1, ::-1]
    chosen = goal.value if goal.kind == "given" else float(thresholds[_best(goal, thresholds, counts, turned)])
    at = [figures_at(p, is_positive, threshold, turned, weights) for threshold in (0.5, chosen)]
    kept = () if costs is None else tuple(map(tuple, costs.tolist()))
    return OperatingPoint(positive, chosen, str(goal), at[0], at[1], kept)


def _best(goal: Goal, thresholds: NDArray[np.float64], counts: Counts, costs: NDArray[np.float64] | None) -> int:
    if goal.kind == "cost":
        assert costs is not None
        score = -counts.cost(costs)
    elif goal.kind in ("precision", "recall"):
        reached = (counts.precision if goal.kind == "precision" else counts.recall) >= goal.value
        if not reached.any():
            best = int(counts.precision.argmax())
            raise HeadError(
                f"--threshold {goal}: no threshold reaches it on the training images, by cross-validation. The best precision "
                f"is {counts.precision[best]:.3f}, at a recall of {counts.recall[best]:.3f}. Ask for less, or for f1.",
                wrong_value=True,
            )
        score = np.where(reached, counts.recall if goal.kind == "precision" else counts.precision, -1.0)
    else:
        score = counts.f1 if goal.kind == "f1" else counts.balanced
    best_ones = np.flatnonzero(score >= score.max() - 1e-12)
    return int(best_ones[np.abs(thresholds[best_ones] - 0.5).argmin()])


def figures_at(
    p: NDArray[np.float64],
    positive: NDArray[np.bool_],
    threshold: float,
    costs: NDArray[np.float64] | None,
    weights: NDArray[np.float64] | None,
) -> dict[str, float]:
    """Return F1, balanced accuracy, precision, recall and, with costs (2, 2) of negative and positive, the mean cost."""
    own, called = np.ones(len(p)) if weights is None else weights, p >= threshold
    counts = Counts(
        *(
            np.array([own[some].sum()])
            for some in (called & positive, called & ~positive, ~called & positive, ~called & ~positive)
        )
    )
    found = {"f1": counts.f1, "balanced_accuracy": counts.balanced, "precision": counts.precision, "recall": counts.recall}
    if costs is not None:
        found["cost"] = counts.cost(costs)
    return {name: float(value[0]) for name, value in found.items()}
