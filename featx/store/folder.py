"""The folder of a cache: whether it is one, and of which recipe."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from featx.errors import CacheNotFound, RecipeMismatch
from featx.recipe import Recipe
from featx.store.documents import reading_named
from featx.store.inside import OWN_ENTRIES
from featx.store.listing.parts import describe_parts
from featx.system.files import TEMPORARY_PREFIX


def find_cache(folder: Path) -> Path | None:
    """Return the cache below a folder whose catalog is newest, or None."""
    finished = [path for path in folder.glob("*/catalog.h5") if (path.parent / "recipe.json").exists()]
    return max(finished, key=lambda path: path.stat().st_mtime_ns).parent if finished else None


def no_cache(folder: Path) -> CacheNotFound:
    """Return the error for a place where a cache was expected."""
    if folder.is_dir():
        return CacheNotFound(
            f"{folder}: no feature cache there. If it holds images, run: featx extract {shlex.quote(str(folder))}, "
            f"then give {shlex.quote(f'cache/{folder.resolve().name}')}"
        )
    missing = "" if os.path.lexists(folder) else ", as there is no such folder"
    return CacheNotFound(f"{folder}: no feature cache there{missing}. Make one with: featx extract IMAGES")


def not_finished(folder: Path) -> CacheNotFound:
    """Return the error for a cache whose extract has not been finished."""
    parts = describe_parts(folder)
    if not parts:
        return CacheNotFound(f"{folder}: its extraction was not finished. Run featx extract again to go on.")
    return CacheNotFound(
        f"{folder}: holds parts of an extract ({parts}), which is not finished. Run featx extract with the same settings and "
        f"without --part: it does what is missing. Or, once every part is here: featx merge {shlex.quote(str(folder))}"
    )


def foreign_entries(folder: Path) -> Iterator[str]:
    """Yield what a cache that lost its recipe, or never got one, would not contain."""
    with reading_named(folder):
        names = os.listdir(folder)  # noqa: PTH208 - names
    return (name for name in names if name not in OWN_ENTRIES and not name.startswith(TEMPORARY_PREFIX))


def refuse_another_recipe(folder: Path, present: Recipe | None, asked: Recipe) -> None:
    """Make sure that a folder's recipe, where it has one, is the one that was asked for.

    Raises
    ------
    RecipeMismatch
        If it is not.
    """
    if present is not None and present != asked:
        held, wanted = describe_differences(present, asked)
        raise RecipeMismatch(
            f"{folder}: holds features made with {held}, but {wanted} was asked for. "
            "Give another --cache, or --overwrite to extract again."
        )


def describe_differences(present: Recipe, asked: Recipe) -> tuple[str, str]:
    """Name the settings in which two recipes differ, with the values of the first and of the second."""
    differences = present.differences(asked)
    if "precision" in differences or not asked.quantized:
        differences.pop("quantized", None)  # the network differs in any case then, or has yet to be made
    held = ", ".join(f"{name}={mine!r}" for name, (mine, _) in differences.items())
    wanted = ", ".join(f"{name}={theirs!r}" for name, (_, theirs) in differences.items())
    return held, wanted
