"""One plain HDF5 file of a whole cache, for readers that know nothing of featx."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from featx.errors import OutputError
from featx.files import replacing
from featx.store.cache import FeatureCache
from featx.store.catalog import SPLITS

_BLOCK_ROWS = 128
_MARK = "featx_pack"


def pack(cache: FeatureCache, path: Path, layer: str, overwrite: bool, progress: Callable[[str, int, int], None] | None) -> int:
    """Write features, labels and paths of every image with features into one file, in the order of the catalog.

    ::

        attributes    recipe (JSON), fingerprint, layer, source
        features      (n, h, w, c) float32   what the layer gave
        pooled        (n, 2, c) float32      average and maximum over height and width
        labels        (n,) int32             index into class_names, from 0
        class_names   (n_classes,) text
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
    if path.exists() and not (overwrite and _is_pack(path)):
        what = "exists; give --overwrite to replace it" if _is_pack(path) else "exists and was not made by featx pack"
        raise OutputError(f"{path}: {what}. Give another OUT.")
    catalog = cache.catalog
    rows = catalog.rows()
    try:
        with replacing(path) as temporary, h5py.File(temporary, "w", libver="earliest") as file:
            file.attrs[_MARK] = 1
            file.attrs["recipe"] = json.dumps(cache.recipe.to_dict())
            file.attrs["fingerprint"] = cache.recipe.fingerprint
            file.attrs["layer"] = layer
            file.attrs["source"] = catalog.source
            file["labels"] = catalog.labels[rows]
            _write_texts(file, "class_names", list(catalog.class_names))
            _write_texts(file, "paths", [catalog.paths[row] for row in rows])
            _write_texts(file, "split", [SPLITS[catalog.splits[row]] for row in rows])
            for name, read in (("features", cache.maps), ("pooled", cache.pooled)):
                for start in range(0, len(rows), _BLOCK_ROWS):
                    values = read(rows[start : start + _BLOCK_ROWS], layer)
                    if start == 0:
                        shape = (len(rows), *values.shape[1:])
                        chunks = (min(len(rows), 8), *values.shape[1:])
                        file.create_dataset(name, shape, np.float32, chunks=chunks, compression="gzip", compression_opts=1)
                    file[name][start : start + len(values)] = values
                    if progress:
                        progress(f"pack {name}", len(values), len(rows))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}. Give another OUT.") from error
    return len(rows)


def _is_pack(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return _MARK in file.attrs
    except OSError:
        return False


def _write_texts(file: h5py.File, name: str, texts: list[str]) -> None:
    # A name need not be UTF-8 on disk; HDF5 text must be.
    shown = [text.encode("utf-8", "backslashreplace").decode("utf-8") for text in texts]
    file.create_dataset(name, data=np.array(shown, dtype=object), dtype=h5py.string_dtype("utf-8"))
