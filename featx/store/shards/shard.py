"""A shard as it is read: one immutable HDF5 file of feature rows, named by its own digest.

::

    <sha256 of the file>.h5
      attributes    featx_format, fingerprint
      digest        (n, 32) uint8      content digest of each image
      view          (n,) int64         0 is the clean image
      maps/<layer>  (n, h, w, c)       what the layer gave, float16 or float32
      pooled/<layer>(n, 2, c) float32  average and maximum over height and width
      crc32/<layer> (n,) uint32        of each pooled row's bytes
      picture/<name>(n, …)             what was measured of the clean picture; NaN or zeros in rows without

``picture`` and ``crc32`` came later and are optional: shards without are whole, and a featx that knows nothing of them passes
them over.
"""

import contextlib
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.store.documents import MEND
from featx.store.guard import (
    check_chunks,
    damage_named,
    open_by_descriptor,
    open_guarded,
    read_array,
    read_text_attribute,
)
from featx.store.inside import open_inside
from featx.store.shards.chunks import row_checksums
from featx.store.shards.direct import ChunkIndex, WrongSize
from featx.system.files import DIGEST_BYTES, file_digest
from featx.system.finite import first_not_finite

LIBVER = ("v110", "v110")
"""HDF5's file format 1.10: its metadata carries checksums too, down to the index of chunks. In older formats a flipped bit
there could hand out another image's row without an error."""

# Pooled rows are small: several share a chunk, so that HDF5's cost per chunk is paid once for all of them.
_POOLED_CHUNK_BYTES = 64 * 1024
_KEY_CHUNK_ROWS = 1024
_PICTURE_CHUNK_ROWS = 64
_CHECK_BYTES, _CHECK_CHUNKS = 4_000_000, 256  # HDF5 takes some kilobytes of its own for every chunk of a selection


_FEATURES = ("maps/", "pooled/")

Pictures = Mapping[str, NDArray[np.generic]]
"""What was measured of some pictures, by name: arrays of shape (n, …), floats with NaN or whole numbers."""


