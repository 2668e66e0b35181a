"""Val and test drawn by whole groups: all pictures of one animal, one patient or one product stand on one side."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.images.listing.strata import Strata

TRAIN, VAL, TEST = 0, 1, 2

_LEAST_GROUPS = 3
"""Of a class, for it to give any to val or test: fewer are needed to learn from, as with single images."""


class Wanted(NamedTuple):
    """How many different images of each class go where, shape (n_classes,) each."""

    val: NDArray[np.int64]
    test: NDArray[np.int64]


class Groups(NamedTuple):
    """Groups of different images, and how many of each class are in them: one entry for each class of each group.

    Parameters
    ----------
    starts : ndarray of shape (n_groups + 1,), int64
        Where the entries of each group begin.
    labels, counts : ndarray, int64
        Class, and number of images.
    draws : ndarray of shape (n_groups,), float64
        In [0, 1), what decides over each.
    sizes : ndarray of shape (n_groups,), int64
        Images in each: of several labels, an image counts for each.
    """

    starts: NDArray[np.int64]
    labels: NDArray[np.int64]
    counts: NDArray[np.int64]
    draws: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, members: NDArray[np.int64], labels: Strata, draws: NDArray[np.float64]) -> "Groups":
        """Count the images of each group, ``members`` giving the group of each from 0 on; the least draw is the group's.

        Labels are one an image (n,), or several (n, n_classes), those that are true.
        """
        n_groups = int(members.max()) + 1
        if labels.ndim == 2:
            n_classes = labels.shape[1]
            images, found = np.nonzero(labels)
            keys, counts = np.unique(members[images] * n_classes + found, return_counts=True)
        else:
            n_classes = int(labels.max()) + 1
            keys, counts = np.unique(members * n_classes + labels, return_counts=True)
        least = np.ones(n_groups)
        np.minimum.at(least, members, draws)
        starts = np.searchsorted(keys // n_classes, np.arange(n_groups + 1))
        sizes = np.bincount(members, minlength=n_groups).astype(np.int64)
        return cls(starts, keys % n_classes, counts.astype(np.int64), least, sizes)

    def __len__(self) -> int:
        return len(self.draws)

    def entries(self, group: int) -> slice:
        """Return which entries are a group's."""
        return slice(int(self.starts[group]), int(self.starts[group + 1]))


def deal_groups(groups: Groups, wanted: Wanted) -> NDArray[np.int8]:
    """Return the split of each group, ``TRAIN``, ``VAL`` or ``TEST``.

    The largest are dealt first, while every split has room: each goes to one of the splits in which it fits, chosen by its draw
    in proportion to the room there. So a large group is as likely a test group as a small one, and the small ones fill what
    is left to about the shares wanted. Every class keeps a group to learn from; one of three groups or more has some in each
    split that wants any, as far as its groups are of it alone.

    Parameters
    ----------
    groups : Groups
        What is dealt.
    wanted : Wanted
        How many images of each class.

    References
    ----------
    Sechidis, Tsoumakas & Vlahavas (2011), On the stratification of multi-label data: the split that lacks most is served.
    """
    n_classes = len(wanted.val)
    total = np.bincount(groups.labels, groups.counts, n_classes).astype(np.int64)
    scarce = np.bincount(groups.labels, minlength=n_classes) < _LEAST_GROUPS
    val, test = (np.where(scarce, 0, share) for share in wanted)
    room = np.stack([total - val - test, val, test])
    wants = np.stack([np.ones(n_classes, np.bool_), val > 0, test > 0])
    splits = np.full(len(groups), TRAIN, np.int8)
    sizes = groups.sizes
    largest_first = np.lexsort((groups.draws, -sizes))
    for group in largest_first[sizes[largest_first] > 1].tolist():
        at = groups.entries(group)
        labels, counts = groups.labels[at], groups.counts[at]
        split = _choose(room[:, labels], counts, np.all(wants[:, labels], axis=1), groups.draws[group])
        splits[group] = split
        room[split, labels] -= counts
    single = np.flatnonzero(sizes == 1)
    if (np.diff(groups.starts)[single] == 1).all():
        splits[single] = _deal_single(groups.labels[groups.starts[single]], groups.draws[single], room)
    else:
        deal_labelled(groups, single, room.astype(np.float64), splits)
    _serve_all(groups, splits, wants, sizes)
    return splits


