"""From (content digest, view) to the place of the row, for millions of rows without a Python object for each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.files import DIGEST_BYTES

# Any odd constant spreads the views of one image over the sorted keys (this one is 2^64 divided by the golden ratio).
_VIEW_STEP = np.uint64(0x9E3779B97F4A7C15)


def as_digest_rows(digests: Sequence[bytes]) -> NDArray[np.uint8]:
    """Stack digests into an array of shape (n, 32), uint8."""
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


class RowLookup:
    """Finds rows by key.

    Parameters
    ----------
    digests : ndarray of shape (n_rows, 32), uint8
        Content digest of each row.
    views : ndarray of shape (n_rows,), int64
        View of each row.
    """

    def __init__(self, digests: NDArray[np.uint8], views: NDArray[np.int64]) -> None:
        short = _short_keys(digests, views)
        # Stable: of two rows with one key (two writers did the same work) the earlier is always the one used.
        self._order = np.argsort(short, kind="stable")
        self._short = short[self._order]
        self._digests = digests
        self._views = views

    def find(self, digests: NDArray[np.uint8], views: NDArray[np.int64]) -> NDArray[np.int64]:
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
            Row numbers, or -1.
        """
        wanted = _short_keys(digests, views)
        place = np.searchsorted(self._short, wanted)
        rows = np.full(len(wanted), -1, np.int64)
        open_ = np.arange(len(wanted))
        # Eight bytes nearly always decide at once; the loop goes on only for keys that share them without being equal.
        while len(open_):
            open_ = open_[place[open_] < len(self._short)]
            open_ = open_[self._short[place[open_]] == wanted[open_]]
            candidates = self._order[place[open_]]
            equal = (self._digests[candidates] == digests[open_]).all(axis=1) & (self._views[candidates] == views[open_])
            rows[open_[equal]] = candidates[equal]
            open_ = open_[~equal]
            place[open_] += 1
        return rows


def _short_keys(digests: NDArray[np.uint8], views: NDArray[np.int64]) -> NDArray[np.uint64]:
    head = np.ascontiguousarray(digests[:, :8]).view(np.uint64).reshape(-1)
    return head + views.astype(np.uint64) * _VIEW_STEP
