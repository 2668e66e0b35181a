"""Reading rows of many shards, in any order, in blocks that fit into memory."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.store.documents import MEND
from featx.store.shards.lookup import RowLookup
from featx.store.shards.shard import Shard

BLOCK_BYTES = 64 * 1024 * 1024
"""Features read at a time where the caller gives no number."""

# Neighbours on disk that stay together in a shuffled pass. Long enough that reading them costs what a sequential pass
# costs, short enough that a block of 64 MB mixes dozens of places of the cache.
RUN_ROWS = 32

# Opening a shard takes as long as reading hundreds of pooled rows, and a block that gathers its rows one run from each of
# thousands of shards would do little else: the time of a pass would grow with the square of the cache.
_MOST_RUNS = 256


class ShardRows:
    """All rows of some shards, numbered through.

    Parameters
    ----------
    shards : sequence of Shard
        In the order that numbers their rows.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = list(shards)
        self._starts: list[int] = np.cumsum([0, *map(len, self._shards)]).tolist()
        self._lookup = RowLookup(
            np.concatenate([np.empty((0, 32), np.uint8), *(shard.digests for shard in self._shards)]),
            np.concatenate([np.empty(0, np.int64), *(shard.views for shard in self._shards)]),
        )

    def add(self, shard: Shard) -> None:
        """Number the rows of one more shard after all others."""
        self._shards.append(shard)
        self._starts.append(self._starts[-1] + len(shard))
        self._lookup.add(shard.digests, shard.views)

    def find(self, digests: NDArray[np.uint8], views: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each image's row in one view, or in a view each; -1 where there is none."""
        return self._lookup.find(digests, np.broadcast_to(np.asarray(views, np.int64), len(digests)))

    def read(self, places: NDArray[np.int64], name: str, dtype: type[np.floating]) -> NDArray[np.floating]:
        """Read one dataset's rows at some places.

        Parameters
        ----------
        places : ndarray of shape (n,), int64
            In any order, repeated or not.
        name : str
            ``maps/<layer>`` or ``pooled/<layer>``.
        dtype : type
            Of the result.

        Returns
        -------
        values : ndarray of shape (n, …)
            In the order of ``places``.

        Raises
        ------
        CacheDamaged
            If a checksum does not fit.
        """
        shape = self.row_shape(name)
        out = np.empty((len(places), *shape), dtype)
        # Each row is read once and in the order of the disk, whatever order it is wanted in.
        ascending, back = np.unique(places, return_inverse=True)
        order = np.argsort(back, kind="stable")
        ends = np.cumsum(np.bincount(back, minlength=len(ascending)))
        firsts = order[ends - np.diff(ends, prepend=0)]
        for shard, local, at in self._pieces(ascending, name, dtype):
            shard.read_into(name, local, out, firsts[at : at + len(local)])
        # What was asked for more than once.
        again = np.setdiff1d(np.arange(len(places)), firsts, assume_unique=True)
        for start in range(0, len(again), step := max(1, BLOCK_BYTES // max(1, out[:1].nbytes))):
            some = again[start : start + step]
            out[some] = out[firsts[back[some]]]
        return out

    def _pieces(
        self, ascending: NDArray[np.int64], name: str, dtype: type[np.floating]
    ) -> Iterator[tuple[Shard, NDArray[np.int64], int]]:
        """Cut ascending places into pieces of one shard and bounded size: (shard, rows in it, position of the first)."""
        bounds = np.searchsorted(ascending, self._starts)
        for number in np.flatnonzero(np.diff(bounds)):
            shard, (first, last) = self._shards[number], bounds[number : number + 2]
            step = max(1, BLOCK_BYTES // (math.prod(shard.row_shape(name)) * np.dtype(dtype).itemsize))
            for at in range(first, last, step):
                yield shard, ascending[at : min(at + step, last)] - self._starts[number], at

    def read_pictures(
        self, places: NDArray[np.int64], name: str, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read what was measured of the pictures at some places.

        Parameters
        ----------
        places : ndarray of shape (n,), int64
            In any order.
        name : str
            Of the measurement.
        shape, dtype
            What a row of it must be.

        Returns
        -------
        values : ndarray of shape (n, *shape)
            Zeros where a shard does not have it.
        present : ndarray of shape (n,), bool
            Whether the shard has it.

        Raises
        ------
        CacheDamaged
            If a checksum does not fit, or a row is something else.
        """
        values, present = np.zeros((len(places), *shape), dtype), np.zeros(len(places), np.bool_)
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], self._starts)
        for number in np.flatnonzero(np.diff(bounds)):
            shard, inside = self._shards[number], order[bounds[number] : bounds[number + 1]]
            if name not in shard.layers("picture"):
                continue
            if shard.row_shape(f"picture/{name}") != shape:
                raise CacheDamaged(f"{shard.path}: 'picture/{name}' has rows of another shape than {shape}. {MEND}")
            ascending, back = np.unique(places[inside] - self._starts[number], return_inverse=True)
            values[inside] = shard.read(f"picture/{name}", ascending)[back]
            present[inside] = True
        return values, present

    def row_shape(self, name: str) -> tuple[int, ...]:
        """Shape of a row of one dataset; (1,) if there are no shards."""
        return self._shards[0].row_shape(name) if self._shards else (1,)

    def row_size(self, name: str) -> int:
        """Number of values in a row of one dataset; 1 if there are no shards."""
        return math.prod(self.row_shape(name))


def shuffled_blocks(places: NDArray[np.int64], block_rows: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Deal positions out in blocks: short runs of neighbours on disk, gathered from all over, shuffled within the block.

    A pass reads whole runs and so stays about as fast as a sequential one, yet no block is sorted by class: each holds
    rows from many places.

    Parameters
    ----------
    places : ndarray of shape (n,), int64
        Where each row is on disk.
    block_rows : int
        Rows in a block.
    seed : int
        The order is a function of it.

    Yields
    ------
    positions : ndarray of shape (<= block_rows,), int64
        Indices into ``places``; all blocks together hold each once.
    """
    rng = np.random.default_rng(seed)
    on_disk = np.argsort(places, kind="stable")
    run_rows = max(1, min(RUN_ROWS, block_rows // 4), block_rows // _MOST_RUNS)
    # The cut between runs starts somewhere else each time, so that other rows are neighbours.
    cuts = np.arange(int(rng.integers(1, run_rows + 1)), len(on_disk), run_rows)
    runs = np.split(on_disk, cuts)
    dealt = np.concatenate([runs[number] for number in rng.permutation(len(runs))]) if len(on_disk) else on_disk
    for start in range(0, len(dealt), block_rows):
        yield rng.permutation(dealt[start : start + block_rows])
