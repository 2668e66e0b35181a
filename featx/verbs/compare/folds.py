"""The training images of a cache, dealt into folds."""

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, TooFewImages
from featx.heads import check_seed
from featx.images import deal_folds, strata_of
from featx.store import Catalog, FeatureCache
from featx.system.digests import first_alike
from featx.system.kinds import is_whole, shown
from featx.system.linked import group_pairs
from featx.task import LEAST_SPREAD, Task

# Of a fold's training images, for heads that stop by a validation loss: those left out of the fold must not decide that.
_INNER_FOLDS = 7


@dataclasses.dataclass(frozen=True)
class TrainingImages:
    """The training images of a cache, cut into folds.

    Parameters
    ----------
    store : FeatureCache
        Where their features are.
    layer : str
        Which of them.
    rows : ndarray of shape (n_images,), int64
        Rows of the catalog.
    labels : ndarray of shape (n_images,), int64
        Positions in ``class_names``; 0 of labels and numbers, which have ``targets``.
    class_names : tuple of str
        Classes or grades that have training images; of labels all labels, of numbers none.
    fold_of : ndarray of shape (n_images,), int64
        Fold that each image is left out of. Duplicates share a fold, and classes are spread evenly.
    inner_val : ndarray of shape (n_images,), bool
        Images that validate where a head stops by a validation loss, unless they are left out themselves.
    weights : ndarray of shape (n_images,), float64, or None
        How much each counts; None where all count alike.
    task : Task
        What is learned.
    targets : ndarray of shape (n_images, n_names), float64, or None
        Of labels and numbers, NaN for not known.
    """

    store: FeatureCache
    layer: str
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    fold_of: NDArray[np.int64]
    inner_val: NDArray[np.bool_]
    weights: NDArray[np.float64] | None = None
    task: Task = Task()  # noqa: RUF009 - frozen
    targets: NDArray[np.float64] | None = None

    @property
    def y(self) -> NDArray[Any]:
        """What a head learns: ``labels`` of classes and grades, ``targets`` of the others."""
        return self.labels if self.targets is None else self.targets

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Name the classes or labels that a head has too few images of, for as long as the block runs.

        Raises
        ------
        TooFewImages
            As the block raises it.
        """
        try:
            yield
        except TooFewImages as error:
            raise error.named(self.class_names) from None

    def validating(self, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which images (n_images,), of those used, validate a head that stops by a validation loss.

        Never all that are left of a class, of a label or its absence, or all but one of those that tell a number: these are for
        learning.
        """
        chosen = self.inner_val & used
        if self.targets is None:
            return chosen & np.isin(self.labels, self.labels[used & ~chosen])
        for column in self.targets.T:
            for value in (0, 1) if self.task.kind == "labels" else ():
                if not (used & ~chosen & (column == value)).any():
                    chosen &= column != value
            left = column[used & ~chosen & ~np.isnan(column)]
            if self.task.kind == "numbers" and (len(left) < 2 or np.ptp(left) <= LEAST_SPREAD):
                chosen &= np.isnan(column)
        return chosen

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold_of.max()) + 1


