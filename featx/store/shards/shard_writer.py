"""How a shard is made: rows are compressed and laid out in memory, and the finished file is written at once."""

import atexit
import contextlib
import io
import math
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.recipe import FORMAT_VERSION
from featx.store.documents import writing_named
from featx.store.inside import check_real
from featx.store.shards.chunks import GZIP_LEVEL, append_packed, gzipped, packed_rows, row_checksums
from featx.store.shards.shard import _KEY_CHUNK_ROWS, _PICTURE_CHUNK_ROWS, _POOLED_CHUNK_BYTES, Pictures, Shard
from featx.system.durable import discard
from featx.system.files import DIGEST_BYTES, content_digest, publish, temporary_sibling


def expected_bytes(
    maps: dict[str, NDArray[np.float32]], stored_dtype: str, n_rows: int, pictures: Pictures | None = None
) -> int:
    """Return the bytes that a shard of many rows like these would take on disk; nothing is written.

    Parameters
    ----------
    maps : dict of layer to ndarray of shape (n, …), float32
        What the backbone gave for some images.
    stored_dtype : str
        The recipe's.
    n_rows : int
        How many rows there would be.
    pictures : mapping of str to ndarray of shape (n, …) or None
        What was measured of the same images, if it goes into the shard too.

    Returns
    -------
    n_bytes : int
        Within some percent: HDF5's own index of chunks is left out.
    """
    if not n_rows:
        return 0
    total = 0.0
    for values in maps.values():
        packed = [len(gzipped(row)) for row in values.astype(stored_dtype)]
        total += n_rows * float(np.mean(packed))
        if values.ndim == 4:
            row_bytes = 2 * values.shape[3] * 4
            chunk_rows = max(1, _POOLED_CHUNK_BYTES // row_bytes)
            total += math.ceil(n_rows / chunk_rows) * chunk_rows * row_bytes
    for measured in (pictures or {}).values():
        parts = np.split(measured, range(_PICTURE_CHUNK_ROWS, len(measured), _PICTURE_CHUNK_ROWS))
        packed_bytes = sum(len(gzipped(part)) for part in parts)
        total += n_rows * packed_bytes / len(measured)
    return round(total + math.ceil(n_rows / _KEY_CHUNK_ROWS) * _KEY_CHUNK_ROWS * (DIGEST_BYTES + 8))


def _timeless(kind: Any) -> Any:
    """Return how to make a file or a group that does not keep the time: the same compressed rows give the same bytes."""
    how = h5py.h5p.create(kind)
    how.set_obj_track_times(False)
    return how


def _new_file(image: io.BytesIO) -> h5py.File:
    """Make an HDF5 file in memory. ``h5py.File`` would do, but for the time that it keeps in the root group."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, image)
    made = h5py.h5f.create(repr(image).encode(), h5py.h5f.ACC_TRUNC, _timeless(h5py.h5p.FILE_CREATE), access)
    return h5py.File(made)


# As the process ends, HDF5 closes what is open still; in memory that is Python's, which has ended by then: it would crash.
_open_writers: "weakref.WeakSet[ShardWriter]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for writer in list(_open_writers):
        with contextlib.suppress(Exception):
            writer.close()


class ShardWriter:
    """Collects rows, compressed, in memory; ``commit`` turns them into a file that is whole or absent.

    HDF5 writes to memory and the finished bytes go to disk in one piece. So every system call is
    ours: a full disk is an ordinary error rather than a half-closed HDF5 file, and the digest in the file's name is
    that of the bytes meant to be written, not of the bytes read back.

    Parameters
    ----------
    folder : Path
        Where the shard goes.
    fingerprint : str
        Of the recipe that its rows were made with.
    dtype : numpy dtype
        Type of the maps in this shard.
    """

    def __init__(self, folder: Path, fingerprint: str, dtype: np.dtype[np.floating]) -> None:
        self._folder = folder
        self._dtype = dtype
        self._image = io.BytesIO()
        self._file = _new_file(self._image)
        _open_writers.add(self)
        self._file.attrs["featx_format"] = FORMAT_VERSION
        self._file.attrs["fingerprint"] = np.bytes_(fingerprint.encode())
        self._n_rows = 0
        self._since = time.monotonic()

    def __len__(self) -> int:
        return self._n_rows

    @property
    def stored_bytes(self) -> int:
        """Compressed bytes collected so far."""
        return sum(int(dataset.id.get_storage_size()) for dataset in self._datasets())

    @property
    def age(self) -> float:
        """Seconds since the first row could have come in."""
        return time.monotonic() - self._since

    def append(
        self,
        digests: Sequence[bytes],
        views: NDArray[np.int64],
        maps: dict[str, NDArray[np.float32]],
        pooled: dict[str, NDArray[np.float32]],
        pictures: Pictures | None = None,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        digests : sequence of bytes
            n content digests.
        views : ndarray of shape (n,), int64
            View of each row.
        maps : dict of layer to ndarray of shape (n, …), float32
            What each layer gave.
        pooled : dict of layer to ndarray of shape (n, 2, c), float32
            Average and maximum of each map.
        pictures : mapping of str to ndarray of shape (n, …) or None
            What was measured of them; None where nothing was.
        """
        # First of all: what can fail here, for want of memory or of threads, must not leave one dataset longer than the next.
        packed = {layer: packed_rows(values, self._dtype) for layer, values in maps.items()}
        keys = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
        self._extend("digest", keys, _KEY_CHUNK_ROWS, compress=False)
        self._extend("view", views, _KEY_CHUNK_ROWS, compress=False)
        for layer, values in maps.items():
            # One-row chunks are read in any order at the speed of a sequential pass. No shuffle filter: it breaks up the
            # runs of exact zeros that ReLU leaves (gzip alone gives 9 KB an image, with shuffle 11).
            append_packed(self._dataset(f"maps/{layer}", values[:0].astype(self._dtype), 1, compress=True), packed[layer])
        for layer, values in pooled.items():
            chunk_rows = max(1, _POOLED_CHUNK_BYTES // values[0].nbytes)
            self._extend(f"pooled/{layer}", values, chunk_rows, compress=False)
            self._extend(f"crc32/{layer}", row_checksums(values), _KEY_CHUNK_ROWS, compress=False)
        self._append_pictures(pictures, len(keys))
        self._n_rows += len(keys)

    def _append_pictures(self, pictures: Pictures | None, n_new: int) -> None:
        """Add what was measured of the pictures; rows without, before or now, are filled up."""
        present = {name: (values.shape[1:], values.dtype) for name, values in (pictures or {}).items()}
        present |= {name: (dataset.shape[1:], dataset.dtype) for name, dataset in self._file.get("picture", {}).items()}
        for name, (shape, dtype) in present.items():
            blank = np.nan if dtype.kind == "f" else 0
            values = (pictures or {}).get(name, np.full((n_new, *shape), blank, dtype))
            if f"picture/{name}" not in self._file and self._n_rows:
                values = np.concatenate([np.full((self._n_rows, *shape), blank, dtype), values])
            self._extend(f"picture/{name}", values, _PICTURE_CHUNK_ROWS, compress=True)

    def commit(self) -> "Shard":
        """Publish the rows as a shard.

        Returns
        -------
        shard : Shard
            The file under its final name, read back and checked before it got that name.

        Raises
        ------
        CacheWriteError
            If the disk refuses.
        CacheDamaged
            If what was read back is not what was written.
        CacheUnsafe
            If the folder has become a link.
        """
        check_real(self._folder)
        self.close()  # harmless if an earlier try, that the disk refused, has closed it already
        # No copy: an extract's memory grows by a shard and by nothing else. A view would stay in the traceback of an error, and
        # Python 3.13 complains on the terminal of a buffer that is thrown away while a view of it is left.
        image = self._image.getvalue()
        digest = content_digest(image)
        final = self._folder / f"{digest.hex()}.h5"
        temporary = temporary_sibling(final)
        with writing_named(self._folder):
            try:
                temporary.write_bytes(image)
                Shard(temporary).check(expected_digest=digest, expected_rows=self._n_rows)
                publish(temporary, final)
            finally:
                discard(temporary)
        return Shard(final)

    def close(self) -> None:
        """Finish the HDF5 structure; rows not committed by then are let go."""
        self._file.close()

    def _extend(self, name: str, values: NDArray[np.generic], chunk_rows: int, *, compress: bool) -> None:
        dataset = self._dataset(name, values[:0], chunk_rows, compress=compress)
        n_before = len(dataset)
        dataset.resize(n_before + len(values), axis=0)
        dataset[n_before:] = values

    def _dataset(self, name: str, empty: NDArray[np.generic], chunk_rows: int, *, compress: bool) -> h5py.Dataset:
        """Return a dataset, made without rows where there is none yet."""
        if name in self._file:
            return self._file[name]
        if "/" in name and name.split("/")[0] not in self._file:
            h5py.h5g.create(self._file.id, name.split("/")[0].encode(), gcpl=_timeless(h5py.h5p.GROUP_CREATE))
        return self._file.create_dataset(
            name,
            data=empty,
            maxshape=(None, *empty.shape[1:]),
            chunks=(chunk_rows, *empty.shape[1:]),
            compression="gzip" if compress else None,
            compression_opts=GZIP_LEVEL if compress else None,
            fletcher32=True,
            track_times=False,
        )

    def _datasets(self) -> list[h5py.Dataset]:
        datasets: list[h5py.Dataset] = []
        self._file.visititems(lambda _, member: datasets.append(member) if isinstance(member, h5py.Dataset) else None)
        return datasets


def copy_rows(source: Shard, rows: NDArray[np.int64], target: ShardWriter, block_rows: int = 256) -> None:
    """Append rows of one shard to another, a block at a time, unchanged to the bit."""
    names = {kind: source.layers(kind) for kind in ("maps", "pooled", "picture")}
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        target.append(
            [source.digests[row].tobytes() for row in block],
            source.views[block],
            {layer: source.read(f"maps/{layer}", block).astype(np.float32) for layer in names["maps"]},
            {layer: source.read(f"pooled/{layer}", block).astype(np.float32) for layer in names["pooled"]},
            {name: source.read(f"picture/{name}", block) for name in names["picture"]},
        )
