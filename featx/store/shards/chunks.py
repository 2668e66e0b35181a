"""Rows as HDF5 would store them, compressed and with a checksum, on all cores at once.

HDF5 filters one chunk after the other under a lock of its own; zlib lets go of Python's. ISA-L's zlib, where it is installed,
makes rows of ReLU's zeros a little smaller in a third of the time; HDF5 reads either. Of two equally good forms of a row it
may take one in one thread and the other in another, so the same rows give the same values, and nearly always the same bytes.
"""

import contextlib
import functools
import itertools
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.system.cores import available_cores

GZIP_LEVEL = 1

_compress: Callable[[memoryview, int], bytes] = zlib.compress
_crc32: Callable[[memoryview], int] = zlib.crc32
_decompressor: Callable[[], Any] = zlib.decompressobj
_broken: tuple[type[Exception], ...] = (zlib.error,)
with contextlib.suppress(ImportError):  # from a checkout, featx runs without
    from isal import isal_zlib

    _compress, _crc32, _decompressor = isal_zlib.compress, isal_zlib.crc32, isal_zlib.decompressobj
    _broken = (cast("type[Exception]", isal_zlib.error),)  # its stubs say that it is an error, not a kind of one

_ROWS_A_TASK = 4
_WORDS_AT_ONCE = 8192
"""Of a checksum: BLAS would start its threads for more."""


def gzipped(values: NDArray[np.generic]) -> bytes:
    """Return an array's bytes as HDF5's gzip filter leaves them."""
    return _compress(np.ascontiguousarray(values).data, GZIP_LEVEL)


def inflated(data: bytes | memoryview, most: int) -> bytes | None:
    """Return what ``gzipped`` was given, or the first ``most`` bytes of more; None where it does not fit zlib's own checksum.

    No more is made room for, whatever the data would grow to.
    """
    stream = _decompressor()
    try:
        values: bytes = stream.decompress(data, most)
    except _broken:
        return None
    return values if len(values) == most or (stream.eof and not stream.unused_data) else None


def packed_rows(values: NDArray[np.generic], dtype: np.dtype[np.generic]) -> list[bytes]:
    """Compress rows and put the checksum behind each, as HDF5's filters gzip and fletcher32 do with chunks of one row.

    Parameters
    ----------
    values : ndarray of shape (n, …)
        The rows.
    dtype : numpy dtype
        What they are to be stored as.
    """
    parts = [values[start : start + _ROWS_A_TASK] for start in range(0, len(values), _ROWS_A_TASK)]
    return list(itertools.chain.from_iterable(pool().map(functools.partial(_filtered_rows, dtype=dtype), parts)))


def append_packed(dataset: h5py.Dataset, rows: Sequence[bytes]) -> None:
    """Append what ``packed_rows`` gave to a dataset with chunks of one row and those two filters."""
    n_before = len(dataset)
    dataset.resize(n_before + len(rows), axis=0)
    inner = (0,) * (dataset.ndim - 1)
    for place, row in enumerate(rows, n_before):
        dataset.id.write_direct_chunk((place, *inner), row)


def _filtered_rows(values: NDArray[np.generic], dtype: np.dtype[np.generic]) -> list[bytes]:
    return [_with_checksum(gzipped(row)) for row in values.astype(dtype)]


def _with_checksum(data: bytes) -> bytes:
    return data + fletcher32(data).to_bytes(4, "little")


def fletcher32(data: bytes | memoryview) -> int:
    """Return the checksum that HDF5's filter of this name puts behind a chunk.

    References
    ----------
    J. Fletcher (1982), "An arithmetic checksum for serial transmissions": two sums modulo 65535 of words of 16 bits, the
    second one of the first's running values. HDF5 takes the words big-endian, and adds a zero byte where one is missing.
    """
    # Little-endian words add up to the same with their two bytes swapped: modulo 65535, that is a multiplication by 256.
    words = np.frombuffer(data, "<u2", len(data) // 2)
    total = running = 0
    for start in range(0, len(words), _WORDS_AT_ONCE):
        block = words[start : start + _WORDS_AT_ONCE].astype(np.float64)  # exact far beyond any sum here, and BLAS adds it up
        running += len(block) * total + int(block @ _descending(len(block)))
        total += int(block.sum())
    if len(data) % 2:
        total += data[-1]
        running += total
    return _folded(256 * running) << 16 | _folded(256 * total)


@functools.cache
def _descending(count: int) -> NDArray[np.float64]:
    return np.arange(count, 0, -1, dtype=np.float64)


def _folded(total: int) -> int:
    """Return a sum modulo 65535 as adding carries back gives it: zero only if there was nothing to add."""
    return total and (total - 1) % 65535 + 1


def row_checksums(values: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Return the CRC-32 of each row's bytes, (n,).

    Fletcher's sums do not tell words of zeros from words of ones: both are zero modulo 65535. Behind compression zlib's own
    checksum sees the difference; rows that are stored as they are need this one.
    """
    return np.array([_crc32(row.data) for row in np.ascontiguousarray(values)], np.uint32)


@functools.cache
def pool() -> ThreadPoolExecutor:
    """Return the threads that compress and inflate."""
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="featx-gzip")


if hasattr(os, "register_at_fork"):  # threads are not in a forked process
    os.register_at_fork(after_in_child=pool.cache_clear)
