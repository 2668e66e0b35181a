"""Task: what is to be learned of each image, and the names that go with it."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

from featx.errors import TaskError

Kind = Literal["classes", "labels", "numbers", "grades"]

KINDS: tuple[Kind, ...] = get_args(Kind)

LARGEST_NUMBER, LEAST_SPREAD = 1e30, 1e-30
"""What a target may be, and by how much two must differ to differ at all: past these, squares and single precision have no
digits left."""

_MOST_NAMES, _LONGEST_NAME = 1_000_000, 1000

_MOST_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be learned of each image: one of several classes, any of several labels, numbers, or one of several grades.

    Index, catalog and model have one each, and everything that differs from one kind to another is asked of it. Features do
    not depend on it.

    Parameters
    ----------
    kind : str
        ``classes``: an image has one class. ``labels``: each label is there, absent or not known. ``numbers``: each target is
        a number, or not known. ``grades``: classes with an order.
    names : tuple of str
        Of ``labels`` the labels, of ``numbers`` the targets, of ``grades`` the grades in their order; of ``classes`` none: the
        catalog and the model name the classes.

    Raises
    ------
    TaskError
        If there is no such kind, or the names do not fit it.

    Examples
    --------
    >>> featx.open_cache("cache/photos").catalog.task.kind
    'classes'
    >>> grades = featx.Task("grades", ("0", "1", "2", "3"))
    >>> grades.has_classes, grades.is_ordered, grades.describe()
    (True, True, 'grades 0 < 1 < 2 < 3')
    """

    kind: Kind = "classes"
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise TaskError(f"task: kind must be one of {', '.join(KINDS)}. Received: {self.kind!r}.")
        names = self.names
        sound = (
            isinstance(names, tuple)
            and len(names) <= _MOST_NAMES
            and all(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME for name in names)
            and len(set(names)) == len(names)
        )
        least = {"classes": 0, "grades": 2}.get(self.kind, 1)
        if not sound or len(names) < least or (self.kind == "classes" and names):
            wanted = "no names" if self.kind == "classes" else f"at least {least} different names, each a text"
            raise TaskError(f"task: {self.kind} must have {wanted}. Received: {_listed(names)}.")

    @property
    def has_classes(self) -> bool:
        """Whether an image is of one of the catalog's ``class_names``: classes and grades."""
        return self.kind in ("classes", "grades")

    @property
    def has_targets(self) -> bool:
        """Whether the catalog has ``targets``, a column for each name: labels and numbers."""
        return not self.has_classes

    @property
    def is_ordered(self) -> bool:
        """Whether the classes have an order: grades."""
        return self.kind == "grades"

    @property
    def has_probabilities(self) -> bool:
        """Whether a model gives probabilities: all but numbers."""
        return self.kind != "numbers"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns of ``targets``; none of classes and grades."""
        return self.names if self.has_targets else ()

    @property
    def noun(self) -> str:
        """What one of the names is called: ``class``, ``label``, ``target`` or ``grade``."""
        return {"classes": "class", "labels": "label", "numbers": "target", "grades": "grade"}[self.kind]

    def describe(self) -> str:
        """Return the task in words, for messages and texts."""
        if self.kind == "classes":
            return "classes"
        if self.kind == "grades":
            return f"grades {' < '.join(self.names[:_MOST_SHOWN])}{' < …' if len(self.names) > _MOST_SHOWN else ''}"
        if self.kind == "numbers":
            return f"{'numbers' if len(self.names) > 1 else 'a number'}: {_listed(self.names)}"
        return f"{len(self.names)} {'labels' if len(self.names) > 1 else 'label'}: {_listed(self.names)}"

    def refuse(self, verb: str, wanted: Sequence[Kind], where: object = "", advice: str = "") -> TaskError | None:
        """Return the error of a verb or head that does only some kinds of task, or None where it does this one.

        Parameters
        ----------
        verb : str
            What cannot be done, as a user types it, such as ``finetune`` or ``--head conv``.
        wanted : sequence of str
            The kinds that it does.
        where : object
            The cache, model or table that has the task.
        advice : str
            What to do, a sentence; by default to give images of the kinds wanted.
        """
        if self.kind in wanted:
            return None
        place = f"{where}: " if str(where) else ""
        advice = advice or f"Give one of {' or '.join(wanted)}, or use a command that does {self.kind}."
        return TaskError(f"{place}{verb} works with {' and '.join(wanted)}, and this is of {self.describe()}. {advice}")

    def refuse_option(self, option: str, wanted: Sequence[Kind], where: object = "") -> TaskError | None:
        """Return the error of an option that goes with some kinds of task, as wrong usage, or None where it goes with this one.

        Parameters are those of ``refuse``.
        """
        error = self.refuse(option, wanted, where, "Leave it out.")
        return None if error is None else TaskError(str(error), wrong_value=True)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"kind": self.kind, "names": list(self.names)}

    @classmethod
    def from_dict(cls, document: object) -> "Task":
        """Rebuild a task from ``to_dict``'s result.

        Raises
        ------
        TaskError
            If it is not one.
        """
        if not isinstance(document, dict) or set(document) != {"kind", "names"} or not isinstance(document["names"], list):
            raise TaskError("task: must have exactly a kind and a list of names.")
        return cls(document["kind"], tuple(document["names"]))


def _listed(names: object) -> str:
    if not isinstance(names, tuple | list):
        return repr(names)[:100]
    shown = ", ".join(str(name)[:100] for name in names[:_MOST_SHOWN])
    return (shown + (f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else "")) or "none"
