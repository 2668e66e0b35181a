"""A whole cache as a single plain HDF5 file, for readers that know nothing of featx."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.errors import OutputError
from featx.store.cache import FeatureCache
from featx.store.listing.catalog import SPLITS
from featx.system.durable import make_folder
from featx.system.files import replacing, writing_to
from featx.system.home import without_home
from featx.system.outputs import Kind, check_result_file
from featx.system.progress import Progress
from featx.system.regular import open_regular

_BLOCK_ROWS = 128
_MARK = "featx_pack"
_BEGINNING = 1 << 16  # the mark is the first attribute


class _Forgiving(io.FileIO):
    """A file that never reports a failed write to HDF5, which crashes as it closes if it cannot write what it still holds.

    ``error`` is the first failure, to be raised once HDF5 has closed the file; from then on nothing more is written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            left = memoryview(data)
            while len(left) and not self.error:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            if not self.error:
                super().truncate(size)
        except OSError as error:
            self.error = error
        return size or 0


def is_pack(path: Path) -> bool:
    """Tell whether a file is one that ``pack`` has written."""
    # Not through HDF5, whose older formats, this one among them, have no checksums: damaged ones crash it or fill the memory.
    try:
        with open(open_regular(path), "rb") as file:  # noqa: PTH123 - of a descriptor
            beginning = file.read(_BEGINNING)
    except OSError:  # a pipe would never open
        return False
    return beginning.startswith(b"\x89HDF\r\n\x1a\n") and f"{_MARK}\0".encode() in beginning


_PACK = Kind("an earlier pack", "was not made by featx pack", is_one=is_pack)


def check_pack_path(path: Path, overwrite: bool) -> None:
    """Make sure that a pack can be written there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If it cannot, or a file stands there that is no earlier pack, or one that may not be replaced.
    """
    if not overwrite and is_pack(path):
        raise OutputError(f"{path}: exists; give --overwrite to replace it. Give another OUT.")
    check_result_file(path, _PACK, "OUT")


def pack(cache: FeatureCache, path: Path, layer: str, overwrite: bool, progress: Progress | None) -> int:
    """Write features, labels and paths of every image with features into one file, in the order of the catalog.

    ::

        attributes    recipe (JSON), fingerprint, layer, source; task (labels, numbers or grades; none of classes)
        features      (n, h, w, c) float32   what the layer gave
        pooled        (n, 2, c) float32      average and maximum over height and width
        labels        (n,) int32             index into class_names, from 0
        class_names   (n_classes,) text      of grades in their order
        targets       (n, k) float64         of labels (1, 0) and numbers, NaN for not known; in place of labels
        target_names  (k,) text              ... and of class_names
        paths         (n,) text
        split         (n,) text              train, val or test

    Values that the cache keeps in half precision are widened: MATLAB and R do not read float16.

    Returns
    -------
    rows : int
        Number of images written.

    Raises
    ------
    OutputError
        If the file exists (and is no earlier pack that may be overwritten) or cannot be written.
    """
    check_pack_path(path, overwrite)
    with writing_to(path, "Give another OUT."):
        make_folder(path.parent)
        rows = cache.catalog.rows()
        # Ctrl-C is raised in the main thread, in whatever Python runs there: in `_Forgiving.write` it would crash HDF5, too.
        stopped = threading.Event()
        with replacing(path) as temporary, ThreadPoolExecutor(1) as pool:
            try:
                pool.submit(_write, temporary, cache, rows, layer, stopped, progress).result()
            finally:
                stopped.set()
    return len(rows)


def _write(
    path: Path,
    cache: FeatureCache,
    rows: NDArray[np.int64],
    layer: str,
    stopped: threading.Event,
    progress: Progress | None,
) -> None:
    catalog = cache.catalog
    with _Forgiving(path) as target:
        with h5py.File(target, "w", libver="earliest") as file:
            file.attrs[_MARK] = 1
            file.attrs["recipe"] = json.dumps(cache.recipe.to_dict())
            file.attrs["fingerprint"] = cache.recipe.fingerprint
            file.attrs["layer"] = layer
            file.attrs["source"] = _text(without_home(catalog.source))
            if catalog.task.kind != "classes":  # of classes the file is what it always was
                file.attrs["task"] = catalog.task.kind
            if catalog.targets is None:
                file["labels"] = catalog.labels[rows]
                _write_texts(file, "class_names", list(catalog.class_names))
            else:
                file["targets"] = catalog.targets[rows]
                _write_texts(file, "target_names", list(catalog.task.names))
            _write_texts(file, "paths", [catalog.paths[row] for row in rows])
            _write_texts(file, "split", [SPLITS[catalog.splits[row]] for row in rows])
            for name, read in (("features", cache.maps), ("pooled", cache.pooled)):
                for start in range(0, len(rows), _BLOCK_ROWS):
                    if stopped.is_set() or target.error:
                        break
                    values = read(rows[start : start + _BLOCK_ROWS], layer)
                    if start == 0:
                        shape = (len(rows), *values.shape[1:])
                        chunks = (min(len(rows), 8), *values.shape[1:])
                        file.create_dataset(name, shape, np.float32, chunks=chunks, compression="gzip", compression_opts=1)
                    file[name][start : start + len(values)] = values
                    if progress:
                        progress(f"pack {name}", len(values), len(rows))
        if target.error:
            raise target.error


def _text(text: str) -> str:
    """Return a text that HDF5 can hold: a name need not be UTF-8 on disk, HDF5 text must be, and has no NUL."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def _write_texts(file: h5py.File, name: str, texts: list[str]) -> None:
    file.create_dataset(name, data=np.array([_text(text) for text in texts], dtype=object), dtype=h5py.string_dtype("utf-8"))
