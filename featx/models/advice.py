"""Advice on a path that is not what was wanted: what stands there, and what to give or type instead."""

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from featx.errors import CacheError, CacheNotFound, ImageListError, ModelNotFound
from featx.models.found import MOST_NAMED, Found, caches_in, find, is_cache, is_model, models_fitted_on, models_in
from featx.store import FeatureCache, no_cache
from featx.system.addresses import address_of, how_to_read
from featx.system.fetched import POINTER
from featx.system.nearest import nearest_path
from featx.system.paths import CACHE, as_path, near_path
from featx.system.regular import kind_of

Wanted = Literal["model", "cache", "images", "listing"]
"""A model; a cache; image files and folders of them; folders of class folders and manifests."""

_MOST_ARGUMENTS = 20
"""Of more paths no one is a slip: each has its reason in the result."""

# Nobody's image: what a program may take one of its arguments for.
_NO_IMAGES = frozenset(
    {
        *("archive", "array", "cache", "checkpoint", "cut short", "document", "export", "hdf5", "list", "model", "network"),
        *("pack", "page", "pointer", "report", "table", "text", "workbook"),
    }
)


@contextlib.contextmanager
def advised(paths: Path | Sequence[Path], wanted: Wanted) -> Iterator[None]:
    """Let an error about paths say what stands there instead and what to do, where that is known.

    Raises
    ------
    ImageListError
        Before the block, if images are wanted and none of the paths can be one or a folder with some.
    """
    given = [paths] if isinstance(paths, Path) else paths
    if wanted == "images":
        _refuse_what_is_no_image(given)
    try:
        yield
    except (CacheNotFound, ImageListError) as error:
        if said := next(filter(None, (advise(path, wanted) for path in given[:_MOST_ARGUMENTS])), ""):
            raise type(error)(said, wrong_value=error.wrong_value or any(map(address_of, given))) from error
        raise


def open_cache(value: object) -> FeatureCache:
    """Open a cache that was given for an argument.

    Raises
    ------
    CacheError
        If there is none; the message says what is there instead.
    """
    path = as_path("cache", value, CacheError, CACHE)
    with advised(path, "cache"):
        return FeatureCache.open(path)


def no_cache_at(folder: Path) -> CacheNotFound:
    """Return the error for a place where a cache was expected, with what is there instead."""
    return CacheNotFound(advise(folder, "cache") or str(no_cache(folder)), wrong_value=bool(address_of(folder)))


def _refuse_what_is_no_image(paths: Sequence[Path]) -> None:
    """Refuse paths that are all models, archives and the like."""
    found = [find(path) for path in paths[:_MOST_ARGUMENTS]]
    if found and len(paths) <= _MOST_ARGUMENTS and all(one and one.kind in _NO_IMAGES for one in found):
        raise ImageListError(advise(paths[0], "images"))


def refuse_swapped(first: Path, others: Sequence[Path], wanted: Literal["model", "cache"] = "model") -> None:
    """Refuse arguments of which the model, or the cache, comes first and is among the others.

    Raises
    ------
    ModelNotFound, CacheNotFound
        With the right order.
    """
    is_one, error = (is_model, ModelNotFound) if wanted == "model" else (is_cache, CacheNotFound)
    meant = next((path for path in others[:_MOST_ARGUMENTS] if is_one(path)), None)
    if meant is not None and not is_one(first):
        order = " ".join(shlex.quote(str(path)) for path in (meant, first))
        raise error(f"{first}: is {_name_of(first)}, and {meant} is a {wanted}. The {wanted} comes first: {order}")


def advise(path: Path, wanted: Wanted) -> str:
    """Return a message on what stands at a path and what to give instead; empty where it may be what is wanted."""
    if address := address_of(path):
        return f"{address}: {how_to_read(address)}"
    found = find(path)
    said = _on_nothing(path, wanted) if found is None else _on_any(found, wanted)
    if found and not said:
        said = {"model": _for_model, "cache": _for_cache, "images": _for_images, "listing": _for_images}[wanted](path, found)
        if not said and wanted == "listing":
            said = _for_listing(path, found)
        elif not said and wanted == "images":
            said = _for_pictures(path, found)
    return f"{path}: {said}" if said else ""


def _name_of(path: Path) -> str:
    found = find(path)
    return found.name if found else "no file or folder"


def _on_nothing(path: Path, wanted: Wanted) -> str:
    """Advise on a path where there is no file and no folder."""
    if said := _on_no_file(path):
        return said
    home = Path(os.path.expanduser(path))  # noqa: PTH111 - of a user who is not known it changes nothing
    if home != path and os.path.lexists(home):
        return f"no such file or folder. Did you mean {home}?"  # the shell leaves a quoted ~ as it is
    missing, near = {
        "model": ("no such model file", nearest_path(path, lambda one: one.suffix == ".featx", models_in(Path("models")))),
        "cache": ("no feature cache there", nearest_path(path, is_cache, caches_in(Path("cache")))),
    }.get(wanted, ("no such file or folder", nearest_path(path, lambda one: not one.name.startswith("."), ())))
    return f"{missing}. Did you mean {near}?" if near else ""