def cut_into_folds(
    store: FeatureCache, layer: str, n_folds: int, seed: int, groups: NDArray[np.int64] | None = None, *, by_group: bool = True
) -> TrainingImages:
    """Deal the training images of a cache into folds.

    Parameters
    ----------
    store : FeatureCache
        A finished cache.
    layer : str
        One of its layers.
    n_folds : int
        How many, from 2 to 100; fewer where a class has fewer different images, but at least two.
    seed : int
        Another seed deals otherwise.
    groups : ndarray of shape (n_images,), int64, or None
        Training images of one of these groups share a fold too, as exact duplicates and those of a group of the catalog do.
    by_group : bool
        Whether the catalog's groups count; without, only copies share a fold, and it shows what the groups are for.

    Raises
    ------
    HeadError
        If a class has but one image: left out, nothing is left to learn it from.
    """
    check_seed(seed)
    if not is_whole(n_folds) or not 2 <= n_folds <= 100:
        raise HeadError(f"--folds must be from 2 to 100. Received: {shown(n_folds)}.", wrong_value=True)
    catalog = store.catalog
    rows = catalog.learned_from()
    if groups is not None:
        groups = groups[np.isin(catalog.rows("train"), rows)]
    contents = _shown_alike(catalog, rows, groups, by_group)
    if catalog.targets is not None:
        return _cut_targets(store, layer, n_folds, seed, rows, contents)
    present, labels = np.unique(catalog.labels[rows], return_inverse=True)
    different = [len(np.unique(contents[labels == label])) for label in range(len(present))]
    fewest = min(different, default=0)
    if fewest < 2 or len(present) < 2:
        name = catalog.class_names[present[int(np.argmin(different))]] if different else ""
        raise HeadError(
            f"{store.folder}: cross-validation needs two classes of at least 2 different training images each. "
            f"Received: {len(present)} classes, {fewest} of {name!r}. Add images, or fit one head with its own settings."
        )
    fold_of = _deal(labels, contents, min(n_folds, fewest), seed)
    inner_val = _deal(labels, contents, min(_INNER_FOLDS, fewest), seed + 1) == 0
    names = tuple(catalog.class_names[label] for label in present)
    task = Task("grades", names) if catalog.task.is_ordered else catalog.task
    of_images = rows, labels.astype(np.int64), names, fold_of, inner_val, catalog.weights_of(rows)
    return TrainingImages(store, layer, *of_images, task=task)


def _cut_targets(
    store: FeatureCache,
    layer: str,
    n_folds: int,
    seed: int,
    rows: NDArray[np.int64],
    contents: NDArray[np.int64],
) -> TrainingImages:
    """Deal images of labels or numbers; errors as for ``cut_into_folds``."""
    catalog = store.catalog
    task, targets = catalog.task, catalog.targets
    assert targets is not None
    targets, least = targets[rows], len(rows)
    for name, column in zip(task.names, targets.T, strict=True):
        known = ~np.isnan(column)
        sides = [known & (column == value) for value in (0, 1)] if task.kind == "labels" else [known]
        fewest = min(len(np.unique(contents[side])) for side in sides)
        least = min(least, fewest)
        if fewest < 2:
            what = "with and without" if task.kind == "labels" else "with a known value of"
            raise HeadError(
                f"{store.folder}: cross-validation needs at least 2 different training images {what} {task.noun} {name!r}. "
                f"Received: {fewest}. Add images, or fit one head with its own settings."
            )
    strata = strata_of(task, catalog.labels[rows], targets)
    fold_of = deal_folds(strata, contents, min(n_folds, least), seed)
    inner_val = deal_folds(strata, contents, min(_INNER_FOLDS, least), seed + 1) == 0
    names = task.names if task.has_probabilities else ()
    of_images = rows, np.zeros(len(rows), np.int64), names, fold_of, inner_val, catalog.weights_of(rows)
    return TrainingImages(store, layer, *of_images, task=task, targets=targets)


def _shown_alike(
    catalog: Catalog, rows: NDArray[np.int64], groups: NDArray[np.int64] | None, by_group: bool
) -> NDArray[np.int64]:
    """Return the group of each image, numbered by what it contains, so that the names and order of files play no part.

    Images of one content share a group, those of a group of the catalog, and those of one of the groups given.
    """
    _, contents = np.unique(catalog.digests[rows], axis=0, return_inverse=True)
    contents = contents.reshape(-1)
    own = catalog.joined_groups(rows) if by_group else first_alike(catalog.digests[rows])
    if groups is not None:
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        places = np.arange(len(rows))
        own = group_pairs(len(rows), np.concatenate([np.stack([places, link], axis=1) for link in (own, first[group])]))
    least = contents.copy()
    np.minimum.at(least, own, contents)
    return np.asarray(least[own], np.int64)


def _deal(labels: NDArray[np.int64], contents: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    from sklearn.model_selection import StratifiedGroupKFold  # here, not above: importing featx must not load scikit-learn

    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    fold_of = np.empty(len(labels), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of duplicates cannot be in every fold
        for fold, (_, left_out) in enumerate(splitter.split(labels, labels, contents)):
            fold_of[left_out] = fold
    return fold_of
