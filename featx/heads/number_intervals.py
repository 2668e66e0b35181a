"""Intervals around numbers that keep a promise: split conformal prediction from the errors on images not learned from.

The absolute errors of n such images are n scores. The error of a new image does not exceed the ceil((n + 1) level)-th smallest
in at least that share of cases, whatever the head, as long as the new images come from where those came from.

References
----------
Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), Distribution-free predictive inference for regression, arXiv:1604.04173.
"""

import dataclasses
import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.heads.conformal import MOST_SCORES

# (n + 1) * level must not be lifted past a whole number by its rounding.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class NumberIntervals:
    """Absolute errors on some images, ascending, for each target: what an interval of any level takes.

    Parameters
    ----------
    errors : tuple of ndarray of shape (n_errors,), float64
        Of each target, in its units.
    images : tuple of int
        On how many images each target is known; of more than 5,000, that many errors are kept.
    chose : str
        What else was chosen by these images: ``epoch`` or nothing. Then the head is a little too good on them, and the
        intervals a little too narrow.
    """

    errors: tuple[NDArray[np.float64], ...]
    images: tuple[int, ...]
    chose: str = ""

    @classmethod
    def of(cls, outputs: NDArray[np.float64], targets: NDArray[np.float64], chose: str = "") -> Self:
        """Take the errors of outputs (n, n_targets) for targets (n, n_targets), NaN where not known."""
        errors, images = [], []
        for given, wanted in zip(outputs.T, targets.T, strict=True):
            off = np.abs(given - wanted)[~np.isnan(wanted)]
            images.append(len(off))
            if len(off) > MOST_SCORES:
                off = np.random.default_rng(0).choice(off, MOST_SCORES, replace=False)
            errors.append(np.sort(off))
        return cls(tuple(errors), tuple(images), chose)

    def half_widths(self, level: float) -> NDArray[np.float64]:
        """Return how far an interval reaches on either side (n_targets,); infinite with too few images for the level."""
        ranks = [math.ceil((len(errors) + 1) * level - _ROUNDING) for errors in self.errors]
        return np.array(
            [
                float(errors[rank - 1]) if rank <= len(errors) else math.inf
                for errors, rank in zip(self.errors, ranks, strict=True)
            ]
        )

    def bounds(self, outputs: NDArray[np.float64], level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and the upper end (n, n_targets) of the intervals around outputs (n, n_targets)."""
        half = self.half_widths(level)
        return outputs - half, outputs + half

    def images_wanted(self, level: float) -> int:
        """Return how many images a level takes, if there are too few for it of some target; else 0."""
        wanted = math.ceil(level / (1 - level) - _ROUNDING)
        return wanted if min(map(len, self.errors)) < wanted else 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"errors": [errors.tolist() for errors in self.errors], "images": list(self.images), "chose": self.chose}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Rebuild it from ``to_dict``'s result."""
        errors = tuple(np.array(one, np.float64) for one in document["errors"])
        return cls(errors, tuple(document["images"]), document["chose"])
