"""What is known of the images to be measured, in the order of what the model answers: classes and labels go by their names."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from featx.errors import ClassMismatch
from featx.images import aligned
from featx.models import Model
from featx.task import Task


class Listed(Protocol):
    """A catalog or an index: images, and what is known of each."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the classes."""

    @property
    def labels(self) -> NDArray[np.int32]:
        """Index of each image's class."""

    @property
    def task(self) -> Task:
        """What is to be learned of them."""

    @property
    def targets(self) -> NDArray[np.float64] | None:
        """Labels or numbers of each."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """What is known of some images.

    Parameters
    ----------
    class_of : list of str
        The class of each; empty for labels and numbers.
    targets : ndarray of shape (n_images, n_columns), float64, or None
        A column for each of the model's labels or targets, NaN for what is not known; None for classes and grades.
    measurable : ndarray of shape (n_images,), bool
        Whether the model knows the class, or one of the columns is known.
    notes : list of str
        What a reader should know.
    """

    class_of: list[str]
    targets: NDArray[np.float64] | None
    measurable: NDArray[np.bool_]
    notes: list[str]

    @classmethod
    def of(cls, model: Model, listed: Listed, rows: NDArray[np.int64], where: str, *, by_separator: bool = False) -> "Truth":
        """Take what is known of some rows.

        Parameters
        ----------
        model : Model
            What is to be measured.
        listed : Catalog or ImageIndex
            Has the images.
        rows : ndarray of int
            Which of them.
        where : str
            For messages.
        by_separator : bool
            Whether a label that is in no cell is one that no image has, and not one that nobody looked for.

        Raises
        ------
        ClassMismatch
            If the images are of another task than the model, or no label or target is of both.
        """
        wanted, task = model.task, listed.task
        if wanted.has_classes != task.has_classes or (task.has_targets and task.kind != wanted.kind):
            raise ClassMismatch(
                f"{where}: the model answers {_answers(model)}, and the images are of {task.describe()}. Give images of the "
                f"model's task{_how(wanted)}, or fit a head on these."
            )
        if task.has_classes or listed.targets is None:
            names = [listed.class_names[label] for label in listed.labels[rows].tolist()]
            return cls(names, None, np.isin(names, model.class_names), [])
        shared = [name for name in wanted.names if name in task.names]
        if not shared:
            raise ClassMismatch(f"{where}: has the {task.describe()}, the model answers {_answers(model)}. Give one of these.")
        absent, new = _only(wanted.names, task.names), _only(task.names, wanted.names)
        targets = aligned(listed.targets[rows], task.names, wanted.names, 0.0 if by_separator else np.nan)
        what = "no image has" if by_separator else "the images have no column of"
        notes = [f"{what} {absent}"] if absent else []
        notes += [f"the model does not know {new}, which is in no figure"] if new else []
        return cls([], targets, np.asarray(~np.isnan(targets).all(axis=1), np.bool_), notes)

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> "Truth":
        """Return the same of some of the images."""
        some = np.asarray(places, np.int64)
        targets = None if self.targets is None else self.targets[some]
        names = [self.class_of[place] for place in some.tolist()] if self.class_of else []
        return Truth(names, targets, self.measurable[some], self.notes)


def _answers(model: Model) -> str:
    return model.task.describe() if model.task.kind != "classes" else f"classes ({_named(model.class_names)})"


def _how(task: Task) -> str:
    """Say with which option a list is read for a task."""
    options = {"labels": " with --label-columns or --label-separator", "numbers": f" with --target {','.join(task.names)}"}
    return options.get(task.kind, "")


def _only(names: Sequence[str], others: Sequence[str]) -> str:
    """Name what is in one list and not in the other."""
    return _named([name for name in names if name not in set(others)])


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
