"""The bounds of numbers: whether a model can give them at a level, and what they are."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, ModelError
from featx.models.model import Model
from featx.system.kinds import shown

BOUND_LEVEL = 0.9
"""Of bounds, where none is asked for."""


def check_bounds(model: Model, path: Path, level: float | None, method: str | None) -> None:
    """Make sure that what was asked of sets or bounds can be given, before anything is measured.

    Raises
    ------
    HeadError
        If the level is not between 0 and 1.
    TaskError
        If sets of classes are asked of labels, or a method of numbers.
    ModelError
        If the model has no errors of validation images, or too few for the level.
    """
    if level is not None and (error := model.task.refuse_option("--sets", ("classes", "grades", "numbers"), path)):
        raise error
    if method is not None and (error := model.task.refuse_option("--set-method", ("classes", "grades"), path)):
        raise error
    if level is None:
        return
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise HeadError(
            f"sets {shown(level)}: must be a number between 0 and 1, such as 0.9, the share of numbers within their bounds.",
            wrong_value=True,
        )
    if model.intervals is None:
        raise ModelError(
            f"{path}: was fitted without validation images, whose errors make the bounds of numbers. Fit it on a cache with a "
            "val split, or leave --sets out."
        )
    if wanted := model.intervals.images_wanted(level):
        raise ModelError(
            f"{path}: bounds at {level:g} take {wanted:,} validation images, and it was fitted with fewer. Give less, or leave "
            "--sets out."
        )


def bounds_of(
    model: Model, outputs: NDArray[np.float64], level: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the bounds (n, n_targets) of numbers at a level, by default 0.9; None where the model has none for it."""
    wanted = BOUND_LEVEL if level is None else level
    if model.intervals is None or model.intervals.images_wanted(wanted):
        return None
    return model.intervals.bounds(outputs, wanted)
