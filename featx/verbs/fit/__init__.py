"""The verb fit: a head on cached features."""

from featx.verbs.fit.fit import fit_head
from featx.verbs.fit.learning import LearningImages, choose_images
from featx.verbs.fit.result import FitResult

__all__ = [
    "FitResult",
    "LearningImages",
    "choose_images",
    "fit_head",
]
