"""Which images of a cache a head learns from, and which validate it."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, SingleClassError
from featx.store import Catalog
from featx.system.digests import are_among


@dataclasses.dataclass(frozen=True)
class LearningImages:
    """The training, validation and test images of a catalog.

    Parameters
    ----------
    train, val, test : ndarray, int64
        Rows in the catalog; of val and test those whose class can be learned.
    class_names : tuple of str
        Classes that can be learned: label i is the i-th.
    rows, views : ndarray of shape (n,), int64
        What is learned from: a row of the catalog for every view of every training image, and the view.
    y, y_val : ndarray, int64
        Labels of ``rows`` and of ``val``.
    notes : list of str
        Remarks for the user about other classes and duplicates.
    weights, weights_val : ndarray of float64, or None
        How much each of ``rows`` and of ``val`` counts; None where all count alike.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    class_names: tuple[str, ...]
    rows: NDArray[np.int64]
    views: NDArray[np.int64]
    y: NDArray[np.int64]
    y_val: NDArray[np.int64]
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
    """
    train = catalog.learned_from()
    if not len(train) and len(catalog.rows("train")):
        raise HeadError(f"{folder}: all training images weigh 0. Give some a weight, or extract with --weight-column none.")
    if not len(train):
        raise HeadError(f"{folder}: has no training images. Put some into train/, or extract with a smaller --test-fraction.")
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
    val, test = (some[np.isin(catalog.labels[some], learned)] for some in (catalog.rows("val"), catalog.rows("test")))
    if leaked := int(are_among(catalog.digests[val], catalog.digests[train]).sum()):
        notes.append(f"{leaked} of {len(val)} validation images are exact duplicates of training images: they flatter the head")
    rows, views = catalog.learning_rows()
    y, y_val = (np.searchsorted(learned, catalog.labels[some]).astype(np.int64) for some in (rows, val))
    weights = catalog.weights_of(rows), catalog.weights_of(val)
    return LearningImages(train, val, test, class_names, rows, views, y, y_val, notes, *weights)
