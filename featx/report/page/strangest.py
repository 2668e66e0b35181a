"""What the page of an evaluation shows of strange images: the strangest of those measured, and how well strangers are told."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.verbs.evaluate import Evaluation

MOST_STRANGE = 12

_TEXT = (
    "Farthest from the training images of every class, or of no class that the head is sure of. Look for pictures that do not "
    "belong here, and for kinds of picture that the training images lack. The number is unfamiliar: the share of genuine "
    "images that are as strange or stranger."
)


def strangest_first(evaluation: Evaluation) -> NDArray[np.intp]:
    """Return the positions of the strangest images; none from a model that cannot tell."""
    if evaluation.unfamiliar is None:
        return np.empty(0, np.intp)
    return np.argsort(evaluation.unfamiliar, kind="stable")[:MOST_STRANGE]


def strangest_gallery(evaluation: Evaluation, show: Callable[[int], dict[str, str]]) -> list[dict[str, Any]]:
    """Return the gallery of the strangest images, or none; ``show`` gives what a gallery shows of an image."""
    if evaluation.unfamiliar is None:
        return []
    images = []
    for place in strangest_first(evaluation).tolist():
        shown = show(place)
        images.append(shown | {"caption": f"{evaluation.unfamiliar[place]:.3f}: {shown['caption']}"})
    return [{"id": "strangest", "title": "Strangest images", "text": _TEXT, "images": images}]


def stranger_figures(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return label, value and note of the figures on images of none of the model's classes."""
    found = evaluation.strangers
    if found is None:
        return []
    told, intervals = found.separation, found.separation.intervals

    def between(name: str) -> str:
        return "{:.3f} to {:.3f}".format(*intervals[name])

    note = f"{between('auroc')}; of confidence alone {told.auroc_of_confidence:.3f}"
    caught = f"{between('caught')}; of the {len(evaluation.y):,} measured {told.false_alarms:.3f}"
    return [
        (f"AUROC of {found.images:,} unknown images", f"{told.auroc:.3f}", note),
        (f"Called unknown at {told.level:g}", f"{told.caught:.3f}", caught),
    ]
