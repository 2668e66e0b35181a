"""Whether sets of classes keep their promise: how many hold the right class, how large they are, and in which classes not."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.models import Model, SetMaker, wilson

LEVEL = 0.9
"""That is measured where none is asked for."""


@dataclasses.dataclass(frozen=True)
class ClassSets:
    """The sets of the images of one class: how many images, the share that hold it, their mean size; None without images."""

    class_name: str
    images: int
    coverage: float | None
    mean_size: float | None


@dataclasses.dataclass(frozen=True)
class SetMeasures:
    """Sets of classes, measured.

    Parameters
    ----------
    level : float
        The share of sets that are to hold the right class.
    method : str
        ``lac`` or ``aps``.
    coverage : float
        The share that do.
    interval : (low, high)
        A 95 % interval of it, as so few images were measured (Wilson's).
    mean_size : float
        Classes a set.
    sizes : dict of int to int
        Classes in a set to number of sets.
    per_class : list of ClassSets
        The same by true class: the promise is of all images, and a hard class may get less of it.
    calibration_images : int
        Validation images that the sets rest on.
    notes : list of str
        What a reader should know.
    """

    level: float
    method: str
    coverage: float
    interval: tuple[float, float]
    mean_size: float
    sizes: dict[int, int]
    per_class: list[ClassSets]
    calibration_images: int
    notes: list[str]

    @property
    def worst(self) -> ClassSets | None:
        """The class that is least often in its images' sets, if that is below the level."""
        below = [one for one in self.per_class if one.coverage is not None and one.coverage < self.level]
        return min(below, key=lambda one: one.coverage or 0.0, default=None)


def choose_sets(model: Model, path: Path, level: float | None, method: str | None, tta: bool) -> SetMaker | None:
    """Return what makes the sets to measure; None where nothing was asked for and nothing can be made.

    Raises
    ------
    HeadError, ModelError
        If sets were asked for that cannot be made.
    """
    if level is None and method is None and (model.conformal is None or tta):
        return None
    return SetMaker.of(model, path, LEVEL if level is None else level, method, tta=tta)


def measure_sets(
    maker: SetMaker, probabilities: NDArray[np.float64], y: NDArray[np.int64], class_names: Sequence[str]
) -> SetMeasures:
    """Measure the sets of images (n_images, n_classes) whose labels (n_images,) are known."""
    chosen = maker(probabilities)
    held, size = chosen[np.arange(len(y)), y], chosen.sum(axis=1)
    n_classes = len(class_names)
    images, held_of, size_of = (np.bincount(y, weights, minlength=n_classes) for weights in (None, held, size))
    per_class = [
        ClassSets(name, int(n), float(held_of[i] / n) if n else None, float(size_of[i] / n) if n else None)
        for i, (name, n) in enumerate(zip(class_names, images, strict=True))
    ]
    sizes, counts = np.unique(size, return_counts=True)
    return SetMeasures(
        level=maker.level,
        method=maker.method,
        coverage=float(held.mean()),
        interval=wilson(int(held.sum()), len(y)),
        mean_size=float(size.mean()),
        sizes=dict(zip(sizes.tolist(), counts.tolist(), strict=True)),
        per_class=per_class,
        calibration_images=maker.conformal.images,
        notes=maker.notes,
    )
