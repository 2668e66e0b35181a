"""What the page of an evaluation shows of strange images: the strangest of those measured, and how well strangers are told."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson
from featx.report.text.shares import interval_text, share_text
from featx.system.counts import is_or_are, number_of
from featx.verbs.evaluate import Evaluation

MOST_STRANGE = 12

STRANGE = 0.05
"""An image is called strange if no more than this share of genuine images is as strange."""

_WHAT = (
    "The number is unfamiliar: the share of genuine images that are as strange or stranger, by their distance to the training "
    "images of every class and by how sure the head is."
)


def _text(unfamiliar: NDArray[np.float64]) -> str:
    """Say how strange the strangest are, against what is to be expected of as many images of the model's classes."""
    strange, n_images = int((unfamiliar <= STRANGE).sum()), len(unfamiliar)
    if not strange:
        return f"None of these is strange: of genuine images more than {STRANGE:.0%} are stranger than each. {_WHAT}"
    low, _ = wilson(strange, n_images)
    are = f"{strange:,} of {number_of(n_images, 'image')} {is_or_are(strange)}"
    count = f"{are} as strange as the strangest {STRANGE:.0%} of genuine images"
    if low <= STRANGE:
        return f"{count}: no more than are to be expected. {_WHAT}"
    return (
        f"{count}, more than are to be expected. Look for pictures that do not belong here, and for kinds of picture that the "
        f"training images lack. {_WHAT}"
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
        images.append(shown | {"caption": f"{share_text(evaluation.unfamiliar[place])}: {shown['caption']}"})
    return [{"id": "strangest", "title": "Strangest images", "text": _text(evaluation.unfamiliar), "images": images}]


def stranger_figures(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return label, value and note of the figures on images of none of the model's classes."""
    found = evaluation.strangers
    if found is None:
        return []
    told, intervals = found.separation, found.separation.intervals

    def between(name: str) -> str:
        return interval_text(intervals[name])

    note = f"{between('auroc')}; of confidence alone {share_text(told.auroc_of_confidence)}"
    caught = f"{between('caught')}; of the {len(evaluation.y):,} measured {share_text(told.false_alarms)}"
    return [
        (f"AUROC of {number_of(found.images, 'unknown image')}", share_text(told.auroc), note),
        (f"Called unknown at {told.level:g}", share_text(told.caught), caught),
    ]
