"""What a weights file of somebody else may hold, looked at before Keras reads it: Keras makes room for whatever it declares."""

import contextlib
import dataclasses
import math
import zlib
from pathlib import Path

import h5py

from featx.backbones.weights_file import DAMAGED, opened_weights
from featx.errors import WeightsError

_MOST_OBJECTS, _DEEPEST = 100_000, 32
_ALLOWED_KINDS = "fiub"
# Keras compresses nothing; the files that come with featx are, and others may be.
_ALLOWED_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})
_HARMLESS_CHUNK = 1 << 18  # compressed: it cannot become more than 270 MB
_MOST_TEXTS = 1000
"""Texts of variable length in one array. Each may be as long as the file, and all of them the same bytes of it."""


@dataclasses.dataclass
class _Left:
    """How many objects and stored bytes a file may still have, and how many bytes its arrays may grow by."""

    objects: int
    stored: int
    grown: int = 1 << 28


def check_weights_file(path: Path) -> None:
    """Refuse a file that would reach outside of itself, or grow by more than 256 MB.

    What is damaged or no weights file at all is left to Keras to refuse.

    Raises
    ------
    WeightsError
        If it holds what Keras never writes: links, values in other files, or far more of them than bytes.
    """
    with contextlib.suppress(*DAMAGED), opened_weights(path) as file:
        _check_group(file, path, 1, _Left(_MOST_OBJECTS, path.stat().st_size))


def _check_group(group: h5py.Group, path: Path, depth: int, left: _Left) -> None:
    _check_attributes(group, path)
    for name in group:
        left.objects -= 1
        _require(left.objects > 0, path, name, f"more than {_MOST_OBJECTS} objects")
        _require(isinstance(group.get(name, getlink=True), h5py.HardLink), path, name, "a link")
        member = group[name]
        if isinstance(member, h5py.Group):
            _require(depth < _DEEPEST, path, name, f"groups nested deeper than {_DEEPEST}")
            _check_group(member, path, depth + 1, left)
        elif isinstance(member, h5py.Dataset):
            _check_attributes(member, path)
            _check_dataset(member, path, left)


def _check_dataset(dataset: h5py.Dataset, path: Path, left: _Left) -> None:
    name, shape = str(dataset.name), tuple(map(int, dataset.shape or ()))
    plist = dataset.id.get_create_plist()
    _require(not plist.get_external_count() and not dataset.is_virtual, path, name, "values stored in another file")
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    _require(_ALLOWED_FILTERS.issuperset(filters) and len({*filters}) == len(filters), path, name, f"filters {filters}")
    texts = dataset.dtype.kind == "O" and math.prod(shape) <= _MOST_TEXTS
    _require(texts or dataset.dtype.kind in f"{_ALLOWED_KINDS}S", path, name, f"values of type {dataset.dtype}")
    stored = int(dataset.id.get_storage_size())
    chunk = math.prod(dataset.chunks, start=int(dataset.dtype.itemsize)) if dataset.chunks else 0
    declared = max(math.prod(shape, start=int(dataset.dtype.itemsize)), chunk)
    left.stored -= stored
    left.grown -= max(0, declared - stored)
    _require(min(left.stored, left.grown) >= 0, path, name, f"{declared} bytes in {stored}")
    if h5py.h5z.FILTER_DEFLATE in filters:
        _check_chunks(dataset, path, chunk, filters.index(h5py.h5z.FILTER_DEFLATE))


def _check_chunks(dataset: h5py.Dataset, path: Path, most: int, deflate: int) -> None:
    """Refuse chunks that grow beyond their size: HDF5 makes room for whatever they become."""
    large: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: large.append(chunk.chunk_offset) if chunk.size > _HARMLESS_CHUNK else None)
    for place in large:
        passed_over, data = dataset.id.read_direct_chunk(place)
        with contextlib.suppress(zlib.error):  # HDF5 refuses it itself
            grown = 0 if passed_over >> deflate & 1 else len(zlib.decompressobj().decompress(data, most + 1))
            _require(grown <= most, path, str(dataset.name), "a chunk that grows beyond its size")


def _check_attributes(member: h5py.HLObject, path: Path) -> None:
    for name in member.attrs:
        written = member.attrs.get_id(name)
        texts = written.dtype.kind != "O" or math.prod(map(int, written.shape or ())) <= _MOST_TEXTS
        _require(texts, path, f"{member.name}, {name}", f"more than {_MOST_TEXTS} texts in an attribute")


def _require(holds: bool, path: Path, name: str, content: str) -> None:
    if not holds:
        raise WeightsError(
            f"{path}: {name!r} holds {content}, which Keras never writes. Give --weights imagenet, or a file that you trust."
        )
