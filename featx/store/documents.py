"""The cache's JSON files: ``recipe.json`` and ``network.json``."""

import json
from pathlib import Path
from typing import Any

from featx.errors import CacheDamaged, CacheWriteError, RecipeError
from featx.files import replacing
from featx.recipe import Recipe

_LARGEST_JSON = 10_000_000

ASIDE = "damaged"
"""Folder inside the cache that damaged files are moved to; nothing in it is ever read."""


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write ``recipe.json``: the settings and their fingerprint.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    write_json(folder / "recipe.json", {"fingerprint": recipe.fingerprint, "recipe": recipe.to_dict()})


def read_recipe(folder: Path) -> Recipe | None:
    """Return the folder's recipe; None where there is none.

    Raises
    ------
    CacheDamaged
        If it cannot be read, or was edited.
    """
    path = folder / "recipe.json"
    if not path.exists():
        return None
    document = read_json(path)
    try:
        recipe = Recipe.from_dict(document.get("recipe"))
    except RecipeError as error:
        raise CacheDamaged(f"{path}: {error} Move the cache away and extract again.") from error
    if document.get("fingerprint") != recipe.fingerprint:
        raise CacheDamaged(f"{path}: its settings do not fit its fingerprint: it was edited. Extract into another --cache.")
    return recipe


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    CacheDamaged
        If the file is anything else.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise CacheDamaged(f"{path}: is {path.stat().st_size} bytes long, far more than featx writes.")
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CacheDamaged(f"{path}: cannot be read: {error}. Move the cache away and extract again.") from error
    if not isinstance(document, dict):
        raise CacheDamaged(f"{path}: is not a JSON object. Move the cache away and extract again.")
    return document


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON object, atomically.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise CacheWriteError(f"{path}: {error.strerror or error}. Make room or give another --cache.") from error
