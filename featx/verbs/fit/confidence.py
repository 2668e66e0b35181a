"""What a fit learns about confidence from the validation images: a calibration, and the scores that sets are made by."""

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import Calibration, CalibrationKind, Conformal, fit_calibration
from featx.system.kinds import shown
from featx.verbs.fit.learning import LearningImages


@dataclasses.dataclass(frozen=True)
class LearnedConfidence:
    """What goes into the model.

    Parameters
    ----------
    calibration : Calibration
        One that changes nothing where none was asked for.
    conformal : Conformal or None
        Of the calibrated probabilities; None without validation images.
    notes : list of str
        Remarks for the user.
    """

    calibration: Calibration
    conformal: Conformal | None
    notes: list[str]


def check_calibration(kind: str | None, images: LearningImages, folder: Path) -> None:
    """Refuse, before anything is fitted, a calibration that there is none of, or no images for.

    Raises
    ------
    HeadError
        With what there is.
    """
    if kind is not None and not (isinstance(kind, str) and kind in get_args(CalibrationKind)):
        raise HeadError(
            f"calibration {shown(kind)}: unknown. Give one of {', '.join(get_args(CalibrationKind))}.", wrong_value=True
        )
    if kind and not len(images.val):
        raise HeadError(
            f"{folder}: has no validation images to calibrate on. "
            "Put some into val/, extract with a larger --val-fraction, or leave --calibrate out."
        )


def learn_confidence(
    probabilities: NDArray[np.float64], images: LearningImages, kind: CalibrationKind | None, *, has_epochs: bool
) -> LearnedConfidence:
    """Learn from the head's probabilities (n_val, n_classes) of the validation images."""
    if not len(images.val):
        return LearnedConfidence(Calibration(), None, [])
    found = fit_calibration(probabilities, images.y_val, kind) if kind else Calibration()
    notes = [_describe(found, len(images.val), has_epochs)] if kind else []
    calibration = found or Calibration()
    # The scores are of calibrated probabilities, and the same images calibrated them: one temperature, or one curve, for all of
    # them took a third of a point from the coverage at most, knn's ties apart; cross-fitting cost knn more than that.
    conformal = Conformal.of(calibration(probabilities), images.y_val, "epoch" if has_epochs else "")
    return LearnedConfidence(calibration, conformal, notes)


def _describe(found: Calibration | None, n_val: int, has_epochs: bool) -> str:
    if found is None:
        return (
            f"all {n_val} validation images are right: no temperature can be fitted to them, the probabilities stay as they are"
        )
    what = "one rising curve" if found.isotonic else f"temperature {found.temperature:.2f}"
    also = ", which chose the epoch too" if has_epochs else ""
    return f"{what}, fitted on the {n_val} validation images{also}: judge the probabilities by test images"
