"""What an evaluation of several labels, or of numbers, is: the figures of a model, and the images that they are of."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from featx.errors import FeatxError
from featx.models import Model
from featx.system.frames import data_frame
from featx.system.kinds import shown
from featx.system.results import Result
from featx.verbs.evaluate.evaluation import Evaluation
from featx.verbs.evaluate.label_measures import LabelFigures
from featx.verbs.evaluate.number_measures import BoundMeasures, TargetMeasures

if TYPE_CHECKING:
    from featx.system.frames import DataFrame


@dataclasses.dataclass(frozen=True, repr=False)
class MeasuredImages(Result):
    """What evaluations of every task have: a model, and the images that it was measured on.

    Parameters
    ----------
    model : Model
        The model.
    model_path : Path
        Its file.
    split : str
        ``train``, ``val``, ``test`` or ``all``.
    source : str
        Folder that the images are listed in.
    paths : list of str
        The images, as listed.
    targets : ndarray of shape (n_images, n_columns), float64
        What is known of them, in the order of the model's labels or targets; NaN for what is not.
    rejected : dict of str to str
        Path and reason of images that could not be measured.
    notes, cautions : list of str
        Remarks for a reader of these figures; the second are too long for a terminal.
    digests : list of bytes
        Content digests of the images.
    counts : dict of str to int
        As in ``Evaluation``.
    """

    model: Model
    model_path: Path
    split: str
    source: str
    paths: list[str]
    targets: NDArray[np.float64]
    rejected: dict[str, str]
    notes: list[str]
    cautions: list[str]
    digests: list[bytes]
    counts: dict[str, int]


@dataclasses.dataclass(frozen=True, repr=False)
class LabelsEvaluation(MeasuredImages):
    """A model of several labels an image, measured; see ``MeasuredImages`` for the images.

    Parameters
    ----------
    probabilities : ndarray of shape (n_images, n_labels), float64
        Of each label by itself.
    figures : LabelFigures
        Mean average precision, F1 and the rest.

    Examples
    --------
    >>> evaluation = featx.evaluate_model("models/labels.featx")
    >>> evaluation.mean_average_precision, evaluation.figures.subset_accuracy
    (1.0, 1.0)
    >>> [(one.name, one.f1) for one in evaluation.figures.per_label]
    [('cold', 1.0), ('red', 1.0)]
    """

    probabilities: NDArray[np.float64]
    figures: LabelFigures

    @property
    def called(self) -> NDArray[np.bool_]:
        """Which labels each image is said to have (n_images, n_labels)."""
        return self.model.called(self.probabilities)

    @property
    def mean_average_precision(self) -> float | None:
        """Mean of the average precision over the labels."""
        return self.figures.mean_average_precision

    @property
    def macro_f1(self) -> float:
        """Mean of F1 over the labels."""
        return self.figures.macro_f1

    @property
    def micro_f1(self) -> float:
        """F1 of all labels together."""
        return self.figures.micro_f1

    def to_frame(self, table: Literal["images", "labels", "pairs"] = "images") -> "DataFrame":
        """Return a data frame; needs pandas.

        Parameters
        ----------
        table : str
            ``images``: path, and of each label what is known and its probability. ``labels``: the measures of each.
            ``pairs``: labels that go together.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        FeatxError
            If there is no such table.
        """
        if table in ("labels", "pairs"):
            rows: list[Any] = list(self.figures.per_label if table == "labels" else self.figures.pairs)
            fields = [field.name for field in dataclasses.fields(rows[0])] if rows else []
            return data_frame({name: [getattr(one, name) for one in rows] for name in fields}, "LabelsEvaluation")
        if table != "images":
            raise FeatxError(f"table must be images, labels or pairs. Received: {shown(table)}.", wrong_value=True)
        columns: dict[str, Any] = {"path": self.paths}
        for k, name in enumerate(self.model.class_names):
            columns |= {f"true({name})": self.targets[:, k], f"p({name})": self.probabilities[:, k]}
        return data_frame(columns, "LabelsEvaluation")


@dataclasses.dataclass(frozen=True, repr=False)
class NumbersEvaluation(MeasuredImages):
    """A model of numbers, measured; see ``MeasuredImages`` for the images.

    Parameters
    ----------
    predicted : ndarray of shape (n_images, n_targets), float64
        In the units of the targets.
    per_target : list of TargetMeasures
        Of the targets that are known of some image.
    bounds : list of BoundMeasures
        How often the true value lies between the bounds that the model gives; empty where it gives none.
    low, high : ndarray of shape (n_images, n_targets), float64, or None
        These bounds.

    Examples
    --------
    >>> evaluation = featx.evaluate_model("models/warmth.featx")
    >>> (warmth,) = evaluation.per_target
    >>> warmth.name, warmth.mae < 0.2, warmth.r2 > 0.9
    ('warmth', True, True)
    """

    predicted: NDArray[np.float64]
    per_target: list[TargetMeasures]
    bounds: list[BoundMeasures]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None

    def to_frame(self, table: Literal["images", "targets"] = "images") -> "DataFrame":
        """Return a data frame; needs pandas.

        Parameters
        ----------
        table : str
            ``images``: path, and of each target the true and the predicted value, with bounds where there are any.
            ``targets``: the measures of each.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        FeatxError
            If there is no such table.
        """
        if table == "targets":
            names = [field.name for field in dataclasses.fields(TargetMeasures)]
            return data_frame({name: [getattr(one, name) for one in self.per_target] for name in names}, "NumbersEvaluation")
        if table != "images":
            raise FeatxError(f"table must be images or targets. Received: {shown(table)}.", wrong_value=True)
        columns: dict[str, Any] = {"path": self.paths}
        for k, name in enumerate(self.model.column_names):
            columns |= {f"true({name})": self.targets[:, k], f"value({name})": self.predicted[:, k]}
            if self.low is not None and self.high is not None:
                columns |= {f"low({name})": self.low[:, k], f"high({name})": self.high[:, k]}
        return data_frame(columns, "NumbersEvaluation")


AnyEvaluation = Evaluation | LabelsEvaluation | NumbersEvaluation
"""An evaluation of whichever task."""
