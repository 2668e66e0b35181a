"""Sentences on what was measured, each only where the figures bear it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from featx.models import Model
from featx.system.counts import is_or_are, number_of, was_or_were
from featx.verbs.evaluate.sources import Measured

FEW_IMAGES = 30
"""The figures of a class with fewer images are hardly more than an impression."""

_MOST_NAMED = 10


def note_source(model: Model, measured: Measured) -> list[str]:
    """Return a note if the cache now lists another folder than the folder that the model was fitted on."""
    fitted_on = model.source.get("images", "")
    if fitted_on in ("", measured.source):
        return []
    return [f"the cache now lists {measured.source}; the model was fitted on {fitted_on}"]


def note_measured(
    model: Model,
    measured: Measured,
    counts: Mapping[str, int],
    without: float | None,
    support: NDArray[np.int64],
    figure: str = "accuracy",
) -> list[str]:
    """Return what a reader of the figures must know.

    Parameters
    ----------
    model : Model
        The model.
    measured : Measured
        The images, and where their probabilities come from.
    counts : mapping of str to int
        ``seen_in_training``, and ``near_duplicates`` where they are known.
    without : float or None
        The accuracy without these images, or another figure.
    support : ndarray of shape (n_classes,), int64
        Images of each of the model's classes.
    figure : str
        What ``without`` is.
    """
    seen, near, n_images = counts["seen_in_training"], counts.get("near_duplicates", 0), len(measured.paths)
    notes = []
    if seen:
        them = "it" if seen == 1 else "them"
        notes.append(
            f"{seen:,} of {number_of(n_images, 'image')} {was_or_were(seen)} in the training set: on {them} the model only "
            "repeats what it saw"
        )
    if near:
        them = f"{'it' if near == 1 else 'them'} and the images seen in training" if seen else "it" if near == 1 else "them"
        rest = f"no image is left without {them}"
        if without is not None:
            rest = f"{figure} without {them} {without:.3f}, n = {n_images - seen - near}"
        notes.append(f"near duplicates of training images: {near:,} of {n_images:,}; {rest}")
    if measured.split == "val" and len(model.history.get("val_loss", ())) > 1:
        notes.append("these validation images chose the epoch that was kept: expect slightly less on new images")
    if measured.split == "val" and model.calibration.kind != "none":
        what = "curve" if model.isotonic else "temperature"
        notes.append(f"these validation images set the {what} too: only new images show how well confidence matches accuracy")
    if absent := [model.class_names[i] for i in np.flatnonzero(support == 0)]:
        notes.append(f"no images of {_some(absent)} were measured")
    if measured.unknown:
        notes.append(_about_unknown(measured.unknown, model))
    if rejected := len(measured.rejected):
        is_in = "is in no figure" if rejected == 1 else "are in no figure"
        notes.append(f"{number_of(rejected, 'image')} {was_or_were(rejected)} rejected and {is_in}")
    return notes


def _about_unknown(count: int, model: Model) -> str:
    images = f"{number_of(count, 'image')} {is_or_are(count)}"
    if model.task.has_targets:
        return f"nothing is known of {number_of(count, 'image')}, and {'it is' if count == 1 else 'they are'} in no figure"
    return (
        f"{images} of {'a class' if count == 1 else 'classes'} that had no training image: no head could know "
        f"{'it, and it is' if count == 1 else 'them, and they are'} in no figure"
    )


def cautions(model: Model, support: NDArray[np.int64], duplicates: int, right: int) -> list[str]:
    """Return what weakens the figures: few images, a single class, copies, an accuracy that a constant answer reaches.

    Parameters
    ----------
    model : Model
        The model.
    support : ndarray of shape (n_classes,), int64
        Images of each of its classes.
    duplicates : int
        Images whose content another of them has too.
    right : int
        Images whose class was found.
    """
    found = _few(model.class_names, support)
    present = np.flatnonzero(support)
    if len(present) == 1:
        found.append(
            f"all images measured are of one class, {model.class_names[present[0]]!r}: precision is 1 wherever the class is "
            "found at all, and accuracy, balanced accuracy and recall are one figure"
        )
    elif right <= support.max():
        largest = model.class_names[int(support.argmax())]
        found.append(
            f"always answering {largest!r} would be right for {support.max():,} of {support.sum():,} images, the model is for "
            f"{right:,}"
        )
    if duplicates:
        copies = (
            "1 image is an exact copy of another" if duplicates == 1 else f"{duplicates:,} images are exact copies of others"
        )
        found.append(f"{copies} among those measured: each counts again")
    return found


def _few(class_names: Sequence[str], support: NDArray[np.int64]) -> list[str]:
    """Say which classes have few images, and what a single one of these moves."""
    few, present = np.flatnonzero((support > 0) & (support < FEW_IMAGES)), int((support > 0).sum())
    if not len(few):
        return []
    least, most = int(support[few].min()), int(support[few].max())
    if present == 1:
        what = f"the class measured has fewer than {FEW_IMAGES} images ({_counted(class_names, support, few)})"
    elif len(few) == present:
        smallest = f"{least}" if least == most else f"{least} to {most}"
        what = f"each of the {present} classes measured has fewer than {FEW_IMAGES} images ({smallest})"
    else:
        has = "has" if len(few) == 1 else "have"
        named = _counted(class_names, support, few)
        what = f"{len(few)} of {present} classes measured {has} fewer than {FEW_IMAGES} images ({named})"
    recall = f"{1 / least:.2g}" if least == most else f"{1 / most:.2g} to {1 / least:.2g}"
    moves = f"one of them moves the recall of its class by {recall}"
    if present > 1:
        moves += f", the balanced accuracy by {'' if least == most else 'up to '}{1 / (least * present):.2g}"
    return [f"{what}: {moves} and the accuracy by {1 / int(support.sum()):.2g}"]


def _counted(class_names: Sequence[str], support: NDArray[np.int64], some: NDArray[np.intp]) -> str:
    more = f", and {len(some) - _MOST_NAMED} more" if len(some) > _MOST_NAMED else ""
    return ", ".join(f"{class_names[i]!r} {support[i]}" for i in some[:_MOST_NAMED].tolist()) + more


def _some(names: Sequence[str]) -> str:
    more = f" and {number_of(len(names) - _MOST_NAMED, 'more class')}" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
