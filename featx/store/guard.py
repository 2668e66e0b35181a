"""Reading HDF5 that may come from elsewhere: whatever featx never writes is refused before it is read."""

import contextlib
import dataclasses
import errno
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.store.documents import MEND, unreadable
from featx.store.headers import old_format
from featx.store.inside import open_inside
from featx.store.seal import check_seal

# Deflate cannot do better than 1032 : 1, so a dataset that declares more than this many times its stored bytes is a lie or
# a bomb.
_LARGEST_RATIO = 1100
_DEEPEST = 3
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = 3
"""Its version in HDF5's file format 1.10, in which featx writes."""

_MOST_OBJECTS = 10_000
_ALLOWED_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32})
_ALLOWED_KINDS = "fiu"

# HDF5 makes room for a whole chunk, and a compressed one grows to whatever it says, its declared size or not. One row of the
# largest map there is, 1024 x 1024 x 64 of float32, is a chunk; several rows share one only where they are small.
_LARGEST_ROW, _LARGEST_CHUNK = 1 << 28, 1 << 24
_HARMLESS_CHUNK = 1 << 18  # compressed: it cannot become more than 270 MB
_LARGEST_TEXT = 1 << 16

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


def open_guarded(path: Path, *, sealed: bool = False) -> h5py.File:
    """Open an HDF5 file for reading after checking everything in it that could reach outside or blow up.

    Parameters
    ----------
    path : Path
        The file.
    sealed : bool
        Whether it ends in a seal, where this featx wrote it; then that is compared first.

    Raises
    ------
    CacheDamaged
        If the file is unreadable or holds a link that is not hard, external or virtual storage, a type or filter that
        featx does not use, deep nesting, or more declared bytes than its own size allows.
        Compressed chunks are left to ``check_chunks``, which takes time.
    """
    with damage_named(path), open(open_inside(path), "rb") as plain:  # noqa: PTH123 - HDF5 would wait at a pipe
        _check_format(path, plain.fileno())
        if sealed:
            check_seal(path, plain.fileno())
        file = open_by_descriptor(plain.fileno(), path)
        try:
            left = _Left(_MOST_OBJECTS, path.stat().st_size, plain.fileno())
            _check_header(file, path, left)
            _check_group(file, path, depth=1, left=left)
        except BaseException:
            file.close()
            raise
        return file


def open_by_descriptor(descriptor: int, path: Path) -> h5py.File:
    """Let HDF5 open the file of a descriptor, where the system can: what was looked at, whatever is at its path by now.

    HDF5 itself would wait at a pipe and follow any link.
    """
    opened = Path(f"/proc/self/fd/{descriptor}")
    # Without HDF5's own lock, which not every file system has: what featx wrote once is never written again.
    return h5py.File(opened if opened.exists() else path, "r", locking=False)


def _check_format(path: Path, descriptor: int) -> None:
    """Refuse older formats of HDF5, whose metadata carries no checksums: changed ones crash the library.

    A file that is cut short or none of HDF5's is left to HDF5 to refuse.
    """
    beginning = os.read(descriptor, len(_SIGNATURE) + 1)
    if beginning.startswith(_SIGNATURE):
        version = beginning[-1] if len(beginning) > len(_SIGNATURE) else 0
        _require(version == _SUPERBLOCK, path, "/", f"HDF5 of an older or newer format (superblock {version})")


@dataclasses.dataclass
class _Left:
    """How many objects, and how many stored bytes, a file may still have; and a descriptor of it."""

    objects: int
    stored: int
    descriptor: int


def _check_header(member: h5py.HLObject, path: Path, left: _Left) -> None:
    found = old_format(left.descriptor, h5py.h5o.get_info(member.id).addr)
    _require(not found, path, str(member.name), found)


def _check_group(group: h5py.Group, path: Path, depth: int, left: _Left) -> None:
    for name in group:
        left.objects -= 1
        _require(left.objects > 0, path, name, f"more than {_MOST_OBJECTS} objects")
        _require(isinstance(group.get(name, getlink=True), h5py.HardLink), path, name, "a link that leaves its group")
        member = group[name]
        _check_header(member, path, left)
        if isinstance(member, h5py.Group):
            _require(depth < _DEEPEST, path, name, f"groups nested deeper than {_DEEPEST}")
            _check_group(member, path, depth + 1, left)
        else:
            _require(isinstance(member, h5py.Dataset), path, name, "an object that is neither group nor dataset")
            _check_dataset(member, path, left)


