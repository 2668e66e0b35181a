"""What makes a model's confidence worth its name: a curve, scores that sets are made by, a threshold: fields of ``model.json``.

They stand in the document and not in arrays of their own: an older featx leaves a field alone that it does not know, and
refuses an array.
"""

import dataclasses
from pathlib import Path
from typing import Any, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, ModelError
from featx.heads import METHODS, Conformal, GradeAnswer, Isotonic, NumberIntervals, OperatingPoint
from featx.models.model import Model
from featx.system.kinds import plain, shown
from featx.task import Task


class ConfidenceFields(TypedDict):
    """The fields of a model."""

    isotonic: Isotonic | None
    conformal: Conformal | None
    point: OperatingPoint | None
    points: tuple[OperatingPoint, ...]
    intervals: NumberIntervals | None
    grade_answer: GradeAnswer


def confidence_document(model: Model) -> dict[str, Any]:
    """Return the fields that a model has of these."""
    curve, scores = model.isotonic, model.conformal
    return {
        **({"isotonic": {"x": curve.x.tolist(), "y": curve.y.tolist()}} if curve else {}),
        **(
            {
                "conformal": {
                    "lac": scores.lac.tolist(),
                    "aps": scores.aps.tolist(),
                    "images": scores.images,
                    "chose": scores.chose,
                }
            }
            if scores
            else {}
        ),
        **({"operating_point": dataclasses.asdict(model.point)} if model.point else {}),
        **({"label_points": [dataclasses.asdict(point) for point in model.points]} if model.points else {}),
        **({"number_intervals": model.intervals.to_dict()} if model.intervals else {}),
        **({} if model.grade_answer == "median" else {"grade_answer": model.grade_answer}),
    }


def confidence_of(document: dict[str, Any]) -> ConfidenceFields:
    """Read them again; the document is as ``schema`` has it."""
    curve, scores, point = (document.get(name) for name in ("isotonic", "conformal", "operating_point"))
    return {
        "isotonic": Isotonic(np.array(curve["x"], np.float64), np.array(curve["y"], np.float64)) if curve else None,
        "conformal": Conformal(
            np.array(scores["lac"], np.float64),
            np.array(scores["aps"], np.float64),
            images=scores["images"],
            chose=scores["chose"],
        )
        if scores
        else None,
        "point": _point_of(point) if point else None,
        "points": tuple(map(_point_of, document.get("label_points", ()))),
        "intervals": NumberIntervals.from_dict(document["number_intervals"]) if "number_intervals" in document else None,
        "grade_answer": document.get("grade_answer", "median"),
    }


def task_of(document: dict[str, Any]) -> Task:
    """Return the task of a model; the document is as ``schema`` has it.

    Raises
    ------
    ValueError
        If its fields do not fit it.
    """
    task = Task.from_dict(document["task"]) if "task" in document else Task()
    wanted = {"labels": task.names, "grades": task.names, "numbers": ()}.get(task.kind)
    if wanted is not None and tuple(document["class_names"]) != wanted:
        raise ValueError("model.json, task: does not fit its class_names")
    # What goes with classes alone, with labels alone, with numbers alone.
    only = {"label_points": "labels", "number_intervals": "numbers", "grade_answer": "grades"}
    for name in ("isotonic", "conformal", "temperature", "operating_point", *only):
        if name in document and (task.kind != only[name] if name in only else not task.has_classes):
            raise ValueError(f"model.json, {name}: does not go with {task.kind}")
    if len(document.get("label_points", task.names)) != len(task.names):
        raise ValueError("model.json, label_points: must be one a label")
    if "number_intervals" in document and len(document["number_intervals"]["errors"]) != len(task.names):
        raise ValueError("model.json, number_intervals: must be one a target")
    return task


def _point_of(fields: dict[str, Any]) -> OperatingPoint:
    return OperatingPoint(**fields | {"costs": tuple(map(tuple, fields["costs"]))})


@dataclasses.dataclass(frozen=True)
class SetMaker:
    """Makes sets of classes that hold the right one in a share of cases.

    Parameters
    ----------
    conformal : Conformal
        The model's scores.
    level : float
        The share.
    method : str
        ``lac`` or ``aps``.
    """

    conformal: Conformal
    level: float
    method: str = METHODS[0]

    @classmethod
    def of(cls, model: Model, path: Path, level: float, method: str | None = None, *, tta: bool = False) -> Self:
        """Take the scores of a model.

        Raises
        ------
        HeadError
            If the level is not between 0 and 1, there is no such method, or several views of an image are averaged.
        ModelError
            If the model has no scores.
        """
        method = method or METHODS[0]
        level = plain(level)
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise HeadError(
                f"sets {shown(level)}: must be a number between 0 and 1, such as 0.9, the share of sets that are to be right.",
                wrong_value=True,
            )
        if method not in METHODS:
            raise HeadError(f"set method {shown(method)}: unknown. Give one of {', '.join(METHODS)}.", wrong_value=True)
        if tta:
            raise HeadError(
                "--sets rests on single views of the validation images, --tta averages several. Leave one of them out.",
                wrong_value=True,
            )
        if model.conformal is None:
            raise ModelError(
                f"{path}: has no scores of validation images, which sets are made by: it was fitted without any, or by an "
                "earlier version. Fit it again on a cache with validation images, or leave --sets out."
            )
        return cls(model.conformal, float(level), method)

    def __call__(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which classes (n, n_classes) are in the sets of images."""
        return self.conformal.sets(probabilities, self.level, self.method)

    @property
    def notes(self) -> list[str]:
        """What a user should know of these sets."""
        scores = self.conformal
        if wanted := scores.images_wanted(self.level):
            return [
                f"{scores.images} validation images are too few for sets at {self.level:g}, which take {wanted}: each set has "
                "all classes"
            ]
        if scores.chose:
            return [
                f"the sets at {self.level:g} rest on {scores.images} validation images, which chose the {scores.chose} too: "
                "see featx evaluate for how often they are right on test images"
            ]
        return []
