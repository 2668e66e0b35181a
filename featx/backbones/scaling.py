"""What pixels are multiplied by and what is then added, for every ``preprocess`` of a recipe. Nothing here loads Keras."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import RecipeError
from featx.recipe import PREPROCESS_MODES, SCALING_FORMS, Scaling, read_scaling

MEANS_BGR = (103.939, 116.779, 123.68)
"""Of ImageNet's images, as VGG and ResNet were trained; Keras' own constants."""

MEANS_RGB, DEVIATIONS_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images, for pixels from 0 to 1; Keras' own constants."""

_MODES: dict[str, tuple[Any, Any]] = {
    "none": (1.0, 0.0),
    "rescale": (1 / 255, 0.0),
    "tf": (1 / 127.5, -1.0),
    "caffe": (1.0, [-mean for mean in MEANS_BGR]),
    "torch": ([1 / 255 / d for d in DEVIATIONS_RGB], [-m / d for m, d in zip(MEANS_RGB, DEVIATIONS_RGB, strict=True)]),
}


def scaling_of(preprocess: str) -> Scaling:
    """Return a recipe's scaling.

    Raises
    ------
    RecipeError
        If it is none.
    """
    scaling = read_scaling(preprocess)
    if scaling is None:
        raise RecipeError(f"preprocess must be one of {SCALING_FORMS}. Received: {preprocess[:200]!r}.")
    return scaling


def factors_of(preprocess: str) -> tuple[Any, Any, bool]:
    """Return what RGB pixels from 0 to 255 are multiplied by, what is then added, and whether channels are reversed.

    Both are numbers, or three numbers in the order of channels that the network sees: reversed, where they are.
    """
    scaling = scaling_of(preprocess)
    if scaling.mode:
        scale, offset = _MODES[scaling.mode]
    else:
        scale, offset = (list(numbers) for numbers in scaling.factors)
    if scaling.bgr:
        scale, offset = (numbers[::-1] if isinstance(numbers, list) else numbers for numbers in (scale, offset))
    return scale, offset, scaling.bgr or scaling.mode == "caffe"


def is_plain(preprocess: str) -> bool:
    """Tell whether it is one of the modes and nothing beside it."""
    return preprocess in PREPROCESS_MODES


def scale_pixels(pixels: NDArray[np.float32], preprocess: str) -> NDArray[np.float32]:
    """Scale RGB pixels (…, 3) from 0 to 255 by ``factors_of``."""
    scale, offset, reverse = factors_of(preprocess)
    turned = pixels[..., ::-1] if reverse else pixels
    values: NDArray[np.float32] = turned * np.asarray(scale, np.float32) + np.asarray(offset, np.float32)
    return values
