"""What a search tries, and how each did."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A way to fit: head, pooling and settings.

    Parameters
    ----------
    head, pooling : str
        Which head, on which features.
    settings : dict
        The head's own, where they are not at their default.
    """

    head: str
    pooling: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Tried:
    """The figures of a candidate on images that its fits had not seen.

    Parameters
    ----------
    candidate : Candidate
        What was fitted.
    accuracy : float
        Top-1, over all training images, each judged by the fit that it was left out of.
    log_loss : float
        Mean over them.
    seconds : float
        Of a fold's fit, on average.
    right : ndarray of shape (n_images,), bool
        Whether each was judged right.
    """

    candidate: Candidate
    accuracy: float
    log_loss: float
    seconds: float
    right: NDArray[np.bool_]


def rank_of(tried: Tried) -> tuple[float, float]:
    """Return the sort key of candidates: accuracy, then log loss."""
    return -round(tried.accuracy, 12), tried.log_loss
