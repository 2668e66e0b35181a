"""The caches given to a merge: of one recipe, with listings, and where they are joined."""

from collections.abc import Sequence
from pathlib import Path

from featx.errors import CacheError, CacheNotFound, RecipeMismatch
from featx.models import no_cache_at
from featx.recipe import Recipe
from featx.store import Catalog, FeatureCache, describe_differences, part_paths, read_recipe
from featx.verbs.merge.union import Listing, Whole


def one_recipe(folders: Sequence[Path]) -> Recipe:
    """Return the recipe of all these caches.

    Raises
    ------
    CacheError
        If there is no cache in one of the folders, or no folder was given.
    RecipeMismatch
        If they are of different recipes.
    """
    recipes = [read_recipe(folder) for folder in folders]
    for folder, recipe in zip(folders, recipes, strict=True):
        if recipe is None:
            raise no_cache_at(folder)
    if not recipes or recipes[0] is None:
        raise CacheError("merge: no cache was given. Give the folders of the caches to join.", wrong_value=True)
    for folder in folders[1:]:
        check_recipe(folders[0], recipes[0], folder)
    return recipes[0]


def check_recipe(first: Path, recipe: Recipe, folder: Path) -> None:
    """Refuse a cache whose recipe is not the first cache's; a folder that is no cache yet has none.

    Raises
    ------
    RecipeMismatch
        With the settings that differ.
    """
    other = read_recipe(folder)
    if other is not None and other != recipe:
        held, expected = describe_differences(other, recipe)
        raise RecipeMismatch(
            f"{folder}: holds features made with {held}, but {first} with {expected}. Only features of one recipe can stand "
            "together: leave one of them out, or extract it again with the other's settings."
        )


def read_listings(folder: Path, recipe: Recipe) -> list[Listing]:
    """Read the listings in a cache: those of parts, and the whole listing of a finished extract.

    Raises
    ------
    CacheError
        If there are none, or parts of another recipe.
    """
    paths = [path for path in (*part_paths(folder), folder / "catalog.h5") if path.exists()]
    listings = [Listing(folder, Catalog.read(path)) for path in paths]
    if any(listing.catalog.part and listing.catalog.fingerprint != recipe.fingerprint for listing in listings):
        raise CacheError(
            f"{folder}: holds parts of another recipe, which are to replace its features. "
            "Run featx extract with their settings and --overwrite, without --part, to put them in force."
        )
    listings = [listing for listing in listings if listing.catalog.fingerprint == recipe.fingerprint]
    if not listings:
        raise CacheNotFound(f"{folder}: its extraction was not finished. Run featx extract again to go on, then merge.")
    return listings


def default_target(folders: Sequence[Path], whole: Whole) -> Path:
    """Return where the caches are joined if the user names no place: in the only one, or under the name of the extract.

    Raises
    ------
    CacheError
        If nothing gives a name.
    """
    if len(folders) == 1:
        return folders[0]
    if not whole.name:
        raise CacheError("merge: the caches are no parts of one extract, which would give a name. Give --cache.")
    return Path("cache") / whole.name


def refuse_to_forget(store: FeatureCache, catalog: Catalog) -> None:
    """Refuse to replace a listing of images that are in none of the caches given.

    Raises
    ------
    CacheError
        With the number of images.
    """
    present = store.previous_catalog()
    if present is None or present.fingerprint != catalog.fingerprint:
        return
    kept = {f"{catalog.source}/{path}" for path in catalog.paths}
    lost = sum(f"{present.source}/{present.paths[row]}" not in kept for row in present.rows())
    if lost:
        raise CacheError(
            f"{store.folder}: lists {lost} images that none of the caches given lists. Give it among the caches to join, to "
            "keep them, or give another --cache."
        )
