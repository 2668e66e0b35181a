"""The verb pack: a plain HDF5 file that h5py, MATLAB, R or pandas users read without featx."""

import dataclasses
from pathlib import Path

from featx.errors import CacheError, OutputError
from featx.models import open_cache, refuse_swapped
from featx.store import pack
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.kinds import check_kind
from featx.system.outputs import as_result_path
from featx.system.paths import CACHE, StrPath, as_path
from featx.system.results import Result


@dataclasses.dataclass(frozen=True, repr=False)
class PackResult(Result):
    """What was packed.

    Parameters
    ----------
    path : Path
        The file.
    images : int
        Number of images in it.
    bytes : int
        Its size [bytes].
    """

    path: Path
    images: int
    bytes: int


@closing_bars()
def pack_cache(
    cache: StrPath,
    out: StrPath,
    *,
    layer: str | None = None,
    overwrite: bool = False,
    progress: ProgressOption = None,
) -> PackResult:
    """Write a cache's features, labels, class names, paths and splits into one file, atomically.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    out : Path or str
        The file.
    layer : str or None
        One of the cached layers; by default the last.
    overwrite : bool
        Replace an earlier pack of that name.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.

    Raises
    ------
    CacheError
        If there is no finished cache, or it does not keep that layer.
    OutputError
        If the file exists or cannot be written.

    Examples
    --------
    >>> import h5py
    >>> featx.pack_cache("cache/photos", "photos.h5").images
    36
    >>> with h5py.File("photos.h5") as file:
    ...     sorted(file)
    ['class_names', 'features', 'labels', 'paths', 'pooled', 'split']
    """
    progress = as_progress(progress)
    path = as_path("out", out, OutputError)
    refuse_swapped(as_path("cache", cache, CacheError, CACHE), [path], "cache")
    store = open_cache(cache)
    inside = as_result_path("out", out, f"{store.folder.resolve().name}.h5")
    if inside and inside != path:
        raise OutputError(f"{path}: is a folder. Give another OUT, such as {inside}.")
    check_kind("layer", layer, (str, type(None)), "the name of a layer, or None", CacheError)
    images = pack(store, path, layer or store.recipe.layers[-1], overwrite, progress)
    return PackResult(path, images, path.stat().st_size)
