"""What is measured of a picture while it is decoded: enough to tell bad photographs and near duplicates without the file."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEASURES = ("height", "width", "brightness", "contrast", "black", "white", "sharpness")
"""Columns of what ``measure_pictures`` gives.

Height and width of the file's image, upright [px]; mean and standard deviation of the grey levels, from 0 to 1; shares of
nearly black and nearly white pixels; variance of the Laplacian over that of the grey levels.
"""

PICTURE_SIDE = 32
"""Height and width of the grey copy that is kept with each row [px]."""

NEARLY_BLACK, NEARLY_WHITE = 26, 229
"""Grey levels below and above which a pixel counts as nearly black or white: a tenth of the range from its end."""

BLANK = 4 / 255
"""Contrast below which a picture is of one colour."""

# Both sides of the grey copy that everything is measured on. One size whatever the backbone sees, or sharpness would be
# another figure in each cache.
SIDE = 2 * PICTURE_SIDE

_ROUNDING = 1 / 12
"""Variance that rounding to whole grey levels makes."""


class Picture(NamedTuple):
    """A grey copy of an image, small but large enough to be measured.

    Parameters
    ----------
    height, width : int
        Of the file's image, upright [px].
    grey : ndarray of shape (64, 64), uint8
        The whole picture as the backbone sees it, ``pad``'s margins left out, stretched to a square.
    """

    height: int
    width: int
    grey: NDArray[np.uint8]

    @property
    def is_blank(self) -> bool:
        """Whether it is of one colour."""
        return bool(self.grey.std() / 255 < BLANK)


def take_picture(image: Image.Image, height: int, width: int) -> Picture:
    """Take a grey copy.

    Parameters
    ----------
    image : Image
        In RGB, at the size that the backbone sees: a copy of the full size would cost as much as decoding it.
    height, width : int
        Of the file's image [px].
    """
    # By a whole factor first, which is quick: all this is to cost two percent of decoding a photograph.
    nearly = image.reduce((max(1, image.width // SIDE), max(1, image.height // SIDE)))
    return Picture(height, width, np.asarray(nearly.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)))


def measure_pictures(pictures: Sequence[Picture]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Measure pictures, all at once: one by one, and beside the decoding, it would take as long as the copies do.

    Parameters
    ----------
    pictures : sequence of Picture
        n of them.

    Returns
    -------
    measures : ndarray of shape (n, 7), float32
        In the order of ``MEASURES``.
    thumbnails : ndarray of shape (n, 32, 32), uint8
        The grey copies at half their size, which are kept.
    """
    n = len(pictures)
    levels = np.stack([picture.grey for picture in pictures]) if n else np.empty((0, SIDE, SIDE), np.uint8)
    flat = levels.reshape(n, SIDE**2)
    variance = flat.var(axis=1)
    wide = levels.astype(np.int16)
    inner = 4 * wide[:, 1:-1, 1:-1]
    laplacian = inner - wide[:, :-2, 1:-1] - wide[:, 2:, 1:-1] - wide[:, 1:-1, :-2] - wide[:, 1:-1, 2:]
    columns = (
        [picture.height for picture in pictures],
        [picture.width for picture in pictures],
        flat.mean(axis=1) / 255,
        np.sqrt(variance) / 255,
        (flat < NEARLY_BLACK).mean(axis=1),
        (flat > NEARLY_WHITE).mean(axis=1),
        # Over the contrast, so that a dark or hazy picture is not taken for a blurred one.
        (laplacian.astype(np.float64) ** 2).mean(axis=(1, 2)) / (variance + _ROUNDING),
    )
    cells = wide.reshape(n, PICTURE_SIDE, 2, PICTURE_SIDE, 2).sum(axis=(2, 4))
    return np.stack(columns, axis=1).astype(np.float32), ((cells + 2) // 4).astype(np.uint8)
