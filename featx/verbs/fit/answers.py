"""What a fit learns beside its head: confidence, thresholds, intervals, and the figures on the validation images; by task."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import TaskError
from featx.heads import (
    Calibration,
    CalibrationKind,
    Conformal,
    GradeAnswer,
    NumberIntervals,
    OperatingPoint,
    answer_grades,
    choose_answer,
)
from featx.verbs.compare import figures_of
from featx.verbs.fit.confidence import check_calibration, learn_confidence
from featx.verbs.fit.learning import LearningImages
from featx.verbs.fit.point import LabelPointsWanted, PointWanted, learn_label_points, learn_point
from featx.verbs.fit.request import FitRequest

_MOST_PROBABLE = (
    "the most probable grade is the answer, as its quadratic kappa on the validation images is larger than that of the median"
)

Wanted = PointWanted | LabelPointsWanted | None


@dataclasses.dataclass(frozen=True)
class LearnedAnswers:
    """What goes into the model, and what is reported of it.

    Parameters
    ----------
    calibration, conformal, point, points, intervals, grade_answer
        As in ``Model``.
    notes : list of str
        Remarks for the user.
    val_accuracy : float or None
        Of classes and grades.
    val_figures : dict of str to float
        Of the other tasks, and of grades beside the accuracy; see ``figures_of``.
    """

    calibration: Calibration = dataclasses.field(default_factory=Calibration)
    conformal: Conformal | None = None
    point: OperatingPoint | None = None
    points: tuple[OperatingPoint, ...] = ()
    intervals: NumberIntervals | None = None
    grade_answer: GradeAnswer = "median"
    notes: list[str] = dataclasses.field(default_factory=list)
    val_accuracy: float | None = None
    val_figures: dict[str, float] = dataclasses.field(default_factory=dict)


def check_answers(
    request: FitRequest, images: LearningImages, kind: str | None, threshold: object, positive: str | None
) -> Wanted:
    """Check what is asked of a model's answers, before anything is fitted.

    Raises
    ------
    HeadError
        If there is no such calibration or threshold, or there are no images for it.
    TaskError
        If it does not go with the task.
    """
    task, folder = images.task, request.store.folder
    if kind and (error := task.refuse("--calibrate", ("classes", "grades"), folder, "Leave it out.")):
        raise TaskError(str(error), wrong_value=True)
    check_calibration(kind, images, folder)
    if threshold is not None and not task.has_probabilities:
        raise TaskError(
            f"{folder}: --threshold is for probabilities, and a model of numbers has none. Leave it out.", wrong_value=True
        )
    if task.kind == "labels":
        return LabelPointsWanted.read(threshold, positive, images)
    return PointWanted.read(threshold, positive, images) if task.has_classes else None


def learn_answers(
    request: FitRequest,
    images: LearningImages,
    outputs: NDArray[np.float64],
    kind: CalibrationKind | None,
    wanted: Wanted,
    folds: int,
    *,
    has_epochs: bool,
) -> LearnedAnswers:
    """Learn from what the head gives (n_val, n_columns) for the validation images, and by cross-validation where asked."""
    chose, called = "epoch" if has_epochs else "", None
    counted = len(images.val) and (images.weights_val is None or images.weights_val.any())
    if not images.task.has_probabilities:
        found: dict[str, Any] = {"intervals": NumberIntervals.of(outputs, images.y_val, chose)} if len(images.val) else {}
    elif images.task.kind == "labels":
        found = {}
        if isinstance(wanted, LabelPointsWanted):
            points, notes = learn_label_points(wanted, request, images, folds)
            found = {"points": points, "notes": notes}
    else:
        confidence = learn_confidence(outputs, images, kind, has_epochs=has_epochs)
        found = {"calibration": confidence.calibration, "conformal": confidence.conformal, "notes": confidence.notes}
        if isinstance(wanted, PointWanted):
            chosen, notes = learn_point(wanted, request, images, confidence.calibration, folds)
            found |= {"point": chosen, "notes": notes + confidence.notes}
        outputs, point = confidence.calibration(outputs), found.get("point")
        called = point(outputs) if point else outputs.argmax(axis=1)
        if images.task.is_ordered and not point:
            how = choose_answer(outputs, images.y_val, images.weights_val)
            called, found["grade_answer"] = answer_grades(outputs, how), how
            if how != "median":
                found["notes"] = [*found["notes"], _MOST_PROBABLE]
    if counted:
        figures = figures_of(images.task, images.y_val, outputs, images.weights_val, called)
        found |= {"val_accuracy": figures.pop("accuracy", None), "val_figures": figures}
    return LearnedAnswers(**found)
