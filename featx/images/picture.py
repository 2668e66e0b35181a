"""What is measured of a picture while it is decoded: enough to tell bad photographs and near duplicates without the file."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEASURES = ("height", "width", "brightness", "contrast", "black", "white", "sharpness")
"""What each column of ``Picture.measures`` is."""

PICTURE_SIDE = 32
"""Height and width of the grey copy that is kept with each row [px]."""

NEARLY_BLACK, NEARLY_WHITE = 26, 229
"""Grey levels below and above which a pixel counts as nearly black or white: a tenth of the range from its end."""

# Both sides of the grey copy that everything is measured on. One size whatever the backbone sees, or sharpness would be
# another figure in each cache.
_SIDE = 2 * PICTURE_SIDE

_LEVELS = np.arange(256.0)

_ROUNDING = 1 / 12
"""Variance that rounding to whole grey levels makes."""


class Picture(NamedTuple):
    """Measures of one image, and a small grey copy of it.

    Parameters
    ----------
    measures : ndarray of shape (7,), float32
        In the order of ``MEASURES``: height and width of the file's image, upright [px]; mean and standard deviation of the
        grey levels, from 0 to 1; shares of nearly black and nearly white pixels; variance of the Laplacian over that of the
        grey levels.
    thumbnail : ndarray of shape (32, 32), uint8
        The whole picture as the backbone sees it, ``pad``'s margins left out, stretched to a square.
    """

    measures: NDArray[np.float32]
    thumbnail: NDArray[np.uint8]


def measure_picture(image: Image.Image, height: int, width: int) -> Picture:
    """Measure a picture.

    Parameters
    ----------
    image : Image
        In RGB, at the size that the backbone sees: measuring the full size would cost as much as decoding it.
    height, width : int
        Of the file's image [px].

    Returns
    -------
    picture : Picture
    """
    # By a whole factor first, which is quick: all this is to cost two percent of decoding a photograph.
    nearly = image.reduce((max(1, image.width // _SIDE), max(1, image.height // _SIDE)))
    grey = nearly.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    counts = np.bincount(np.asarray(grey).ravel(), minlength=256) / _SIDE**2
    brightness = counts @ _LEVELS
    variance = counts @ (_LEVELS - brightness) ** 2
    levels = np.asarray(grey, np.int16)
    inner = levels[1:-1, 1:-1]
    laplacian = (4 * inner - levels[:-2, 1:-1] - levels[2:, 1:-1] - levels[1:-1, :-2] - levels[1:-1, 2:]).astype(np.float32)
    measures = (
        height,
        width,
        brightness / 255,
        np.sqrt(variance) / 255,
        counts[:NEARLY_BLACK].sum(),
        counts[NEARLY_WHITE + 1 :].sum(),
        # Over the contrast, so that a dark or hazy picture is not taken for a blurred one.
        np.einsum("ij,ij->", laplacian, laplacian) / laplacian.size / (variance + _ROUNDING),
    )
    return Picture(np.array(measures, np.float32), np.asarray(grey.reduce(2)))
