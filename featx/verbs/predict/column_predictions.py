"""What is predicted of an image that may have several labels, or of which numbers are wanted; and of many."""

import dataclasses
from typing import TYPE_CHECKING, Any

from featx.images import PassedOver
from featx.system.frames import data_frame
from featx.system.results import Result
from featx.task import Task

if TYPE_CHECKING:
    from featx.system.frames import DataFrame


@dataclasses.dataclass(frozen=True, repr=False)
class LabelsPrediction(Result):
    """The labels that an image is said to have, or the reason why it has no answer.

    Parameters
    ----------
    path : str
        The file, as it was given, or as it was found in a folder.
    labels : tuple of str
        Those whose probability reaches their threshold, in the model's order; none for many an image, and for one rejected.
    probabilities : dict of str to float
        Of each label by itself; empty if rejected.
    error : str
        Reason of the rejection; empty otherwise.
    unfamiliar : float or None
        As in ``Prediction``.

    Examples
    --------
    >>> (prediction,) = featx.predict_images("models/labels.featx", ["photos/red/0.png"])
    >>> prediction.path, prediction.labels, prediction.error
    ('photos/red/0.png', ('red',), '')
    """

    path: str
    labels: tuple[str, ...]
    probabilities: dict[str, float] = dataclasses.field(hash=False)
    error: str = ""
    unfamiliar: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what JSON has of it."""
        return {
            "path": self.path,
            "labels": list(self.labels),
            "error": self.error,
            "unfamiliar": self.unfamiliar,
            "probabilities": dict(self.probabilities),
        }


@dataclasses.dataclass(frozen=True, repr=False)
class NumbersPrediction(Result):
    """The numbers that are predicted of an image, or the reason why there are none.

    Parameters
    ----------
    path : str
        The file, as it was given, or as it was found in a folder.
    values : dict of str to float
        Of each target, in its units; empty if rejected.
    low, high : dict of str to float
        Bounds that hold the true number in the share of cases that was asked for, by default 0.9; empty if rejected, and from a
        model without errors of enough validation images.
    error : str
        Reason of the rejection; empty otherwise.
    unfamiliar : float or None
        As in ``Prediction``.

    Examples
    --------
    >>> (prediction,) = featx.predict_images("models/warmth.featx", ["photos/red/0.png"])
    >>> 2.5 < prediction.values["warmth"] < 3.5
    True
    """

    path: str
    values: dict[str, float] = dataclasses.field(hash=False)
    low: dict[str, float] = dataclasses.field(default_factory=dict, hash=False)
    high: dict[str, float] = dataclasses.field(default_factory=dict, hash=False)
    error: str = ""
    unfamiliar: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what JSON has of it."""
        values = {
            name: {"value": value, "low": self.low.get(name), "high": self.high.get(name)}
            for name, value in self.values.items()
        }
        return {"path": self.path, "values": values, "error": self.error, "unfamiliar": self.unfamiliar}


ColumnPrediction = LabelsPrediction | NumbersPrediction


class ColumnPredictions(Result, list[ColumnPrediction]):
    """A list of predictions of labels or of numbers, and what is to be said of all of them.

    Attributes
    ----------
    task : Task
        The model's, with the names of its labels or targets.
    notes : tuple of str
        Remarks for the user.
    passed_over : PassedOver
        What the folders hold besides images, as in ``Predictions``.
    has_bounds : bool
        Whether numbers have ``low`` and ``high``.

    Examples
    --------
    >>> predictions = featx.predict_images("models/labels.featx", "photos/red")
    >>> len(predictions), predictions.header
    (12, ('path', 'labels', 'error', 'unfamiliar', 'p(cold)', 'p(red)'))
    """

    task: Task = Task()
    notes: tuple[str, ...] = ()
    passed_over: PassedOver = PassedOver()
    has_bounds: bool = False

    def __repr__(self) -> str:
        rejected = sum(1 for one in self if one.error)
        return f"ColumnPredictions(images={len(self)}, predicted={len(self) - rejected}, rejected={rejected})"

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns of a table: ``p(cat)`` of a label, ``value(score)``, ``low(score)`` … of a number."""
        names = self.task.names
        if self.task.kind == "labels":
            return ("path", "labels", "error", "unfamiliar", *(f"p({name})" for name in names))
        kinds = ("value", "low", "high") if self.has_bounds else ("value",)
        return ("path", *(f"{kind}({name})" for name in names for kind in kinds), "error", "unfamiliar")

    def row(self, one: ColumnPrediction) -> list[Any]:
        """Return the cells of a prediction under that header, None for what it has not."""
        if isinstance(one, LabelsPrediction):
            return [one.path, one.labels, one.error, one.unfamiliar, *map(one.probabilities.get, self.task.names)]
        kinds = (one.values, one.low, one.high) if self.has_bounds else (one.values,)
        return [one.path, *(kind.get(name) for name in self.task.names for kind in kinds), one.error, one.unfamiliar]

    def to_frame(self) -> "DataFrame":
        """Return a data frame with a row for each image; needs pandas.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        """
        rows = [self.row(one) for one in self]
        columns = {name: [row[place] for row in rows] for place, name in enumerate(self.header)}
        return data_frame(columns, "ColumnPredictions")
