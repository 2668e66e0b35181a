"""Rows as HDF5 would store them, compressed and with a checksum, on all cores at once.

HDF5 filters one chunk after the other under a lock of its own; zlib lets go of Python's.
"""

import functools
import itertools
import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
from numpy.typing import NDArray

GZIP_LEVEL = 1
_ROWS_A_TASK = 4


def gzipped(values: NDArray[np.generic]) -> bytes:
    """Return an array's bytes as HDF5's gzip filter leaves them."""
    return zlib.compress(np.ascontiguousarray(values).data, GZIP_LEVEL)


def append_gzipped(dataset: h5py.Dataset, values: NDArray[np.generic]) -> None:
    """Append rows, each of which is a chunk, to a dataset with gzip and Fletcher's checksum.

    Parameters
    ----------
    dataset : h5py.Dataset
        With chunks of one row, the filters gzip and fletcher32, and nothing else.
    values : ndarray of shape (n, …)
        The new rows; converted to the dataset's type.
    """
    n_before = len(dataset)
    parts = [values[start : start + _ROWS_A_TASK] for start in range(0, len(values), _ROWS_A_TASK)]
    tasks = _pool().map(functools.partial(_filtered_rows, dtype=dataset.dtype), parts)
    dataset.resize(n_before + len(values), axis=0)
    inner = (0,) * (dataset.ndim - 1)
    for place, chunk in enumerate(itertools.chain.from_iterable(tasks), n_before):
        dataset.id.write_direct_chunk((place, *inner), chunk)


def _filtered_rows(values: NDArray[np.generic], dtype: np.dtype[np.generic]) -> list[bytes]:
    return [_with_checksum(gzipped(row)) for row in values.astype(dtype)]


def _with_checksum(data: bytes) -> bytes:
    return data + fletcher32(data).to_bytes(4, "little")


def fletcher32(data: bytes) -> int:
    """Return the checksum that HDF5's filter of this name puts behind a chunk.

    References
    ----------
    J. Fletcher (1982), "An arithmetic checksum for serial transmissions": two sums modulo 65535 of words of 16 bits, the
    second one of the first's running values. HDF5 takes the words big-endian, and adds a zero byte where one is missing.
    """
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.int64)
    return _folded(int(words @ np.arange(len(words), 0, -1))) << 16 | _folded(int(words.sum()))


def _folded(total: int) -> int:
    """Return a sum modulo 65535 as adding carries back gives it: zero only if there was nothing to add."""
    return total and (total - 1) % 65535 + 1


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="featx-gzip")