class Shard:
    """A finished shard, for reading.

    Opening it reads the keys of its rows (40 bytes each) and nothing else; the file is opened again to read features.

    Raises
    ------
    CacheDamaged
        If the file is not a whole shard.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._crc32: dict[str, NDArray[np.uint32] | None] = {}
        self._checked: set[str] = set()
        self._indexes: dict[str, ChunkIndex | None] = {}
        with damage_named(path):
            self._state = _state(path.lstat())
        with open_guarded(path) as file, damage_named(path):
            self.fingerprint = read_text_attribute(file, "fingerprint")
            self.digests = read_array(file, path, "digest", "u", (None, DIGEST_BYTES)).astype(np.uint8, copy=False)
            self.views = read_array(file, path, "view", "i", (None,)).astype(np.int64, copy=False)
            kept = {name: file[name] for name in _names(file)}
            if {len(self.digests), *map(len, kept.values())} != {len(self.views)}:
                raise CacheDamaged(f"{path}: its datasets have different numbers of rows. {MEND}")
            self._kinds = {name: (dataset.shape[1:], dataset.dtype) for name, dataset in kept.items()}
        for name, (shape, dtype) in self._kinds.items():
            if name.startswith("crc32/"):
                fits = dtype == np.uint32 and shape == ()
            else:
                fits = (dtype.kind == "f" or name.startswith("picture/")) and dtype.itemsize <= 8
            if not fits or (name.startswith("pooled/") and (len(shape), *shape[:1]) != (2, 2)):
                raise CacheDamaged(f"{path}: {name!r} holds rows of shape {shape} and type {dtype}. {MEND}")

    def __len__(self) -> int:
        return len(self.views)

    def read(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Read rows of one dataset.

        Parameters
        ----------
        name : str
            ``maps/<layer>`` or ``pooled/<layer>``.
        rows : ndarray of shape (n,), int64
            Ascending row numbers.

        Returns
        -------
        values : ndarray of shape (n, …)
            In the order of ``rows``, in the stored type.

        Raises
        ------
        CacheDamaged
            If a checksum does not fit, or a feature is infinite or no number: numbers are returned whole or not at all.
        """
        with self._open() as file, damage_named(self.path):
            dataset = file[name]
            if name not in self._checked:
                check_chunks(dataset, self.path)
                self._checked.add(name)
            values = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
            # One call per run; h5py's own list selection costs more than the read itself. A run goes on over rows that
            # were not asked for where they are in a chunk that is read anyway.
            breaks = np.flatnonzero(np.diff(rows) > dataset.chunks[0]) + 1
            for first, last in itertools.pairwise([0, *breaks.tolist(), len(rows)] if len(rows) else []):
                run = rows[first:last]
                block = dataset[run[0] : run[-1] + 1]
                values[first:last] = block if len(block) == len(run) else block[run - run[0]]
            checksums = self._checksums(file, name)
        self._compare(name, values, rows, checksums)
        return values

    def read_into(self, name: str, rows: NDArray[np.int64], out: NDArray[np.floating], places: NDArray[np.int64]) -> None:
        """Read rows to their places in an array, of any type; parameters and errors as for ``read``.

        Parameters
        ----------
        out : ndarray of shape (n_out, …)
            Where they go.
        places : ndarray of shape (n,), int64
            Positions in ``out``, one for each row.
        """
        if name.startswith("maps/") and out.shape[1:] == self.row_shape(name):
            try:
                if self._read_direct(name, rows, out, places):
                    return
            except WrongSize as error:
                raise CacheDamaged(f"{self.path}: row {error} of {name!r} is not as long as it should be. {MEND}") from None
        values = self.read(name, rows)
        if values.shape[1:] != out.shape[1:]:
            raise CacheDamaged(
                f"{self.path}: {name!r} has rows of shape {values.shape[1:]}, others have {out.shape[1:]}. {MEND}"
            )
        out[places] = values

    def _read_direct(self, name: str, rows: NDArray[np.int64], out: NDArray[np.floating], places: NDArray[np.int64]) -> bool:
        """Read rows past HDF5; False where that is for HDF5 to do, or to refuse."""
        with (
            contextlib.suppress(CacheDamaged),
            damage_named(self.path),
            open(open_inside(self.path), "rb") as plain,  # noqa: PTH123 - of a descriptor
        ):
            if _state(os.fstat(plain.fileno())) != self._state:
                return False
            if name not in self._indexes:
                with open_by_descriptor(plain.fileno(), self.path) as file:
                    self._indexes[name] = ChunkIndex.of(file[name])
            index = self._indexes[name]
            return index is not None and index.read(plain.fileno(), rows, out, places)
        return False

    def _open(self) -> h5py.File:
        """Open the file; what makes HDF5 dangerous was looked for when it was opened first, unless it is another file now."""
        with damage_named(self.path), open(open_inside(self.path), "rb") as plain:  # noqa: PTH123 - of a descriptor
            if _state(os.fstat(plain.fileno())) == self._state:
                return open_by_descriptor(plain.fileno(), self.path)
        return open_guarded(self.path)

    def row_shape(self, name: str) -> tuple[int, ...]:
        """Shape of a row of one dataset."""
        return self._kind(name)[0]

    @property
    def n_bytes(self) -> int:
        """Size of the file when it was opened: it never changes."""
        return self._state[1]

    @property
    def maps_dtype(self) -> np.dtype[np.floating]:
        """Type of the maps in this shard."""
        return self._kind(f"maps/{next(iter(self.layers('maps')), '')}")[1]

    def _kind(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        if name not in self._kinds:
            raise CacheDamaged(f"{self.path}: has no {name!r}. {MEND}")
        return self._kinds[name]

    def check_layers(self, layers: Sequence[str]) -> None:
        """Check that the shard keeps exactly these layers.

        Raises
        ------
        CacheDamaged
            If it keeps others.
        """
        kept = self.layers("maps")
        if kept != sorted(layers):
            raise CacheDamaged(f"{self.path}: keeps the layers {kept}, but its recipe names {sorted(layers)}.")

    def layers(self, kind: str) -> list[str]:
        """Return the layers in ``maps`` or ``pooled``, or the names in ``picture``, in order."""
        return sorted(name.removeprefix(f"{kind}/") for name in self._kinds if name.startswith(f"{kind}/"))

    def check(self, expected_digest: bytes | None = None, expected_rows: int | None = None) -> None:
        """Read every byte of the file and every checksum in it.

        Parameters
        ----------
        expected_digest : bytes or None
            What the file's content must hash to; by default the digest in its name.
        expected_rows : int or None
            How many rows it must hold.

        Raises
        ------
        CacheDamaged
            If anything differs.
        """
        with damage_named(self.path):
            digest = file_digest(self.path).hex()
        expected = expected_digest.hex() if expected_digest else self.path.stem
        if digest != expected:
            raise CacheDamaged(f"{self.path}: its content has digest {digest}, but {expected} was written.")
        if expected_rows is not None and len(self) != expected_rows:
            raise CacheDamaged(f"{self.path}: holds {len(self)} rows, but {expected_rows} were written.")
        with open_guarded(self.path) as file, damage_named(self.path):
            for name in ("digest", "view", *self._kinds):
                dataset = file[name]
                check_chunks(dataset, self.path)
                for start in range(0, len(self), n_rows := _rows_a_block(dataset)):
                    values = dataset[start : start + n_rows]
                    self._compare(name, values, np.arange(start, start + len(values)), self._checksums(file, name))

    def _checksums(self, file: h5py.File, name: str) -> NDArray[np.uint32] | None:
        """Return the CRC-32 of each row of a dataset; None where they were not kept."""
        if name not in self._crc32:
            kind, _, layer = name.partition("/")
            kept = kind == "pooled" and f"crc32/{layer}" in file
            self._crc32[name] = file[f"crc32/{layer}"][()] if kept else None
        return self._crc32[name]

    def _compare(
        self, name: str, values: NDArray[np.floating], rows: NDArray[np.int64], checksums: NDArray[np.uint32] | None
    ) -> None:
        """Refuse rows whose checksum does not fit, and features that no class could be told from.

        A picture's measures are NaN where there was no picture.
        """
        if checksums is not None:
            differ = row_checksums(values) != checksums[rows]
            if differ.any():
                raise CacheDamaged(f"{self.path}: row {rows[np.argmax(differ)]} of {name!r} does not fit its checksum. {MEND}")
        if not name.startswith(_FEATURES):
            return
        wrong = first_not_finite(values)
        if wrong is not None:
            image = self.digests[rows[wrong]].tobytes().hex()
            raise CacheDamaged(
                f"{self.path}: row {rows[wrong]} of {name!r}, of the image with digest {image}, "
                f"holds values that are infinite or no numbers, which featx never writes. {MEND}"
            )


def _names(file: h5py.File) -> list[str]:
    return [f"{group}/{name}" for group in ("maps", "pooled", "picture", "crc32") for name in file.get(group, ())]


def _rows_a_block(dataset: h5py.Dataset) -> int:
    """Return how many rows to read at a time: whole chunks, and of little memory beside the rest."""
    row_bytes: int = math.prod(dataset.shape[1:], start=dataset.dtype.itemsize)
    chunk_rows = int(dataset.chunks[0])
    n_chunks = min(_CHECK_CHUNKS, _CHECK_BYTES // max(1, row_bytes * chunk_rows))
    return max(1, n_chunks) * chunk_rows


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
