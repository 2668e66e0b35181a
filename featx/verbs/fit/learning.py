"""Which images of a cache a head learns from, and which validate it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, SingleClassError, TaskError
from featx.store import Catalog
from featx.system.digests import are_among
from featx.task import LEAST_SPREAD, Task


@dataclasses.dataclass(frozen=True)
class LearningImages:
    """The training, validation and test images of a catalog.

    Parameters
    ----------
    train, val, test : ndarray, int64
        Rows in the catalog; of val and test those whose class can be learned.
    task : Task
        What is learned; of grades, those that can be learned.
    class_names : tuple of str
        Classes that can be learned: label i is the i-th. Of labels these, of numbers none.
    rows, views : ndarray of shape (n,), int64
        What is learned from: a row of the catalog for every view of every training image, and the view.
    y, y_val : ndarray
        Labels of ``rows`` and of ``val`` (int64); of labels and numbers the targets (n, n_names), float64, NaN for not known.
    notes : list of str
        Remarks for the user about other classes and duplicates.
    weights, weights_val : ndarray of float64, or None
        How much each of ``rows`` and of ``val`` counts; None where all count alike.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    task: Task
    class_names: tuple[str, ...]
    rows: NDArray[np.int64]
    views: NDArray[np.int64]
    y: NDArray[Any]
    y_val: NDArray[Any]
    notes: list[str]
    weights: NDArray[np.float64] | None = None
    weights_val: NDArray[np.float64] | None = None


def choose_images(catalog: Catalog, folder: Path) -> LearningImages:
    """Choose the images that a head learns from, and those that validate and test it.

    Parameters
    ----------
    catalog : Catalog
        The listing.
    folder : Path
        Of the cache, for messages.

    Raises
    ------
    HeadError
        If there are no training images.
    SingleClassError
        If they are all of one class.
    TaskError
        If a label is on all training images or on none, or a target is the same on all.
    """
    train = catalog.learned_from()
    if not len(train) and len(catalog.rows("train")):
        raise HeadError(f"{folder}: all training images weigh 0. Give some a weight, or extract with --weight-column none.")
    if not len(train):
        raise HeadError(f"{folder}: has no training images. Put some into train/, or extract with a smaller --test-fraction.")
    if catalog.targets is not None:
        return _with_targets(catalog, catalog.targets, train, folder)
    learned = np.unique(catalog.labels[train])
    class_names = tuple(catalog.class_names[label] for label in learned)
    if len(class_names) < 2:
        raise SingleClassError(
            f"{folder}: all {len(train)} training images are of one class, {class_names[0]!r}. "
            "A classifier needs at least two: add a folder of images of another class and extract again."
        )
    notes = []
    for label, name in enumerate(catalog.class_names):
        if label not in learned:
            notes.append(f"class {name!r} has no training image: it cannot be learned")
    # An image of another class is never right and in no figure.
    task = Task("grades", class_names) if catalog.task.is_ordered else catalog.task
    val, test = (some[np.isin(catalog.labels[some], learned)] for some in (catalog.rows("val"), catalog.rows("test")))
    notes += _duplicate_notes(catalog, train, val)
    rows, views = catalog.learning_rows()
    y, y_val = (np.searchsorted(learned, catalog.labels[some]).astype(np.int64) for some in (rows, val))
    weights = catalog.weights_of(rows), catalog.weights_of(val)
    return LearningImages(train, val, test, task, class_names, rows, views, y, y_val, notes, *weights)


def _duplicate_notes(catalog: Catalog, train: NDArray[np.int64], val: NDArray[np.int64]) -> list[str]:
    leaked = int(are_among(catalog.digests[val], catalog.digests[train]).sum())
    if not leaked:
        return []
    return [f"{leaked} of {len(val)} validation images are exact duplicates of training images: they flatter the head"]


def _with_targets(catalog: Catalog, targets: NDArray[np.float64], train: NDArray[np.int64], folder: Path) -> LearningImages:
    """Choose the images of labels or numbers: those of which something is known."""
    task = catalog.task
    for name, column in zip(task.names, targets[train].T, strict=True):
        _check_column(task, name, column[~np.isnan(column)], folder)
    val, test = catalog.known_rows("val"), catalog.known_rows("test")
    rows, views = catalog.learning_rows()
    return LearningImages(
        train,
        val,
        test,
        task,
        task.names if task.has_probabilities else (),
        rows,
        views,
        targets[rows],
        targets[val],
        _duplicate_notes(catalog, train, val),
        catalog.weights_of(rows),
        catalog.weights_of(val),
    )


def _check_column(task: Task, name: str, known: NDArray[np.float64], folder: Path) -> None:
    """Refuse a label or target that tells nothing about the training images."""
    if len(known) > 1 and np.ptp(known) > LEAST_SPREAD:
        return
    if not len(known):
        found = "is known of no training image"
    elif task.kind == "labels":
        found = f"is {'on all' if known[0] else 'on none'} of the {len(known)} training images of which it is known"
    else:
        found = f"is {known[0]:g} on all {len(known)} training images of which it is known"
    raise TaskError(
        f"{folder}: {task.noun} {name!r} {found}, so that nothing can be learned of it. Leave the column out, or add images.",
        wrong_value=True,
    )
