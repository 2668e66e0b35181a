"""What an evaluation is: the figures of a model, and the images that they are of."""

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
from featx.verbs.evaluate.grade_measures import GradeMeasures
from featx.verbs.evaluate.measures import PrecisionRecall, Threshold
from featx.verbs.evaluate.operating_curve import OperatingCurve
from featx.verbs.evaluate.parts import ClassMeasures, Confidence, Operating, Strangers
from featx.verbs.evaluate.sets import SetMeasures
from featx.verbs.evaluate.surest import RiskCoverage

if TYPE_CHECKING:
    from featx.system.frames import DataFrame


@dataclasses.dataclass(frozen=True, repr=False)
class Evaluation(Result):
    """A model measured on labelled images.

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
    y : ndarray of shape (n_images,), int64
        True labels, indices into the model's class names.
    probabilities : ndarray of shape (n_images, n_classes), float64
        Columns in the order of the model's class names.
    accuracy, balanced_accuracy, macro_f1, log_loss : float
        As scikit-learn defines them; balanced accuracy and macro F1 over the classes that have images here.
    per_class : list of ClassMeasures
        Measures of each of the model's classes.
    confusion : ndarray of shape (n_classes, n_classes), int64
        Rows true, columns predicted.
    rejected : dict of str to str
        Path and reason of images that could not be measured.
    notes : list of str
        Remarks for a reader of these figures.
    cautions : list of str
        Remarks too long for a terminal: small classes, duplicates among the images.
    top3_accuracy : float or None
        Share of images whose class is among the three most probable; None for up to three classes.
    intervals : dict of str to (low, high)
        95 % intervals of ``accuracy``, ``balanced_accuracy``, ``macro_f1``, and as far as they are there of ``top3_accuracy``
        and ``accuracy_without_near_duplicates``: Wilson's, of means over the classes of as many images as their bootstrap
        variance is worth.
    confidence : Confidence or None
        Of the probabilities as they are.
    uncalibrated : Confidence or None
        The same before the model's calibration; None for a model without one, with ``tta``, and for very many probabilities.
    curves : list of PrecisionRecall
        Of the classes that have images here.
    thresholds : list of Threshold
        Share and accuracy of the answers of at least some confidence.
    digests : list of bytes
        Content digests of the images.
    pooled, pooled_rows : ndarray
        Average features (n_mapped, n_channels) of some images, for a map, and which they are.
    cache : Path or None
        Of what features the probabilities are; None for images outside a cache, and for a mean over views.
    rows : ndarray of shape (n_images,), int64
        With ``cache``: each image's row in its catalog.
    counts : dict of str to int
        ``duplicates`` among the images, how many of them were ``seen_in_training``, and how many others are
        ``near_duplicates`` of training images, where that is known. With groups also ``groups``, and how many images are
        ``of_groups_seen_in_training``; the intervals then are drawn by group.
    accuracy_without_near_duplicates : float or None
        Accuracy on the images that are neither exact nor near duplicates of training images; None where there are none, or
        near duplicates are not known: for images outside the cache, with more than 10,000 different images, and where an
        older featx did not measure their pictures.
    sets : SetMeasures or None
        Sets of classes at a level, by default 0.9; None for a model without scores of validation images, and with ``tta``.
    surest : RiskCoverage or None
        Accuracy of the surest images.
    unfamiliar : ndarray of shape (n_images,), float64, or None
        Share of genuine images that are as strange as each or stranger; None from a model of an earlier version.
    strangers : Strangers or None
        With ``unknown_images``: what they were taken for.
    operating : Operating or None
        Of a model with an operating point: what the threshold is worth on these images.
    operating_curve : OperatingCurve or None
        Of two classes that both have images: what each threshold would be worth.
    grades : GradeMeasures or None
        Of a model of grades: quadratic kappa, and how many grades the answers are off.
    weights : ndarray of shape (n_images,), float64, or None
        How much each image counts; None where all count alike.

    Examples
    --------
    >>> evaluation = featx.evaluate_model("models/photos-logreg.featx")
    >>> evaluation.split, len(evaluation.paths), evaluation.probabilities.shape
    ('test', 6, (6, 3))
    >>> evaluation.confusion
    array([[2, 0, 0],
           [0, 2, 0],
           [0, 0, 2]])
    """

    model: Model
    model_path: Path
    split: str
    source: str
    paths: list[str]
    y: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    per_class: list[ClassMeasures]
    confusion: NDArray[np.int64]
    rejected: dict[str, str]
    notes: list[str]
    cautions: list[str] = dataclasses.field(default_factory=list)
    top3_accuracy: float | None = None
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    confidence: Confidence | None = None
    uncalibrated: Confidence | None = None
    curves: list[PrecisionRecall] = dataclasses.field(default_factory=list)
    thresholds: list[Threshold] = dataclasses.field(default_factory=list)
    digests: list[bytes] = dataclasses.field(default_factory=list)
    pooled: NDArray[np.float32] | None = None
    pooled_rows: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    cache: Path | None = None
    rows: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    accuracy_without_near_duplicates: float | None = None
    sets: SetMeasures | None = None
    surest: RiskCoverage | None = None
    unfamiliar: NDArray[np.float64] | None = None
    strangers: Strangers | None = None
    operating: Operating | None = None
    operating_curve: OperatingCurve | None = None
    grades: GradeMeasures | None = None
    weights: NDArray[np.float64] | None = None

    def to_frame(self, table: Literal["images", "classes", "confusion"] = "images") -> "DataFrame":
        """Return a data frame; needs pandas.

        Parameters
        ----------
        table : str
            ``images``: path, label, predicted class, confidence and whether it is right, and how unfamiliar each image is where
            the model tells. ``classes``: the measures of each class. ``confusion``: rows true, columns predicted.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        FeatxError
            If there is no such table.
        """
        names = np.array(self.model.class_names, object)
        if table == "confusion":
            return data_frame(dict(zip(names, self.confusion.T, strict=True)), "Evaluation", list(names))
        if table == "classes":
            measures = [dataclasses.asdict(one) for one in self.per_class]
            return data_frame({name: [one[name] for one in measures] for name in measures[0]}, "Evaluation")
        if table != "images":
            raise FeatxError(f"table must be images, classes or confusion. Received: {shown(table)}.", wrong_value=True)
        columns: dict[str, Any] = {
            "path": self.paths,
            "label": names[self.y],
            "predicted": names[self.predicted],
            "confidence": self.answered,
            "right": self.predicted == self.y,
        }
        return data_frame(columns | ({} if self.unfamiliar is None else {"unfamiliar": self.unfamiliar}), "Evaluation")

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Label that the model calls each image by (n_images,)."""
        return self.model.decide(self.probabilities)

    @property
    def answered(self) -> NDArray[np.float64]:
        """Probability of the class that each image is called by (n_images,)."""
        return np.take_along_axis(self.probabilities, self.predicted[:, None], axis=1)[:, 0]

    @property
    def baseline(self) -> tuple[str, float]:
        """The class of most images here, or most weight, the first of equal ones; and the accuracy of always answering it."""
        counts = np.bincount(self.y, self.weights, minlength=len(self.model.class_names))
        return self.model.class_names[int(counts.argmax())], float(counts.max() / counts.sum())
