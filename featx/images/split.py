"""Train, val and test: a pure function of what the images contain, and a seed."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def assign_splits(
    labels: NDArray[np.int32],
    digests: Sequence[bytes],
    given: Sequence[str],
    *,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> list[str]:
    """Give every image a split, stratified by class, exact duplicates on one side.

    Splits given by folders are kept. What is missing is drawn from the rest: val and test where there is neither, val
    alone where there is only a test split, nothing where there is a val split already. The names and order of the
    files play no part, so a copy of the folder on another machine is split alike.

    Parameters
    ----------
    labels : ndarray of shape (n_images,), int32
        Class of each image.
    digests : sequence of bytes
        Content digest of each image.
    given : sequence of str
        ``train``, ``val``, ``test`` or empty, as the folders say.
    val_fraction, test_fraction : float
        Share of each class's different images, rounded; at least one where a class has three or more.
    seed : int
        Another seed draws another split.

    Returns
    -------
    splits : list of str
        ``train``, ``val`` or ``test`` for each image.
    """
    splits = [split or "train" for split in given]
    given_splits = set(given)
    if "val" in given_splits:
        val_fraction = test_fraction = 0.0
    elif "test" in given_splits:
        test_fraction = 0.0

    # One image may stand in several classes (a label conflict): its first label decides, so it is drawn only once.
    label_of: dict[bytes, int] = {}
    for row in np.argsort(labels, kind="stable"):
        if splits[row] == "train":
            label_of.setdefault(digests[row], int(labels[row]))
    strata: dict[int, list[bytes]] = defaultdict(list)
    for digest, label in label_of.items():
        strata[label].append(digest)

    drawn: dict[bytes, str] = {}
    for members in strata.values():
        members.sort(key=lambda digest: hashlib.sha256(b"%d:" % seed + digest).digest())
        # Whatever the fractions, one image of a class is left to learn from.
        n_test = min(_share(len(members), test_fraction), max(len(members) - 2, 0))
        n_val = min(_share(len(members), val_fraction), len(members) - n_test - 1)
        drawn |= dict.fromkeys(members[:n_test], "test")
        drawn |= dict.fromkeys(members[n_test : n_test + n_val], "val")
    return [drawn.get(digest, "train") if split == "train" else split for split, digest in zip(splits, digests, strict=True)]


def _share(n_images: int, fraction: float) -> int:
    """Return the rounded share, at least 1 of three or more images, 0 of fewer (they are needed to learn from)."""
    if fraction <= 0 or n_images < 3:
        return 0
    return max(1, int(n_images * fraction + 0.5))
