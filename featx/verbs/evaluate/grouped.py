"""Images that come in groups or weigh differently: how precise their figures are, and which groups were learned from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW_GROUPS = 20
"""Intervals drawn from fewer groups are too narrow: chance has too few ways to choose."""

WEIGHTED = (
    "accuracy, balanced accuracy, precision, recall, F1, log loss and their intervals count each image by its weight; numbers "
    "of images, the matrix, curves and confidence count all alike"
)
"""Said of figures of images that weigh differently."""


class GroupedAnswers:
    """Answers by the group of each image, to be drawn with whole groups.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_images,), int64
        True and predicted labels.
    groups : ndarray of shape (n_images,), int64
        Group of each.
    weights : ndarray of shape (n_images,), float64, or None
        How much each counts; by default all alike.
    """

    def __init__(
        self,
        y: NDArray[np.int64],
        predicted: NDArray[np.int64],
        groups: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        _, group = np.unique(groups, return_inverse=True)
        self.n_groups = int(group.max()) + 1
        # In the order of the confusion matrix' cells that are not empty.
        entries, place = np.unique(np.stack([y, predicted, group]), axis=1, return_inverse=True)
        self._true, self._called = entries[:2]
        counted = np.ones(len(y), np.bool_) if weights is None else weights > 0
        pairs = np.unique(np.stack([y, group])[:, counted], axis=1)[0]
        self.units = np.bincount(pairs, minlength=int(max(y.max(), predicted.max())) + 1)
        """Groups of each class that has any, by its label."""
        self._counts = np.bincount(place.reshape(-1), weights).astype(np.float64)
        self._group = entries[2]
        self._starts = np.flatnonzero(np.diff(entries[:2], axis=1, prepend=-1).any(axis=0))

    @classmethod
    def of(
        cls,
        y: NDArray[np.int64],
        predicted: NDArray[np.int64],
        groups: NDArray[np.int64] | None,
        weights: NDArray[np.float64] | None,
    ) -> "GroupedAnswers | None":
        """Return the answers of images that come in groups or weigh differently; None where they are single and alike."""
        if groups is None and weights is None:
            return None
        return cls(y, predicted, np.arange(len(y)) if groups is None else groups, weights)

    def confusion(self, n_classes: int) -> NDArray[np.float64]:
        """Return the weight of the images of each class that are called each (n_classes, n_classes)."""
        matrix = np.zeros((n_classes, n_classes))
        np.add.at(matrix, (self._true, self._called), self._counts)
        return matrix

    def recalls(self, n_classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the recall of each class (n_classes,), NaN without weight, and its variance over draws of groups.

        That of a ratio of two sums: the sum of squares of what each group has of hits above or below its share.
        """
        of, place = np.unique(np.stack([self._true, self._group]), axis=1, return_inverse=True)
        place = place.reshape(-1)
        total = np.bincount(place, self._counts)
        hits = np.bincount(place, self._counts * (self._true == self._called))
        sums = np.bincount(of[0], total, n_classes)
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = np.bincount(of[0], hits, n_classes) / sums
            off = hits - recall[of[0]] * total
            return recall, np.bincount(of[0], off**2, n_classes) / sums**2

    @property
    def size(self) -> int:
        """Numbers that a resample takes."""
        return max(self.n_groups, len(self._counts))

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Return the images or their weight in each cell that is not empty, in so many resamples (size, n_cells)."""
        weights = rng.multinomial(self.n_groups, np.full(self.n_groups, 1 / self.n_groups), size=size)
        return np.asarray(np.add.reduceat(weights[:, self._group] * self._counts, self._starts, axis=1), np.float64)


def count_groups(
    groups: NDArray[np.int64] | None,
    learned: NDArray[np.bool_] | None,
    right: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> tuple[dict[str, int], list[str]]:
    """Return the counts of groups, and remarks for a reader of the figures.

    Parameters
    ----------
    groups : ndarray of shape (n_images,), int64, or None
        Group of each image; None where there are none.
    learned : ndarray of shape (n_images,), bool, or None
        Images whose group has training images; None where nobody could look.
    right : ndarray of shape (n_images,), bool
        Images that were classed right.
    weights : ndarray of shape (n_images,), float64, or None
        How much each counts.
    """
    if groups is None:
        return {}, []
    n, n_groups = len(right), len(np.unique(groups))
    counts = {"groups": n_groups}
    notes = [f"{n:,} images of {n_groups:,} groups: the intervals are drawn by group"]
    if n_groups < FEW_GROUPS:
        notes[0] += f", and are too narrow with fewer than {FEW_GROUPS}"
    if learned is not None:
        counts["of_groups_seen_in_training"] = int(learned.sum())
    if learned is not None and learned.any():
        others, own = right[~learned], None if weights is None else weights[~learned]
        counted = len(others) and (own is None or own.any())
        rest = (
            f"accuracy on the other {len(others):,} {np.average(others, weights=own):.3f}"
            if counted
            else "there are no others"
            if not len(others)
            else "the others weigh nothing"
        )
        notes.append(
            f"{int(learned.sum()):,} of {n:,} images are of groups that have training images, which flatters the model; {rest}"
        )
    return counts, notes


def cross_validated_both_ways(grouping: Mapping[str, Any] | None) -> Sequence[str]:
    """Say what a model's fit found of groups: accuracy where they may stand on both sides, and on new groups.

    Of other tasks than classes it is the measure that the fit chose by, and is named.
    """
    if not grouping:
        return []
    figure, measure = ("score", grouping["measure"]) if "measure" in grouping else ("accuracy", "")
    plain, apart = grouping[f"{figure}_across"], grouping[f"{figure}_apart"]
    named = f"{measure.replace('_', ' ')} " if measure else ""
    return [
        f"by cross-validation on the training images: {named}{plain:.3f} if images of one group may stand on both sides, "
        f"{apart:.3f} on new groups"
    ]
