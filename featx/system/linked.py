"""What belongs together: pairs, chains of pairs, and what bears one name."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.system.digests import Digests, first_alike


def group_pairs(n: int, pairs: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the group of each of n (n,), named by its first member: pairs and chains of pairs share a group.

    Parameters
    ----------
    n : int
        How many there are.
    pairs : ndarray of shape (n_pairs, 2), int
        Which belong together.
    """
    # Here, not above: importing featx must not load SciPy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(first[group], np.int64)


def first_named(names: Sequence[str]) -> NDArray[np.int64]:
    """Return for each name the position of the first that is equal to it, shape (n,); an empty one stands for itself alone."""
    first: dict[str, int] = {}
    return np.fromiter(
        (first.setdefault(name, at) if name else at for at, name in enumerate(names)), np.int64, count=len(names)
    )


def join_groups(digests: Digests, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the group of each image (n,), named by its first member: images of one name or of one content share a group.

    Parameters
    ----------
    digests : ndarray of shape (n, 32), uint8
        Contents.
    names : sequence of str
        Of the group of each; empty for none. Without any names at all it may be empty.
    """
    places = np.arange(len(digests))
    contents = first_alike(digests)
    if not len(names):
        return contents
    links = [np.stack([first, places], axis=1) for first in (contents, first_named(names))]
    return group_pairs(len(places), np.concatenate(links))
