"""Reading HDF5 that may come from elsewhere: whatever featx never writes is refused before it is read."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from featx.errors import CacheDamaged
from featx.store.documents import MEND, unreadable
from featx.system.regular import open_regular

# Deflate cannot do better than 1032 : 1, so a dataset that declares more than this many times the file's own bytes
# is a lie or a bomb.
_LARGEST_RATIO = 1100
_DEEPEST = 3
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = 3
"""Its version in HDF5's file format 1.10, in which featx writes."""

_MOST_OBJECTS = 10_000
_ALLOWED_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32})
_ALLOWED_KINDS = "fiu"

# Without a number it is HDF5 that says so; with these the system, of a place in the file that damaged bytes have named, or of
# what is no file.
_SAID_OF_BYTES = frozenset({0, errno.EINVAL, errno.EOVERFLOW, errno.EFBIG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP})


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 raises for broken bytes into one typed error that names the file.

    Raises
    ------
    CacheUnreadable
        If the system refused, or memory ran out: no byte was found wrong.
    CacheDamaged
        For any other error of h5py's inside the block.
    """
    try:
        yield
    except FileNotFoundError:
        raise CacheDamaged(f"{path}: is missing. Run featx extract again: it redoes just what is not there.") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, MemoryError) as error:
        said = str(error).strip().splitlines()
        if isinstance(error, MemoryError):
            raise unreadable(path, "memory ran out") from error
        code = getattr(error, "errno", None) or 0
        if code not in _SAID_OF_BYTES:
            raise unreadable(path, os.strerror(code)) from error
        raise CacheDamaged(f"{path}: is damaged: {said[0] if said else type(error).__name__}. {MEND}") from error


def open_guarded(path: Path) -> h5py.File:
    """Open an HDF5 file for reading after checking everything in it that could reach outside or blow up.

    Raises
    ------
    CacheDamaged
        If the file is unreadable or holds a link that is not hard, external or virtual storage, a type or filter that
        featx does not use, deep nesting, or more declared bytes than its own size allows.
    """
    with damage_named(path):
        _check_format(path)
        # Without HDF5's own lock, which not every file system has: what featx wrote once is never written again.
        file = h5py.File(path, "r", locking=False)
        try:
            _check_group(file, path, _LARGEST_RATIO * path.stat().st_size, depth=1, budget=[_MOST_OBJECTS])
        except BaseException:
            file.close()
            raise
        return file


def _check_format(path: Path) -> None:
    """Refuse older formats of HDF5, whose metadata carries no checksums: changed ones crash the library.

    A file that is cut short or none of HDF5's is left to HDF5 to refuse.
    """
    descriptor = open_regular(path, follow=False)  # HDF5 would wait at a pipe
    try:
        beginning = os.read(descriptor, len(_SIGNATURE) + 1)
    finally:
        os.close(descriptor)
    if beginning.startswith(_SIGNATURE):
        version = beginning[-1] if len(beginning) > len(_SIGNATURE) else 0
        _require(version == _SUPERBLOCK, path, "/", f"HDF5 of an older or newer format (superblock {version})")


def _check_group(group: h5py.Group, path: Path, most_bytes: int, depth: int, budget: list[int]) -> None:
    for name in group:
        budget[0] -= 1
        _require(budget[0] > 0, path, name, f"more than {_MOST_OBJECTS} objects")
        _require(isinstance(group.get(name, getlink=True), h5py.HardLink), path, name, "a link that leaves its group")
        member = group[name]
        if isinstance(member, h5py.Group):
            _require(depth < _DEEPEST, path, name, f"groups nested deeper than {_DEEPEST}")
            _check_group(member, path, most_bytes, depth + 1, budget)
        else:
            _require(isinstance(member, h5py.Dataset), path, name, "an object that is neither group nor dataset")
            _check_dataset(member, path, most_bytes)


def _check_dataset(dataset: h5py.Dataset, path: Path, most_bytes: int) -> None:
    name = dataset.name
    plist = dataset.id.get_create_plist()
    _require(plist.get_external_count() == 0, path, name, "values stored in another file")
    _require(not dataset.is_virtual, path, name, "a virtual dataset")
    _require(dataset.dtype.kind in _ALLOWED_KINDS, path, name, f"values of type {dataset.dtype}")
    filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
    _require(filters <= _ALLOWED_FILTERS, path, name, f"filters {sorted(filters - _ALLOWED_FILTERS)}")
    # Python's whole numbers: NumPy's would wrap around on an absurd shape.
    declared = int(dataset.dtype.itemsize)
    for side in dataset.shape:
        declared *= int(side)
    _require(declared <= most_bytes, path, name, f"{declared} declared bytes, more than the file could hold")


def _require(holds: bool, path: Path, name: str, content: str) -> None:
    if not holds:
        raise CacheDamaged(f"{path}: {name!r} holds {content}, which featx never writes. Do not use this file.")


def read_text_attribute(file: h5py.File, name: str) -> str:
    """Read a short text attribute, stored as fixed-length bytes."""
    value = file.attrs[name]
    if not isinstance(value, np.bytes_):
        raise TypeError(f"attribute {name!r} is not text")
    return bytes(value).decode("utf-8")