def _check_dataset(dataset: h5py.Dataset, path: Path, left: _Left) -> None:
    name = dataset.name
    plist = dataset.id.get_create_plist()
    _require(plist.get_external_count() == 0, path, name, "values stored in another file")
    _require(not dataset.is_virtual, path, name, "a virtual dataset")
    _require(dataset.dtype.kind in _ALLOWED_KINDS, path, name, f"values of type {dataset.dtype}")
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    _require(_ALLOWED_FILTERS.issuperset(filters), path, name, f"filters {sorted({*filters} - _ALLOWED_FILTERS)}")
    _require(len({*filters}) == len(filters), path, name, "the same filter twice")
    # Python's whole numbers: NumPy's would wrap around on an absurd shape.
    declared = int(dataset.dtype.itemsize)
    for side in dataset.shape:
        declared *= int(side)
    stored = dataset.id.get_storage_size()
    left.stored -= stored
    _require(left.stored >= 0, path, name, "more stored bytes than the file has")
    most = stored * (_LARGEST_RATIO if h5py.h5z.FILTER_DEFLATE in filters else 1)
    _require(declared <= most, path, name, f"{declared} declared bytes, more than the file could hold")
    if dataset.chunks:
        _require(dataset.chunks[1:] == dataset.shape[1:], path, name, "chunks that are no whole rows")
        chunk = _chunk_bytes(dataset)
        _require(chunk <= (_LARGEST_ROW if dataset.chunks[0] == 1 else _LARGEST_CHUNK), path, name, f"chunks of {chunk} bytes")


def _chunk_bytes(dataset: h5py.Dataset) -> int:
    return int(math.prod(dataset.chunks, start=int(dataset.dtype.itemsize)))


def check_chunks(dataset: h5py.Dataset, path: Path) -> None:
    """Make sure that no compressed chunk grows beyond its declared size, before HDF5 makes room for whatever it says.

    Raises
    ------
    CacheDamaged
        If one does.
    """
    if dataset.compression is None or dataset.id.get_storage_size() <= _HARMLESS_CHUNK:
        return
    large: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: large.append(chunk.chunk_offset) if chunk.size > _HARMLESS_CHUNK else None)
    plist, most = dataset.id.get_create_plist(), _chunk_bytes(dataset)
    deflate = next(i for i in range(plist.get_nfilters()) if plist.get_filter(i)[0] == h5py.h5z.FILTER_DEFLATE)
    for place in large:
        passed_over, data = dataset.id.read_direct_chunk(place)
        with contextlib.suppress(zlib.error):  # HDF5 says so itself
            inflated = 0 if passed_over >> deflate & 1 else len(zlib.decompressobj().decompress(data, most + 1))
            _require(inflated <= most, path, dataset.name, "a chunk that grows beyond its size")


def read_array(file: h5py.File, path: Path, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray[np.generic]:
    """Read a whole dataset, after its type and shape have been found to be what featx writes.

    Parameters
    ----------
    file : h5py.File
        From ``open_guarded``.
    path : Path
        Of the file.
    name : str
        Of the dataset.
    kinds : str
        NumPy's letters of the kinds of type allowed.
    shape : tuple of int or None
        What its shape must be; None for any number.

    Raises
    ------
    CacheDamaged
        If it is anything else.
    """
    dataset = file[name]
    _require(isinstance(dataset, h5py.Dataset), path, name, "a group in place of values")
    _require(dataset.dtype.kind in kinds, path, name, f"values of type {dataset.dtype}")
    _require(_fits(dataset.shape, shape), path, name, f"values of shape {dataset.shape}")
    check_chunks(dataset, path)
    values: NDArray[np.generic] = dataset[()]
    return values


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(side in (None, found) for found, side in zip(shape, wanted, strict=True))


def _require(holds: bool, path: Path, name: str, content: str) -> None:
    if not holds:
        raise CacheDamaged(f"{path}: {name!r} holds {content}, which featx never writes. Do not use this file.")


def read_text_attribute(file: h5py.File, name: str) -> str:
    """Read a short text attribute, stored as fixed-length bytes."""
    written = file.attrs.get_id(name)
    if written.dtype.kind != "S" or written.shape != () or written.dtype.itemsize > _LARGEST_TEXT:
        raise TypeError(f"attribute {name!r} is no short text")
    return bytes(file.attrs[name]).decode("utf-8")
