"""The cache's JSON files, ``recipe.json`` and ``network.json``, and its folders."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from featx.errors import CacheDamaged, CacheError, CacheUnreadable, CacheWriteError, RecipeError
from featx.recipe import FORMAT_VERSION, Recipe
from featx.store.inside import check_inside
from featx.system.digests import json_digest
from featx.system.files import reading_from, replacing, writing_to
from featx.system.regular import read_regular

_LARGEST_JSON = 10_000_000
_SEAL = "sealed"
_KEPT = "What was finished is kept: make room, mend the disk or give another --cache, then run the same command again."

_NOT_DAMAGED = "Nothing shows that it is damaged: mend that, then try again."

MEND = "Run featx verify --repair on the cache, then featx extract again: it redoes just what is lost."
"""What to do about damage; with a damaged recipe, extract with the settings that the cache was made with."""

PATIENCE = 50
"""How often a reader looks again while another process is between two renames."""


@contextlib.contextmanager
def reading_named(path: Path) -> Iterator[None]:
    """Turn the system's refusal to read into a typed error.

    Raises
    ------
    CacheUnreadable
        For any ``OSError`` inside the block.
    """
    with reading_from(path, _NOT_DAMAGED, CacheUnreadable):
        yield


def unreadable(path: Path, refusal: str) -> CacheUnreadable:
    """Return the error for a file that the system does not let us read."""
    return CacheUnreadable(f"{path}: cannot be read: {refusal}. {_NOT_DAMAGED}")


@contextlib.contextmanager
def writing_named(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into a typed error.

    Raises
    ------
    CacheWriteError
        For any ``OSError`` inside the block.
    """
    with writing_to(path, _KEPT, CacheWriteError):
        yield


def shard_paths(folder: Path) -> list[Path]:
    """Return the cache's finished shards, whatever their recipe, by name.

    Raises
    ------
    CacheDamaged
        If the folder cannot be listed.
    """
    with reading_named(folder):
        shards = folder / "shards"
        # Not glob: it takes a folder that cannot be listed for an empty one.
        names = os.listdir(shards) if shards.exists() else []  # noqa: PTH208 - names
        return sorted(shards / name for name in names if name.endswith(".h5") and not name.startswith("."))


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write ``recipe.json``: the settings and their fingerprint.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    write_json(folder / "recipe.json", {"fingerprint": recipe.fingerprint, "recipe": recipe.to_dict()})


def read_recipe(folder: Path, name: str = "recipe.json") -> Recipe | None:
    """Return the folder's recipe, in a file of this name; None where there is none.

    Raises
    ------
    CacheDamaged
        If it cannot be read, or was edited.
    CacheUnsafe
        If something in the cache is neither a regular file nor a real folder.
    """
    path = folder / name
    if not os.path.lexists(path):
        return None
    check_inside(folder)
    document = _read_object(path)  # its digest is compared last: it does not say what is wrong
    try:
        recipe = Recipe.from_dict(document.get("recipe"))
    except RecipeError as error:
        raise CacheDamaged(f"{path}: {error} {MEND}") from error
    if recipe.format_version > FORMAT_VERSION:
        raise CacheError(f"{path}: has format {recipe.format_version}, this featx reads up to {FORMAT_VERSION}. Upgrade featx.")
    if document.get("fingerprint") != recipe.fingerprint:
        raise CacheDamaged(f"{path}: its settings do not fit its fingerprint: it was edited. {MEND}")
    _check_digest(path, document)
    return recipe


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    CacheUnreadable
        If the system refuses.
    CacheDamaged
        If the file is anything else, or does not fit the digest in it; the first featx wrote none.
    """
    document = _read_object(path)
    _check_digest(path, document)
    return document


def _read_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise CacheDamaged(f"{path}: is {path.stat().st_size} bytes long, far more than featx writes. {MEND}")
        document = json.loads(read_regular(path, follow=False).decode("utf-8"))
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise CacheDamaged(f"{path}: cannot be read: {error}. {MEND}") from error
    if not isinstance(document, dict):
        raise CacheDamaged(f"{path}: is not a JSON object. {MEND}")
    return document


def _check_digest(path: Path, document: dict[str, Any]) -> None:
    """Refuse an object that does not fit the digest in it, and take that out."""
    sealed = document.pop(_SEAL, None)
    if sealed is not None and sealed != json_digest(document):
        raise CacheDamaged(f"{path}: is not what was written: it does not fit its digest, {_SEAL}. {MEND}")


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON object and a digest of it, atomically.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    with writing_named(path), replacing(path) as temporary:
        temporary.write_text(json.dumps(document | {_SEAL: json_digest(document)}, indent=2) + "\n", "utf-8")
