"""Whether a model can answer that an image is of none of its classes."""

import math
from pathlib import Path

from featx.errors import ModelError, RecipeError
from featx.models import Model
from featx.system.kinds import shown
from featx.verbs.predict.prediction import UNKNOWN


def check_unknown(model: Model, path: Path, share: float) -> None:
    """Make sure that a model can answer ``unknown`` for the strangest share of images.

    Raises
    ------
    RecipeError
        If the share is no number above 0 and below 1.
    ModelError
        If the model is of an earlier version, too few images made its scale for a share so small, or one of its own classes is
        called ``unknown``.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise RecipeError(
            f"unknown must be a number above 0 and below 1, such as 0.05. Received: {shown(share)}.", wrong_value=True
        )
    if model.familiarity is None:
        raise ModelError(
            f"{path}: was fitted by an earlier featx and cannot tell strange images. Fit it again, or leave --unknown out."
        )
    least = 1 / (len(model.familiarity.scale) + 1)
    if share < least:
        raise ModelError(
            f"{path}: {len(model.familiarity.scale)} images made its scale, too few to tell the strangest {share:g} of all. "
            f"Give --unknown {math.ceil(1000 * least) / 1000:g} or more, or fit it again with more validation images."
        )
    if UNKNOWN in model.class_names:
        raise ModelError(
            f"{path}: has a class {UNKNOWN!r} of its own, which could not be told from strange images. "
            "Leave --unknown out and read the column unfamiliar, or rename the class and fit the model again."
        )
