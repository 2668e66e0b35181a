"""What a model keeps of its training images so that it knows strangers; which images it learns that from."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.models.familiarity import MOST_JUDGING, MOST_TRAINING, Familiarity
from featx.models.features import HeadFeatures
from featx.models.model import Model
from featx.store import FeatureCache
from featx.system.digests import Digests, are_among, first_alike


def learn_familiarity(
    model: Model,
    store: FeatureCache,
    train: NDArray[np.int64],
    val: NDArray[np.int64],
    weights: Path | None = None,
) -> Familiarity | None:
    """Learn from the clean training images of a cache, and make the scale of its validation images.

    Of equal files one counts, and none validates that was learned from: they would make the scale too narrow. Of very many
    images some are drawn, as many of each class as can be.

    Parameters
    ----------
    model : Model
        Fitted on them.
    store : FeatureCache
        Where their features are.
    train, val : ndarray, int64
        Rows of its catalog.
    weights : Path or None
        The backbone's, where the model is fine-tuned.

    Returns
    -------
    familiarity : Familiarity or None
        As ``Familiarity.learn``.

    Raises
    ------
    CacheError
        If features cannot be read.
    """
    catalog, features = store.catalog, HeadFeatures(model, weights)
    # All images of labels or numbers are of one kind.
    n_kinds = len(model.class_names) if model.task.has_classes else 1
    labels = np.array([_label(model, name) for name in catalog.class_names] if model.task.has_classes else [0])
    train = _different(catalog.digests, train)
    val = _different(catalog.digests, val)
    val = val[~are_among(catalog.digests[val], catalog.digests[train])]
    most = MOST_JUDGING if model.tail else MOST_TRAINING  # through fine-tuned layers an image takes a thousand times as long
    train = _some_of_each(train, catalog.labels[train], most)
    val = _some_of_each(val, catalog.labels[val], MOST_JUDGING)
    averages = features.averages_of_cache(store, train)
    judging, probabilities = averages[:0], np.empty((0, n_kinds))
    if len(val):
        blocks = list(features.with_averages_of_cache(store, val))
        judging = np.concatenate([block for _, _, block in blocks])
        probabilities = np.concatenate([model.shares_of(model.outputs(X)) for _, X, _ in blocks])
    return Familiarity.learn(averages, labels[catalog.labels[train]], n_kinds, judging, probabilities)


def _label(model: Model, name: str) -> int:
    return model.class_names.index(name) if name in model.class_names else -1


def _different(digests: Digests, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each content."""
    return rows[np.flatnonzero(first_alike(digests[rows]) == np.arange(len(rows)))]


def _some_of_each(rows: NDArray[np.int64], labels: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """Draw at most so many rows, as evenly over the classes as they allow, ascending."""
    if len(rows) <= most:
        return rows
    order = np.random.default_rng(0).permutation(len(rows))
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    number_in_class = np.arange(len(rows)) - np.repeat(starts, counts)
    drawn: NDArray[np.int64] = rows[order[np.argsort(number_in_class, kind="stable")[:most]]]
    return np.sort(drawn)
