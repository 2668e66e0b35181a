"""Train, val and test: a pure function of what the images contain, and a seed."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.images.listing.grouped import TEST, VAL, Groups, Wanted, deal_groups
from featx.images.listing.strata import Strata
from featx.system.digests import Digests, as_digests, first_alike
from featx.system.files import DIGEST_BYTES
from featx.system.linked import join_groups


def assign_splits(
    labels: Strata,
    digests: Sequence[bytes] | Digests,
    given: Sequence[str],
    groups: Sequence[str] = (),
    *,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> list[str]:
    """Give every image a split, stratified by class or label; exact duplicates, and what is drawn of one group, on one side.

    Splits given by folders are kept. What is missing is drawn from the rest: val and test where there is neither, val
    alone where there is only a test split, nothing where there is a val split already. The names and order of the
    files play no part, so a copy of the folder on another machine is split alike.

    Parameters
    ----------
    labels : ndarray of shape (n_images,), int32, or of shape (n_images, n_strata), bool
        Class of each image, or which of several strata it is in; see ``strata_of``.
    digests : sequence of bytes, or ndarray of shape (n_images, 32), uint8
        Content digest of each image.
    given : sequence of str
        ``train``, ``val``, ``test`` or empty, as the folders say.
    groups : sequence of str
        Group of each image, empty for none; no names at all where there are no groups.
    val_fraction, test_fraction : float
        Share of each class's different images, rounded; at least one where a class has three or more. With groups as near to
        it as whole groups come.
    seed : int
        Another seed draws another split.

    Returns
    -------
    splits : list of str
        ``train``, ``val`` or ``test`` for each image.
    """
    given_splits = set(given)
    if "val" in given_splits:
        val_fraction = test_fraction = 0.0
    elif "test" in given_splits:
        test_fraction = 0.0
    splits = [split or "train" for split in given]
    if val_fraction <= 0 and test_fraction <= 0:
        return splits

    free = np.flatnonzero([split == "train" for split in splits])
    # One image may stand in several classes (a label conflict): its first label decides, so it is drawn only once.
    free = free[np.argsort(_one_column(labels[free]), kind="stable")]
    contents = as_digests(digests)[free]
    first = first_alike(contents)
    different = np.flatnonzero(first == np.arange(len(free)))
    if groups or labels.ndim == 2:
        names = [groups[row] for row in free.tolist()] if groups else ()
        fractions = val_fraction, test_fraction
        drawn = _draw_groups(labels[free], contents, different, join_groups(contents, names), fractions, seed)
        return _with_drawn(splits, free, drawn)
    drawn = np.zeros(len(free), np.int8)
    for members in _by_class(labels[free[different]], _draws(contents[different], seed)):
        # Whatever the fractions, one image of a class is left to learn from.
        n_test = min(_share(len(members), test_fraction), max(len(members) - 2, 0))
        n_val = min(_share(len(members), val_fraction), len(members) - n_test - 1)
        drawn[different[members[:n_test]]] = TEST
        drawn[different[members[n_test : n_test + n_val]]] = VAL
    return _with_drawn(splits, free, drawn[first])


def _with_drawn(splits: list[str], free: NDArray[np.int64], drawn: NDArray[np.int8]) -> list[str]:
    for code, name in ((TEST, "test"), (VAL, "val")):
        for row in free[drawn == code].tolist():
            splits[row] = name
    return splits


def _one_column(labels: Strata) -> NDArray[Any]:
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1) if labels.ndim == 2 else labels


def _draw_groups(
    labels: Strata,
    contents: Digests,
    different: NDArray[np.int64],
    groups: NDArray[np.int64],
    fractions: tuple[float, float],
    seed: int,
) -> NDArray[np.int8]:
    """Return the split of each image (n,), whole groups together; of equal contents the ``different`` one counts."""
    own = labels[different] if labels.ndim == 2 else labels[different].astype(np.int64)
    words = np.ascontiguousarray(_draws(contents[different], seed)[:, :8]).view(">u8").reshape(-1)
    _, group = np.unique(groups, return_inverse=True)
    sizes = (own.sum(axis=0) if own.ndim == 2 else np.bincount(own)).tolist()
    shares = [np.array([_share(size, fraction) for size in sizes], np.int64) for fraction in fractions]
    dealt = deal_groups(Groups.of(group[different], own, words.astype(np.float64) / 2.0**64), Wanted(*shares))
    return np.asarray(dealt[group], np.int8)


def _draws(contents: Digests, seed: int) -> Digests:
    """Return what decides over each content: a digest of the content and the seed."""
    prefix, joined = b"%d:" % seed, contents.tobytes()
    starts = range(0, len(joined), DIGEST_BYTES)
    return as_digests([hashlib.sha256(prefix + joined[start : start + DIGEST_BYTES]).digest() for start in starts])


def _by_class(labels: NDArray[np.int32], draws: Digests) -> list[NDArray[np.int64]]:
    """Return the positions of each class's members in the order of their draws."""
    # As numbers that sort as the bytes do. The first nearly always decides; if not, all four.
    words = np.ascontiguousarray(draws).view(">u8").astype(np.uint64)
    order = np.lexsort((words[:, 0], labels))
    if (np.diff(words[order, 0]) == 0).any():
        order = np.lexsort((*words.T[::-1], labels))
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _share(n_images: int, fraction: float) -> int:
    """Return the rounded share, at least 1 of three or more images, 0 of fewer (they are needed to learn from)."""
    if fraction <= 0 or n_images < 3:
        return 0
    return max(1, int(n_images * fraction + 0.5))
