"""The operating point of a model: a threshold chosen by cross-validation inside the training images."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import Calibration, Goal, OperatingPoint, choose_point
from featx.system.kinds import shown
from featx.verbs.compare import TrainingImages, cut_into_folds
from featx.verbs.fit.costs import read_costs, read_label_costs
from featx.verbs.fit.learning import LearningImages
from featx.verbs.fit.request import FitRequest

_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class PointWanted:
    """What was asked for: goal, index of the positive class, and costs (2, 2), rows true."""

    goal: Goal
    positive: int
    costs: NDArray[np.float64] | None

    @classmethod
    def read(cls, threshold: object, positive: str | None, images: LearningImages) -> "PointWanted | None":
        """Check what a user asks for, before anything is fitted; None without a threshold.

        Raises
        ------
        HeadError
            If there are not two classes, none is called so, or the threshold or the file of costs is none.
        """
        names = images.class_names
        if threshold is None:
            if positive is not None:
                raise HeadError("--positive says which class --threshold is for. Give --threshold.", wrong_value=True)
            return None
        goal = Goal.parse(threshold)
        if len(names) != 2:
            raise HeadError(
                f"--threshold tells two classes apart, and the training images are of {len(names)}: {shown(list(names))}. "
                "Leave it out.",
                wrong_value=True,
            )
        if positive is not None and positive not in names:
            raise HeadError(
                f"--positive must be one of {', '.join(map(repr, names))}. Received: {positive!r}.", wrong_value=True
            )
        counts = np.bincount(images.y, minlength=2)
        # The class that is looked for is mostly the rarer one.
        place = names.index(positive) if positive is not None else int(counts[1] <= counts[0])
        return cls(goal, place, read_costs(Path(goal.file), names) if goal.kind == "cost" else None)


def learn_point(
    wanted: PointWanted, request: FitRequest, images: LearningImages, calibration: Calibration, folds: int
) -> tuple[OperatingPoint, list[str]]:
    """Choose the threshold on training images that the head was not fitted on, and say what it changes.

    Parameters
    ----------
    wanted : PointWanted
        What for.
    request : FitRequest
        The head with its settings, and the features.
    images : LearningImages
        Gives the names of the classes.
    calibration : Calibration
        Of the model: the threshold is for calibrated probabilities.
    folds : int
        Of the cross-validation.

    Raises
    ------
    HeadError
        If a class has too few images to cross-validate, or the goal is not reached.
    """
    cut = cut_into_folds(request.store, request.layer, folds, request.settings["seed"])
    point = choose_point(
        wanted.goal, calibration(_left_out(request, cut)), cut.labels, wanted.positive, wanted.costs, cut.weights
    )
    name, half, at = images.class_names[point.positive], point.at_half, point.at_point
    figure = {"cost": "cost", "balanced": "balanced_accuracy"}.get(wanted.goal.kind, "f1")
    said = figure.replace("_", " ").replace("f1", "F1")
    return point, [
        f"{name!r} from a probability of {point.threshold:.3f} on ({point.goal}): by cross-validation {said} "
        f"{half[figure]:.3f} at 0.5, {at[figure]:.3f} there, with precision {at['precision']:.3f} and recall {at['recall']:.3f}"
    ]


@dataclasses.dataclass(frozen=True)
class LabelPointsWanted:
    """What was asked for of each label: goal, and costs (2, 2) of one that is not there and one that is, rows true."""

    goal: Goal
    costs: tuple[NDArray[np.float64], ...] | None

    @classmethod
    def read(cls, threshold: object, positive: str | None, images: LearningImages) -> "LabelPointsWanted | None":
        """Check what a user asks for, before anything is fitted; None without a threshold.

        Raises
        ------
        HeadError
            If a positive class is named, or the threshold or the file of costs is none.
        """
        if positive is not None:
            raise HeadError(
                "--positive is for two classes; of labels each has a threshold of its own. Leave it out.", wrong_value=True
            )
        if threshold is None:
            return None
        goal = Goal.parse(threshold)
        return cls(goal, read_label_costs(Path(goal.file), images.class_names) if goal.kind == "cost" else None)


def learn_label_points(
    wanted: LabelPointsWanted, request: FitRequest, images: LearningImages, folds: int
) -> tuple[tuple[OperatingPoint, ...], list[str]]:
    """Choose the threshold of each label on training images that the head was not fitted on; see ``learn_point``."""
    cut = cut_into_folds(request.store, request.layer, folds, request.settings["seed"])
    outputs = _left_out(request, cut)
    points = []
    for at, name in enumerate(images.class_names):
        known = ~np.isnan(cut.y[:, at]) & ~np.isnan(outputs[:, at])
        p = outputs[known, at]
        both = np.stack([1 - p, p], axis=1)
        weights = None if cut.weights is None else cut.weights[known]
        costs = None if wanted.costs is None else wanted.costs[at]
        try:
            points.append(choose_point(wanted.goal, both, cut.y[known, at].astype(np.int64), 1, costs, weights))
        except HeadError as error:
            raise HeadError(f"label {name!r}: {error}", wrong_value=error.wrong_value) from None
    return tuple(points), [_describe_points(wanted.goal, images.class_names, points)]


def _describe_points(goal: Goal, names: tuple[str, ...], points: list[OperatingPoint]) -> str:
    figure = {"cost": "cost", "balanced": "balanced_accuracy"}.get(goal.kind, "f1")
    # A threshold that is given has no figures.
    figures = [(point.at_half[figure], point.at_point[figure]) for point in points]
    half, at = (float(mean) for mean in np.mean(figures, axis=0))
    chosen = ", ".join(f"{name} {point.threshold:.3f}" for name, point in list(zip(names, points, strict=True))[:_MOST_NAMED])
    more = f" and {len(points) - _MOST_NAMED} more" if len(points) > _MOST_NAMED else ""
    said = figure.replace("_", " ").replace("f1", "F1")
    return f"thresholds ({goal}): {chosen}{more}; by cross-validation mean {said} {half:.3f} at 0.5, {at:.3f} there"


def _left_out(request: FitRequest, cut: TrainingImages) -> NDArray[np.float64]:
    """Return what is given (n_images, n_columns) for each training image by the fit that it was left out of."""
    keys = np.array((0, *request.store.catalog.view_keys), np.int64)
    probabilities = np.zeros((len(cut.rows), len(cut.class_names)))
    for fold in range(cut.n_folds):
        out = cut.fold_of == fold
        val = np.zeros_like(out) if request.spec.classical else cut.validating(~out)
        used = ~out & ~val
        rows = request.rows(np.repeat(cut.rows[used], len(keys)), np.tile(keys, int(used.sum())))
        X_val = request.rows(cut.rows[val], np.zeros(int(val.sum()), np.int64)) if val.any() else None
        head = request.spec.make(**request.settings)
        weights = None if cut.weights is None else np.repeat(cut.weights[used], len(keys))
        y, y_val = np.repeat(cut.y[used], len(keys), axis=0), cut.y[val] if X_val else None
        with cut.naming():
            head.fit(rows, y, X_val, y_val, sample_weight=weights)
        X = request.rows(cut.rows[out], np.zeros(int(out.sum()), np.int64))
        probabilities[out] = np.concatenate([head.outputs(block) for _, block in X.blocks()])
    return probabilities