def _on_no_file(path: Path) -> str:
    """Say what stands there that can be neither read nor searched; empty for nothing, or a file that the system keeps."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) and (not path.exists() or not (path.is_file() or path.is_dir())):
            return f"is a link to {path.readlink()}, and no file or folder is there"
    except (OSError, ValueError):
        return ""
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else f"is {kind_of(mode)}. Give a file or a folder"


def _on_any(found: Found, wanted: Wanted) -> str:
    """Advise on what is nobody's model, cache or image."""
    again = "Copy it again" + (", or fit the model again" if wanted == "model" else "")
    if found.kind == "pointer":
        return POINTER
    if found.kind == "empty" and wanted != "images":
        return f"is empty: a copy or download of it was cut short. {again}."
    if found.kind == "cut short":
        return f"is {found.name} without its end: a copy or download of it was cut short. {again}."
    return ""


def _for_model(path: Path, found: Found) -> str:
    if found.kind in ("model", "file"):
        return ""
    if found.kind == "cache":
        if fitted := models_fitted_on(path):
            return f"is a cache; models fitted on it: {_named(fitted)}. Give one of them."
        return f"is a cache, and no model in models/ was fitted on it. Fit one: featx fit {shlex.quote(str(path))} --head dense"
    if found.kind == "models":
        return f"is a folder of models. Give {_one_of(models_in(path))}."
    if found.kind == "report" and found.of and Path(found.of).is_file():
        return f"is a report on the model {found.of}. Give that."
    if found.kind == "export":
        return f"is an export for other programs. Give the model that it was made of. {_models_here()}"
    if found.kind == "checkpoint":
        return "is the checkpoint of a fine-tuning that was not finished. Run it again, and it goes on: featx finetune"
    return f"is {found.name}, not a model. {_models_here()}"


def _for_cache(path: Path, found: Found) -> str:
    quoted = shlex.quote(str(path))
    if found.kind == "cache":
        return ""
    if found.kind == "model":
        if found.of and is_cache(Path(found.of)):
            return f"is a model, fitted on the cache {near_path(found.of)}. Give that."
        return f"is a model, not a cache. {_caches_here()}"
    if found.kind == "caches":
        return f"is a folder of caches. Give {_one_of(caches_in(path))}."
    if found.kind == "folder":
        cache = Path("cache") / path.resolve().name
        return f"no feature cache there. Did you mean {cache}?" if is_cache(cache) else ""
    if found.kind == "pack":
        return f"is a packed file, for other programs. Give the cache that it was made of. {_caches_here()}"
    if found.kind == "array":
        return (
            f"is {found.name}. Heads are fitted on caches, which featx extract makes of images; on arrays in Python, by "
            "featx.HeadClassifier."
        )
    if found.kind in ("table", "workbook", "list"):
        cache = Path("cache") / path.stem
        return f"is {found.name}, not a cache. If it lists images: featx extract {quoted}, then give {cache}"
    if found.kind == "archive":
        inside = shlex.quote(found.inside)
        return f"is {found.name}, not a cache. If images are in it: {found.unpack}, then featx extract {inside}"
    return f"is {found.name}, not a cache. {_caches_here()}"


def _for_images(path: Path, found: Found) -> str:
    quoted = shlex.quote(str(path))
    if found.kind == "model":
        return f"is a model. To classify images with it: featx predict {quoted} IMAGES"
    if found.kind == "cache":
        if not found.of:
            return "is a cache. Give the images that it is of."
        there = "Give these." if Path(found.of).exists() else "They are no longer there."
        return f"is a cache, of the images in {near_path(found.of)}. {there}"
    if found.kind == "archive":
        return f"is {found.name}. Unpack it: {found.unpack}, then give {shlex.quote(found.inside)}"
    if found.kind == "document":
        return f"is {found.name}. Save a list of images as .xlsx or as CSV UTF-8, with the columns path,label."
    if found.kind == "text":
        return f"is {found.name}. Save a list of images as CSV, with the columns path,label."
    if found.kind == "workbook" and path.suffix.lower() != ".xlsx":
        return "is an Excel workbook. Give its name the ending .xlsx."
    if found.kind == "array":
        return f"is {found.name}. Write each image into a file of its own, in a folder of its class."
    if found.kind in ("models", "caches", "report", "page", "pack", "hdf5", "network", "export", "checkpoint"):
        return f"is {found.name}, and holds no images. Give the folder of the images."
    return ""


def _for_listing(path: Path, found: Found) -> str:
    if found.kind == "image":
        return (
            f"is {found.name}. Give a folder with one folder of images per class, or a manifest. To classify the image: "
            f"featx predict MODEL {shlex.quote(str(path))}"
        )
    return ""


def _for_pictures(path: Path, found: Found) -> str:
    if found.kind in ("table", "workbook", "list"):
        return (
            f"is {found.name}. Give image files, or folders with some. To measure a model on a list: "
            f"featx evaluate MODEL --images {shlex.quote(str(path))}"
        )
    return ""


def _models_here() -> str:
    here = models_in(Path("models"))
    return f"Give {_one_of(here)}." if here else "Make one: featx fit"


def _caches_here() -> str:
    here = caches_in(Path("cache"))
    return f"Give {_one_of(here)}." if here else "Make one: featx extract IMAGES"


def _one_of(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"one of {_named(paths)}"


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:MOST_NAMED])) + (" …" if len(paths) > MOST_NAMED else "")
