"""Rows read past HDF5: their chunks come straight from the file, and are checked and inflated on all cores at once.

HDF5 undoes the filters of one chunk after the other, under a lock of its own, with zlib. Here only the index of the chunks is
HDF5's. Whatever does not fit, a checksum first of all, is left for HDF5 to read, and so to refuse with its own words.
"""

import dataclasses
import math
import os
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.store.shards.chunks import fletcher32, inflated, pool
from featx.system.finite import first_not_finite
from featx.system.halves import widened
from featx.system.regular import read_at

_FILTERS = [h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]
_CHECKSUM_BYTES = 4
_BYTES_A_TASK = 1_000_000
_LARGEST_ROW = 1 << 28


class WrongSize(Exception):
    """Raised where a chunk, all of its checksums right, is not as long as a row; ``args`` holds the row's number."""


@dataclasses.dataclass(frozen=True)
class ChunkIndex:
    """Where the rows of a dataset are in its file.

    Parameters
    ----------
    starts, sizes : ndarray of shape (n_rows,), int64
        First byte and number of bytes of each.
    shape : tuple of int
        Of a row.
    dtype : numpy dtype
        Of its values.
    """

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, dataset: h5py.Dataset) -> "ChunkIndex | None":
        """Return the index of a dataset whose chunks are rows, compressed and with a checksum, as featx has them; else None."""
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
        if filters != _FILTERS or dataset.chunks != (1, *dataset.shape[1:]) or dataset.file.userblock_size:
            return None
        if not hasattr(os, "pread"):  # without it, a descriptor is at one place at a time
            return None
        starts, sizes = np.full(len(dataset), -1), np.zeros(len(dataset), np.int64)

        def keep(chunk: Any) -> None:
            if chunk.filter_mask == 0:  # no filter was passed over
                starts[chunk.chunk_offset[0]], sizes[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size

        dataset.id.chunk_iter(keep)
        row_bytes = math.prod(dataset.shape[1:], start=dataset.dtype.itemsize)
        sound = (starts >= 0).all() and (sizes > _CHECKSUM_BYTES).all() and row_bytes <= _LARGEST_ROW
        return cls(starts, sizes, dataset.shape[1:], dataset.dtype) if sound else None

    def read(self, descriptor: int, rows: NDArray[np.int64], out: NDArray[np.generic], places: NDArray[np.int64]) -> bool:
        """Read rows to their places in an array of any type.

        Parameters
        ----------
        descriptor : int
            Of the file.
        rows : ndarray of shape (n,), int64
            Row numbers.
        out : ndarray of shape (n_out, …)
            Where they go.
        places : ndarray of shape (n,), int64
            Positions in ``out``.

        Returns
        -------
        sound : bool
            Whether each of them was whole, and of finite numbers; if not, ``out`` holds something or other.

        Raises
        ------
        WrongSize
            If one is not as long as a row. HDF5 would fill it up with whatever its memory holds.
        """
        row_bytes = math.prod(self.shape, start=self.dtype.itemsize)
        step = max(1, _BYTES_A_TASK // max(1, row_bytes))

        def read(start: int) -> bool:
            some = slice(start, start + step)
            pairs = zip(rows[some].tolist(), places[some].tolist(), strict=True)
            return all(self._read_row(descriptor, row, row_bytes, out, place) for row, place in pairs)

        starts = range(0, len(rows), step)
        # All to the end, whatever is found: nothing must write into ``out`` after this has returned.
        return all(list(map(read, starts) if len(starts) == 1 else pool().map(read, starts)))

    def _read_row(self, descriptor: int, row: int, row_bytes: int, out: NDArray[np.generic], place: int) -> bool:
        data = memoryview(read_at(descriptor, int(self.sizes[row]), int(self.starts[row])))
        compressed, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if len(data) != self.sizes[row] or fletcher32(compressed) != int.from_bytes(checksum, "little"):
            return False
        found = inflated(compressed, row_bytes + 1)
        if found is None:
            return False
        if len(found) != row_bytes:
            raise WrongSize(row)
        values = np.frombuffer(found, self.dtype).reshape(1, *self.shape)
        if first_not_finite(values) is not None:
            return False
        out[place] = widened(values)[0] if out.dtype == np.float32 else values[0]
        return True
