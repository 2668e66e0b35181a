"""What each listed file is, by content: the digest that its features are kept under."""

import dataclasses
import operator
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images.decode import digest_image_file
from featx.images.listing.index import ImageIndex
from featx.system.cores import available_cores
from featx.system.digests import Digests
from featx.system.files import DIGEST_BYTES
from featx.system.progress import Progress

NO_DIGEST = bytes(DIGEST_BYTES)
"""Stands for the digest of a file that could not be read."""

NEVER_TRUSTED = -1
"""An mtime that no file has: whoever compares with it reads the file again [ns]."""

# A file changed again within the clock's grain, which is a second or two on some file systems, keeps its size and times; git
# has the same rule for the same reason. The ctime counts too: a copy that keeps its mtime was none the less made just now.
_FRESH_NS = 2_000_000_000

_GROUP = 250
"""Files that a thread looks at in one go: handing each over by itself would cost ten times as much as looking at it."""

_UNREADABLE = (0, NEVER_TRUSTED, NEVER_TRUSTED)


class KnownFiles(NamedTuple):
    """What an earlier listing knew of its files; one entry of each for each path.

    The ctime, because size and mtime alone do not tell two files apart that swapped their names: unpacking an archive
    gives many files one mtime, and bitmaps of one size are equally long. A rename changes the ctime.

    Parameters
    ----------
    paths : list of str
        Relative to the same root.
    digests : ndarray of shape (n, 32), uint8
        Content digests; ``NO_DIGEST`` where the file could not be read.
    sizes, mtimes, ctimes : ndarray of shape (n,), int64
        When it was read [bytes], [ns], [ns].
    """

    paths: list[str]
    digests: Digests
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    ctimes: NDArray[np.int64]


@dataclasses.dataclass
class Identities:
    """What each listed file is; one entry for each path of the index.

    Parameters
    ----------
    digests : ndarray of shape (n_images, 32), uint8
        Content digests; ``NO_DIGEST`` where the file could not be read.
    sizes, mtimes, ctimes : ndarray of shape (n_images,), int64
        When it was read [bytes], [ns], [ns]; the mtime is ``NEVER_TRUSTED`` where these say nothing.
    reasons : list of str
        Why an image is rejected; empty otherwise.
    """

    digests: Digests
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    ctimes: NDArray[np.int64]
    reasons: list[str]


def identify_files(
    index: ImageIndex,
    known: KnownFiles | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Identities:
    """Give every listed file its content digest; one with the size and times it had last time keeps the one it had.

    Parameters
    ----------
    index : ImageIndex
        The listing.
    known : KnownFiles or None
        What an earlier listing knew.
    workers : int or None
        Reading threads; by default one for each core.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    look = _Look(index, known)
    groups = [range(start, min(start + _GROUP, len(index.paths))) for start in range(0, len(index.paths), _GROUP)]
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-identify") as pool:
        # Left early, by Ctrl-C say, map cancels the groups that were not begun.
        for rows in pool.map(look, groups):
            if progress:
                progress("index", len(rows), len(index.paths))
    states = look.states
    return Identities(look.digests, states[:, 0].copy(), states[:, 1].copy(), states[:, 2].copy(), look.reasons)


class _Look:
    """Looks at one group of files after the other and keeps what was found in arrays of all."""

    def __init__(self, index: ImageIndex, known: KnownFiles | None) -> None:
        n_files = len(index.paths)
        self.reasons = list(index.reasons)
        self.states = np.zeros((n_files, 3), np.int64)
        self.digests = np.zeros((n_files, DIGEST_BYTES), np.uint8)
        self._paths = index.paths
        self._root = str(index.root).rstrip("/") + "/"
        self._now = time.time_ns()
        self._before = np.full((n_files, 3), NEVER_TRUSTED, np.int64)
        if known is not None:
            mine, theirs = _match(index.paths, known.paths)
            self.digests[mine] = known.digests[theirs]
            has_digest = self.digests.any(axis=1)
            for column, values in enumerate((known.sizes, known.mtimes, known.ctimes)):
                self._before[mine, column] = values[theirs]
            self._before[~has_digest] = NEVER_TRUSTED

    def __call__(self, rows: range) -> range:
        self.states[rows.start : rows.stop] = self._states(rows)
        new = (self.states[rows.start : rows.stop] != self._before[rows.start : rows.stop]).any(axis=1)
        for row in (np.flatnonzero(new) + rows.start).tolist():
            if not self.reasons[row]:
                self._read(row)
        return rows

    def _states(self, rows: range) -> list[tuple[int, int, int]]:
        """Return size, mtime and ctime of each before it is read: whatever changes later is noticed next time."""
        states = []
        for row in rows:
            state = _UNREADABLE
            if not self.reasons[row]:
                try:
                    status = os.stat(self._root + self._paths[row])  # noqa: PTH116 - a Path costs as much as the call itself
                    state = status.st_size, _wrapped(status.st_mtime_ns), _wrapped(status.st_ctime_ns)
                except OSError as error:
                    self.reasons[row] = _describe_unreadable(error)
            states.append(state)
        return states

    def _read(self, row: int) -> None:
        try:
            digest = digest_image_file(Path(self._root + self._paths[row]))
        except (OSError, ImageRejected) as error:
            # A share that is not mounted today is no reason to forget what was on it: the digest stays.
            self.reasons[row] = error.reason if isinstance(error, ImageRejected) else _describe_unreadable(error)
            self.states[row] = _UNREADABLE
            return
        self.digests[row] = np.frombuffer(digest, np.uint8)
        if self.states[row, 1:].max() >= self._now - _FRESH_NS:
            self.states[row, 1] = NEVER_TRUSTED


def _match(paths: Sequence[str], known: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (positions in paths, positions in known) of the paths that stand in both."""
    if len(paths) == len(known) and all(map(operator.eq, paths, known)):
        return np.arange(len(paths)), np.arange(len(paths))
    # Backwards: a manifest may name a path twice; the first is the one that counts.
    place_of = dict(zip(reversed(known), range(len(known) - 1, -1, -1), strict=True))
    places = np.fromiter((place_of.get(path, -1) for path in paths), np.int64, len(paths))
    mine = np.flatnonzero(places >= 0)
    return mine, places[mine]


def _wrapped(time_ns: int) -> int:
    """Return a time as 64 bits hold it: a file may be dated past the year 2262, where their nanoseconds end."""
    return (time_ns + (1 << 63)) % (1 << 64) - (1 << 63)


def _describe_unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"
