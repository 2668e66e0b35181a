"""Samples of more than 8 bits, and how 256 levels are made of them.

Many files of 16 bits hold 8, 10 or 12: a microscope's or a label tool's numbers, written as they were. Of their upper 8 bits,
which is what every program shows, little or nothing is left. The recipe's ``depth`` says what the numbers mean:

- ``16``: all 16 bits count; a level is the upper 8 (``value >> 8``).
- ``8``, ``10``, ``12``: the file's values reach 2^depth - 1; a level is ``value >> (depth - 8)``, and what is larger is white.
- ``auto``: of each image, the least of 8, 10, 12 and 16 whose largest number is not below the image's largest value.
- ``min-max``: of each image, the least value of all its colour channels becomes 0 and the largest 255, linearly and rounded;
  an image of one value becomes 0.

A file that states how far its values reach (12 bits in a TIFF, a maxval in a PGM) is read as it says, but for ``min-max``.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featx.images.raster import Raster, Traits
from featx.recipe import FULL_DEPTH

Deep = NDArray[np.uint16]
Levels = NDArray[np.uint8]

_STEPS = (8, 10, 12, 16)
_OPAQUE = 0xFFFF


@dataclasses.dataclass(frozen=True)
class Samples:
    """The numbers of an image of more than 8 bits.

    Parameters
    ----------
    colours : ndarray of shape (height, width, n_colours), uint16
        Grey, RGB or CMYK.
    alpha : ndarray of shape (height, width), uint16, or None
        How opaque each pixel is.
    stated : int or None
        Largest value that the file says there may be, where that is not 65,535.
    inverted : bool
        Whether 0 is white.
    multiplied : bool
        Whether the colours were multiplied by their alpha.
    """

    colours: Deep
    alpha: Deep | None = None
    stated: int | None = None
    inverted: bool = False
    multiplied: bool = False


def with_key(colours: Deep, key: tuple[int, ...] | int | None) -> Samples:
    """Return samples of which one colour, all 16 bits of it, is transparent; without a key none is."""
    if key is None:
        return Samples(colours)
    return Samples(colours, np.where((colours == np.asarray(key)).all(axis=-1), 0, _OPAQUE).astype(np.uint16))


def deep_raster(samples: Samples, depth: str, info: dict[str | tuple[int, int], Any], frames: int = 1) -> Raster:
    """Bring samples to 8 bits.

    Parameters
    ----------
    samples : Samples
        The file's numbers.
    depth : str
        The recipe's.
    info : dict
        Of Pillow's image: orientation and colour profile. Which colour is transparent is in the alpha already.
    frames : int
        Pictures in the file.
    """
    levels = _levels(samples.colours, depth, samples.stated)
    alpha = None if samples.alpha is None else _levels(samples.alpha[..., None], _depth_of_alpha(depth), samples.stated)
    image = eight_bit_image(255 - levels if samples.inverted else levels, alpha, samples.multiplied)
    image.info = {name: value for name, value in info.items() if name != "transparency"}
    bits = bits_of(int(samples.colours.max(initial=0))) if samples.stated is None else 0
    return Raster.whole(image, Traits(bits, frames))


def eight_bit_image(colours: Levels, alpha: Levels | None = None, multiplied: bool = False) -> Image.Image:
    """Return Pillow's image of grey, RGB or CMYK, (height, width, n_colours), and of alpha, (height, width, 1)."""
    n_colours = colours.shape[2]
    if n_colours == 4:
        ink = Image.fromarray(colours, "CMYK")
        if alpha is None:
            return ink
        colours = np.asarray(ink.convert("RGB"))
    mode = "L" if n_colours == 1 else "RGB"
    if alpha is None:
        return Image.fromarray(colours[..., 0] if n_colours == 1 else colours)
    return Image.fromarray(np.concatenate([colours, alpha], axis=-1), mode + ("a" if multiplied else "A"))


def bits_of(largest: int) -> int:
    """Return the least of 8, 10, 12 and 16 bits that hold a value."""
    return next(bits for bits in _STEPS if largest < 1 << bits)


def upper_bits(image: Image.Image) -> int:
    """Return as ``bits_of`` what a file of 16 bits holds, of which Pillow kept each sample's upper 8."""
    extremes: Any = image.getextrema()
    bands = [extremes] if len(image.getbands()) == 1 else list(extremes)[: None if image.mode == "CMYK" else 3]
    return bits_of(max(most for _, most in bands) << 8 | 0xFF)


def _depth_of_alpha(depth: str) -> str:
    # Stretched over its own range, what is half transparent everywhere would become opaque here and gone there.
    return "auto" if depth == "min-max" else depth


def _levels(values: Deep, depth: str, stated: int | None) -> Levels:
    if depth == "min-max":
        least, most = int(values.min(initial=_OPAQUE)), int(values.max(initial=0))
        return _table(least, most)[values]
    if stated is not None:
        # Up to 8 bits they are spread, as everywhere; of more the upper 8 bits count, as of 16.
        numbers = np.arange(_OPAQUE + 1)
        table = (numbers * 510 + stated) // (2 * stated) if stated <= 0xFF else numbers * 256 // (stated + 1)
        return np.minimum(table, 255).astype(np.uint8)[values]
    bits = bits_of(int(values.max(initial=0))) if depth == "auto" else int(depth)
    shifted = values >> (bits - 8)
    return (shifted if depth == FULL_DEPTH else np.minimum(shifted, 255)).astype(np.uint8)


def _table(least: int, most: int) -> Levels:
    """Return the level of every value from ``least`` to ``most``."""
    span = max(most - least, 1)
    above = np.clip(np.arange(_OPAQUE + 1) - least, 0, span)
    return ((510 * above + span) // (2 * span)).astype(np.uint8)
