"""From (content digest, view) to the place of the row, for millions of rows without a Python object for each."""

import numpy as np
from numpy.typing import NDArray

from featx.system.digests import Digests, first_bytes

# Any odd constant spreads the views of one image over the sorted keys (this one is 2^64 divided by the golden ratio).
_VIEW_STEP = np.uint64(0x9E3779B97F4A7C15)


class RowLookup:
    """Finds rows by key. Rows can be added, at the cost of sorting them a few times in all.

    Parameters
    ----------
    digests : ndarray of shape (n_rows, 32), uint8
        Content digest of each row.
    views : ndarray of shape (n_rows,), int64
        View of each row.
    """

    def __init__(self, digests: Digests, views: NDArray[np.int64]) -> None:
        # Runs of which each is more than twice as long as the next: adding a shard at a time to one sorted array would
        # sort everything anew for each, which takes a square of the number of shards.
        self._runs = [_SortedKeys(digests, views)]

    def add(self, digests: Digests, views: NDArray[np.int64]) -> None:
        """Add rows after those that are there."""
        while self._runs and len(self._runs[-1]) <= 2 * len(digests):
            before = self._runs.pop()
            digests, views = np.concatenate([before.digests, digests]), np.concatenate([before.views, views])
        self._runs.append(_SortedKeys(digests, views))

    def find(self, digests: Digests, views: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each key, or -1 where there is none.

        Parameters
        ----------
        digests : ndarray of shape (n, 32), uint8
            Content digests.
        views : ndarray of shape (n,), int64
            Views.

        Returns
        -------
        rows : ndarray of shape (n,), int64
            Row numbers, or -1. Of two rows with one key (two writers did the same work) always the first.
        """
        rows = np.full(len(digests), -1, np.int64)
        start, open_ = 0, np.arange(len(digests))
        for run in self._runs:
            in_run = run.find(digests[open_], views[open_])
            rows[open_] = np.where(in_run >= 0, in_run + start, -1)
            open_ = open_[in_run < 0]
            start += len(run)
        return rows


class _SortedKeys:
    """Rows that are sorted by the beginning of their key."""

    def __init__(self, digests: Digests, views: NDArray[np.int64]) -> None:
        self.digests = digests
        self.views = views
        short = _short_keys(digests, views)
        self._order = np.argsort(short, kind="stable")  # stable: the first of equals stays the first
        self._short = short[self._order]

    def __len__(self) -> int:
        return len(self.views)

    def find(self, digests: Digests, views: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each key, or -1 where there is none."""
        keys = _short_keys(digests, views)
        # Looked for in their own order, neighbours lie together in memory: five times as fast among a million.
        in_order = np.argsort(keys)
        place = np.empty(len(keys), np.int64)
        place[in_order] = np.searchsorted(self._short, keys[in_order])
        rows = np.full(len(keys), -1, np.int64)
        open_ = np.arange(len(keys))
        # Eight bytes nearly always decide at once; the loop goes on only for keys that share them without being equal.
        while len(open_):
            open_ = open_[place[open_] < len(self._short)]
            open_ = open_[self._short[place[open_]] == keys[open_]]
            candidates = self._order[place[open_]]
            equal = (self.digests[candidates] == digests[open_]).all(axis=1) & (self.views[candidates] == views[open_])
            rows[open_[equal]] = candidates[equal]
            open_ = open_[~equal]
            place[open_] += 1
        return rows


def _short_keys(digests: Digests, views: NDArray[np.int64]) -> NDArray[np.uint64]:
    return first_bytes(digests) + views.astype(np.uint64) * _VIEW_STEP
