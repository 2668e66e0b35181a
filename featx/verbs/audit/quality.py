"""Pictures that show too little to learn from: dark, bright, blank, blurred or tiny, by what was measured of them."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.images import BLANK, MEASURES
from featx.models import MeasuredPictures
from featx.system.counts import is_or_are, number_of
from featx.verbs.audit.labels import far_out

# A picture with hardly another pixel is dark, or bright.
_NEARLY_ALL = 0.95

# Enlarged more than this for the backbone, a picture has hardly any detail for it.
_ENLARGED = 4

# What is true of most pictures is a property of the set, reported once.
_MOST = 0.5

_MEANING = {
    "blank": "nearly of one grey level",
    "dark": f"at least {_NEARLY_ALL:.0%} of the pixels nearly black",
    "bright": f"at least {_NEARLY_ALL:.0%} of the pixels nearly white",
    "blurred": "far less sharp than the others",
    "tiny": f"enlarged more than {_ENLARGED} times for the backbone",
}


@dataclasses.dataclass(frozen=True)
class Flaw:
    """A picture, by position, that is ``blank``, ``dark``, ``bright``, ``blurred`` or ``tiny``, with the measure."""

    position: int
    problem: str
    measure: str
    value: float


def find_flaws(pictures: MeasuredPictures, image_size: tuple[int, int]) -> tuple[list[Flaw], list[str]]:
    """Find pictures with a problem.

    Parameters
    ----------
    pictures : MeasuredPictures
        Those that were not measured are left out.
    image_size : tuple of int
        (height, width) that the backbone sees [px].

    Returns
    -------
    flaws : list of Flaw
        By problem, the worst first.
    notes : list of str
        Problems that most pictures have, which are not listed one by one.
    """
    measured = np.flatnonzero(pictures.present)
    if not len(measured):
        return [], []
    columns = {name: pictures.column(name)[measured].astype(np.float64) for name in MEASURES}
    blank = columns["contrast"] < BLANK
    dark, bright = ((columns[name] >= _NEARLY_ALL) & ~blank for name in ("black", "white"))
    # Sharpness has no scale of its own: it is held against what is usual in the set.
    soft = far_out(-np.log(np.maximum(columns["sharpness"], 1e-6)), len(measured))
    sides = np.stack([columns["height"] / image_size[0], columns["width"] / image_size[1]])
    smaller = np.where(sides[0] <= sides[1], "height", "width")
    # Problem, which have it, how bad it is, and the measure that shows it.
    checks: list[tuple[str, NDArray[np.bool_], NDArray[np.float64], NDArray[np.str_] | str]] = [
        ("blank", blank, -columns["contrast"], "contrast"),
        ("dark", dark, columns["black"], "black"),
        ("bright", bright, columns["white"], "white"),
        ("blurred", (soft > 1) & ~(blank | dark | bright), soft, "sharpness"),
        ("tiny", sides.min(axis=0) * _ENLARGED < 1, -sides.min(axis=0), smaller),
    ]
    flaws: list[Flaw] = []
    notes = []
    for problem, holds, badness, measure in checks:
        if holds.sum() > _MOST * len(measured):
            count = int(holds.sum())
            notes.append(
                f"{count:,} of {number_of(len(measured), 'picture')} {is_or_are(count)} {problem}: {_MEANING[problem]}"
            )
            continue
        bad = np.flatnonzero(holds)
        for at in bad[np.argsort(-badness[bad], kind="stable")].tolist():
            name = str(np.broadcast_to(measure, len(measured))[at])
            flaws.append(Flaw(int(measured[at]), problem, name, float(columns[name][at])))
    return flaws, notes
