"""The verb fit: a head on cached features."""

from featx.verbs.fit.fit import FitResult, fit_head
from featx.verbs.fit.learning import LearningImages, choose_images

__all__ = [
    "FitResult",
    "LearningImages",
    "choose_images",
    "fit_head",
]
