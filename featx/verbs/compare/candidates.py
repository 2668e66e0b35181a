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
    accuracy : float or None
        Top-1, over all training images, each judged by the fit that it was left out of; None of labels and numbers.
    log_loss : float or None
        Mean over them; of labels the mean over the labels; None of numbers.
    seconds : float
        Of a fold's fit, on average.
    right : ndarray of shape (n_images,), bool
        Whether each was judged right; empty of labels and numbers.
    figures : dict of str to float
        Of other tasks than classes: see ``figures_of``.
    score : float or None
        What candidates are ranked by, the larger the better; None for the accuracy.
    outputs : ndarray of shape (n_images, n_columns) or None
        Of other tasks than classes: what each image was given by the fit that it was left out of.
    """

    candidate: Candidate
    accuracy: float | None
    log_loss: float | None
    seconds: float
    right: NDArray[np.bool_]
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    score: float | None = None
    outputs: NDArray[np.float64] | None = None

    @property
    def ranked_by(self) -> float:
        """The score, or the accuracy where there is none; the least of all where neither is known."""
        found = self.accuracy if self.score is None else self.score
        return -np.inf if found is None else found


def rank_of(tried: Tried) -> tuple[float, float]:
    """Return the sort key of candidates: score or accuracy, then log loss."""
    score = tried.ranked_by
    return -(round(score, 12) if np.isfinite(score) else score), tried.log_loss or 0.0