def _choose(room: NDArray[np.int64], counts: NDArray[np.int64], open_to: NDArray[np.bool_], draw: float) -> int:
    """Return the split for a group with so many images of some classes, ``room`` (3, n) being what is wanted of each."""
    over = np.maximum(counts - room, 0).sum(axis=1)
    fits = open_to & (over == over[open_to].min())
    chances = np.where(fits, np.maximum(room, 0) @ counts, 0)
    if not chances.any():
        chances = fits.astype(np.int64)
    # The draw decides the order among equal sizes: its further digits are as good as another draw.
    point = draw * 1e6 % 1 * chances.sum()
    return min(int(np.searchsorted(np.cumsum(chances), point, side="right")), int(np.flatnonzero(chances)[-1]))


def _deal_single(labels: NDArray[np.int64], draws: NDArray[np.float64], room: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the splits of images without a group, by class and draw: the first to test, then to val, while there is room."""
    order = np.lexsort((draws, labels))
    own = labels[order]
    rank = np.arange(len(own)) - np.searchsorted(own, own)
    for_val, for_test = (np.maximum(room[split, own], 0) for split in (VAL, TEST))
    splits = np.full(len(own), TRAIN, np.int8)
    splits[order[rank < for_test + for_val]] = VAL
    splits[order[rank < for_test]] = TEST
    return splits


def deal_labelled(groups: Groups, members: NDArray[np.int64], room: NDArray[np.float64], splits: NDArray[np.int8]) -> None:
    """Deal groups that have several labels each: those of the label that fewest are left of first, where it lacks most.

    Parameters
    ----------
    groups : Groups
        All groups.
    members : ndarray of shape (n,), int64
        Those that are dealt.
    room : ndarray of shape (n_splits, n_classes), float64
        How many images of each label every split still wants; changed in place.
    splits : ndarray of shape (n_groups,)
        Where the split of each member is written.

    References
    ----------
    Sechidis, Tsoumakas & Vlahavas (2011), On the stratification of multi-label data, algorithm 1.
    """
    members = members[np.lexsort((groups.draws[members], -groups.sizes[members]))]
    spans = [groups.entries(group) for group in members.tolist()]
    entries = np.concatenate([np.arange(at.start, at.stop) for at in spans]) if spans else np.empty(0, np.int64)
    owner = np.repeat(members, [at.stop - at.start for at in spans])
    left = np.bincount(groups.labels[entries], groups.counts[entries], room.shape[1])
    by_label = np.argsort(groups.labels[entries], kind="stable")
    bounds = np.searchsorted(groups.labels[entries][by_label], np.arange(room.shape[1] + 1))
    dealt = np.zeros(len(groups), np.bool_)
    everywhere = room.sum(axis=1)
    while (left > 0).any():
        label = int(np.argmin(np.where(left > 0, left, np.inf)))
        for group in owner[by_label[bounds[label] : bounds[label + 1]]].tolist():
            if dealt[group]:
                continue
            at = groups.entries(group)
            # Of splits that lack as many, the one that lacks most of all labels.
            split = int(np.lexsort((-everywhere, -room[:, label]))[0])
            splits[group], dealt[group] = split, True
            room[split, groups.labels[at]] -= groups.counts[at]
            everywhere[split] -= groups.counts[at].sum()
            left[groups.labels[at]] -= groups.counts[at]


def _serve_all(groups: Groups, splits: NDArray[np.int8], wants: NDArray[np.bool_], sizes: NDArray[np.int64]) -> None:
    """Move groups, the smallest that will do, until each class has one in every split that wants some and can have it."""
    owner = np.repeat(np.arange(len(groups)), np.diff(groups.starts))
    has = np.zeros(wants.shape, np.int64)
    np.add.at(has, (splits[owner], groups.labels), 1)
    lacking_train = has[TRAIN] == 0
    order = [(TRAIN, label) for label in np.flatnonzero(lacking_train & (has.sum(axis=0) > 0)).tolist()]
    order += [(split, label) for split in (TEST, VAL) for label in np.flatnonzero(wants[split] & (has[split] == 0)).tolist()]
    by_label = np.argsort(groups.labels, kind="stable")
    bounds = np.searchsorted(groups.labels[by_label], np.arange(wants.shape[1] + 1))
    for split, label in order:
        if has[split, label]:
            continue
        own = owner[by_label[bounds[label] : bounds[label + 1]]]
        for group in own[np.lexsort((groups.draws[own], sizes[own]))].tolist():
            labels, source = groups.labels[groups.entries(group)], int(splits[group])
            # A class must not lose its last group to learn from, nor the last in the split that the group leaves.
            if source != split and (split == TRAIN or ((has[source, labels] > 1).all() and wants[split, labels].all())):
                splits[group] = split
                has[source, labels] -= 1
                has[split, labels] += 1
                break
