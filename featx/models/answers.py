"""From what a model gives to what it answers: one class, a grade, several labels, numbers."""

import numpy as np
from numpy.typing import NDArray

from featx.heads import GradeAnswer, OperatingPoint, answer_grades
from featx.system.results import Result
from featx.task import Task


class Answers(Result):
    """How a model answers, by its task; see ``Model`` for what it has."""

    class_names: tuple[str, ...]
    point: OperatingPoint | None
    task: Task
    points: tuple[OperatingPoint, ...]
    grade_answer: GradeAnswer

    @property
    def column_names(self) -> tuple[str, ...]:
        """What the columns of ``outputs`` are of: classes, grades, labels or targets."""
        return self.task.column_names or self.class_names

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the class or grade (n,) that images with these probabilities (n, n_classes) are called by."""
        if self.point:
            return self.point(probabilities)
        return answer_grades(probabilities, self.grade_answer if self.task.is_ordered else "most_probable")

    def shares_of(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what tells how strange images are, beside their features: class probabilities (n, n_classes).

        Of labels and numbers a single share of 1: none of them stands against the others, so that there is no doubt to see.
        """
        return outputs if self.task.has_classes else np.ones((len(outputs), 1))

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """From which probability on an image is said to have each label (n_labels,)."""
        return np.array([point.threshold for point in self.points] or [0.5] * len(self.class_names))

    def called(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which labels images with these probabilities (n, n_labels) are said to have (n, n_labels)."""
        return probabilities >= self.thresholds

    @property
    def point_notes(self) -> tuple[str, ...]:
        """What a reader of its answers should know of its operating point."""
        if self.point is None:
            return ()
        name, other = self.class_names[self.point.positive], self.class_names[1 - self.point.positive]
        return (f"an image is called {name!r} from a probability of {self.point.threshold:.3f} on, else {other!r}",)
