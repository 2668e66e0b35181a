"""Images that do not fit their label, or no class at all: from one ridge fit and its exact leave-one-out."""

import dataclasses
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from featx.heads import make_head
from featx.store import CachedRows

# Of a normal distribution, the median absolute deviation is this share of the standard deviation.
_MAD = NormalDist().inv_cdf(0.75)

_LEAST_PROBABILITY = 1e-9


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a head predicts for images that it was fitted without.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of each class, by the fit that the image was left out of.
    suggested : ndarray of shape (n,), int64
        The most likely class other than the label.
    odds : ndarray of shape (n,)
        How many times as likely that class is as the label; 0 where the class has no other image to learn it from.
    """

    probabilities: NDArray[np.float64]
    suggested: NDArray[np.int64]
    odds: NDArray[np.float64]


def judge_labels(X: CachedRows, labels: NDArray[np.int64]) -> Judged:
    """Measure how well the label of each image fits, by a head fitted on all the others.

    Parameters
    ----------
    X : CachedRows of shape (n, n_features)
        Pooled features, of images no two of which are duplicates: a copy left in the fit would vouch for its twin's label.
    labels : ndarray of shape (n,), int64
        From 0 to n_classes - 1, each at least once, at least two of them.

    Returns
    -------
    judged : Judged

    Raises
    ------
    HeadError
        If there are too many features for a ridge regression.
    """
    head = make_head("ridge")
    head.fit(X, labels)
    probabilities: NDArray[np.float64] = head.left_out_proba(X, labels)  # type: ignore[attr-defined] # a ridge has it
    each = np.arange(len(labels))
    of_label = np.maximum(probabilities[each, labels], _LEAST_PROBABILITY)
    others = probabilities.copy()
    others[each, labels] = -1
    suggested = others.argmax(axis=1)
    alone = np.bincount(labels)[labels] == 1
    return Judged(probabilities, suggested, np.where(alone, 0.0, others[each, suggested] / of_label))


def confused(judged: Judged, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each two classes the share of their images that fit the other better: (n_classes, n_classes), symmetric."""
    n_classes = judged.probabilities.shape[1]
    better = np.zeros((n_classes, n_classes))
    for label in range(n_classes):
        mine = judged.probabilities[labels == label]
        better[label] = (mine > mine[:, label : label + 1]).sum(axis=0)
    counts = np.bincount(labels, minlength=n_classes)
    shares: NDArray[np.float64] = (better + better.T) / (counts[:, None] + counts)
    return shares


def distances_from_classes(X: CachedRows, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far each image is from the middle of the nearest class (n,), in standard deviations within the classes.

    Each image is compared with a middle that it has no part in. The features are read twice, a block at a time.

    Parameters
    ----------
    X : CachedRows of shape (n, n_features)
        Pooled features.
    labels : ndarray of shape (n,), int64
        From 0 to n_classes - 1, each at least once.
    """
    n_classes, n_columns = int(labels.max()) + 1, X.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    sums, squares = np.zeros((n_classes, n_columns)), np.zeros(n_columns)
    for at, block in X.blocks():
        values = block.astype(np.float64)
        np.add.at(sums, labels[at], values)
        squares += np.einsum("ij,ij->j", values, values)
    middles = sums / counts[:, None]
    within = (squares - np.einsum("c,cj,cj->j", counts.astype(np.float64), middles, middles)) / max(len(labels) - n_classes, 1)
    varies = within > 1e-12 * squares.max(initial=1e-300) / len(labels)
    deviation = np.sqrt(within[varies])
    scaled = middles[:, varies] / deviation
    distances = np.empty(len(labels))
    for at, block in X.blocks():
        values = block[:, varies] / deviation
        each = np.arange(len(values))
        squared = np.einsum("ij,ij->i", values, values)[:, None] - 2 * values @ scaled.T + np.einsum("ij,ij->i", scaled, scaled)
        # Its own class, less itself: the middle moves away from it. A class of one image has no middle without it.
        n_own = counts[labels[at]]
        squared[each, labels[at]] *= (n_own / np.maximum(n_own - 1, 1)) ** 2
        squared[each[n_own == 1], labels[at][n_own == 1]] = np.inf
        distances[at] = np.sqrt(np.maximum(squared.min(axis=1), 0) / max(int(varies.sum()), 1))
    return distances


def far_out(values: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Return how far each value lies above the usual, as a multiple of what one in n would reach by chance: (n,).

    Median and median absolute deviation are what is usual, so that the values which are not do not decide it. Above 1 lie
    those of which, were the values spread normally, fewer than one would be expected.
    """
    middle = np.median(values)
    deviation = np.median(np.abs(values - middle)) / _MAD
    reach = NormalDist().inv_cdf(1 - 1 / max(n, 3))
    return np.asarray((values - middle) / max(float(deviation), 1e-12) / reach, np.float64)
