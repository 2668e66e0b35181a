"""Folds of images that have several labels or numbers: alike in each, whole groups together."""

import numpy as np
from numpy.typing import NDArray

from featx.images.listing.grouped import Groups, deal_labelled
from featx.images.listing.strata import Strata


def deal_folds(strata: Strata, members: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each image (n_images,), from 0 on; images of one group share a fold.

    Parameters
    ----------
    strata : ndarray of shape (n_images,), int32, or of shape (n_images, n_strata), bool
        Of each image; see ``strata_of``.
    members : ndarray of shape (n_images,), int64
        Images of one number are of one group.
    n_folds : int
        How many.
    seed : int
        Another seed deals otherwise.

    References
    ----------
    Sechidis, Tsoumakas & Vlahavas (2011), On the stratification of multi-label data, algorithm 1.
    """
    _, group = np.unique(members, return_inverse=True)
    # A random start in the numbers of folds: ties go to the first, which would be the largest fold every time.
    rng = np.random.default_rng(seed)
    draws, names = rng.random(len(group)), rng.permutation(n_folds)
    groups = Groups.of(group.reshape(-1), strata, draws)
    total = np.bincount(groups.labels, groups.counts)
    room = np.repeat(total[None] / n_folds, n_folds, axis=0)
    fold_of = np.zeros(len(groups), np.int8)
    deal_labelled(groups, np.arange(len(groups)), room, fold_of)
    return np.asarray(names[fold_of][group.reshape(-1)], np.int64)
