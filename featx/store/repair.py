"""What is wrong with a cache on disk, and setting it right without deciding for the user what to lose."""

import dataclasses
import functools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from featx.errors import CacheDamaged, CacheError, CacheUnreadable
from featx.recipe import Recipe
from featx.store.cache import FeatureCache
from featx.store.documents import MEND, PATIENCE, read_json, read_recipe, shard_paths, writing_named
from featx.store.inside import ALIKE, ASIDE, PARTS, QUANTIZED, UNFINISHED
from featx.store.listing.catalog import EXTRACTED, Catalog
from featx.store.listing.parts import part_paths, rejects_path
from featx.store.listing.rejects import check_rejects
from featx.store.network import read_network
from featx.store.shards.shard import Shard
from featx.system.durable import make_folder, move
from featx.system.files import TEMPORARY_PREFIX, file_digest


@dataclasses.dataclass(frozen=True)
class Damage:
    """A damaged file, and what is wrong with it.

    Parameters
    ----------
    path : Path
        The file.
    problem : str
        What is wrong, in one sentence.
    """

    path: Path
    problem: str


@dataclasses.dataclass(frozen=True)
class Survey:
    """The state of a cache's files.

    Parameters
    ----------
    damages : list of Damage
        What is wrong with shards, catalog, the listings of parts, and the files beside them.
    unreadable : list of Damage
        Files that the system does not let us read; nothing shows that their bytes are wrong.
    sound : list of Shard
        Whole shards of the recipe.
    foreign : list of Path
        Whole shards of another recipe: never used, no damage.
    leftovers : list of Path
        Unfinished files of dead writers; the next extract sweeps them.
    """

    damages: list[Damage]
    unreadable: list[Damage]
    sound: list[Shard]
    foreign: list[Path]
    leftovers: list[Path]


def survey(folder: Path, recipe: Recipe) -> Survey:
    """Read every byte of every shard and every checksum in it, the catalog and the listings of parts."""
    looked_at: dict[Path, Shard | CacheError] = {}
    for _ in range(PATIENCE):
        paths = shard_paths(folder)
        looked_at |= {path: _shard_or_error(path, recipe) for path in paths if path not in looked_at}
        if paths == shard_paths(folder):
            break  # else another process has pruned meanwhile: what is gone is no damage
    shards = [found for path in paths if isinstance(found := looked_at[path], Shard)]
    sound = [shard for shard in shards if shard.fingerprint == recipe.fingerprint]
    foreign = [shard.path for shard in shards if shard.fingerprint != recipe.fingerprint]
    errors = {path: found for path in paths if isinstance(found := looked_at[path], CacheError)}
    beside: list[tuple[Path, Callable[[Path], object]]] = [
        (folder / "catalog.h5", functools.partial(_check_listing, recipe=recipe)),
        *((listing, Catalog.read) for listing in part_paths(folder)),
        (folder / "network.json", functools.partial(read_network, fingerprint=recipe.fingerprint)),
        (folder / "rejects.csv", functools.partial(check_rejects, folder / "catalog.h5")),
        *((rejects_path(listing), functools.partial(check_rejects, listing)) for listing in part_paths(folder)),
        (folder / ALIKE, read_json),
    ]
    for path, read in beside:
        if path.exists():
            try:
                read(path)
            except (CacheDamaged, CacheUnreadable) as error:
                errors[path] = error
    damages, unreadable = (
        [Damage(path, str(error)) for path, error in errors.items() if isinstance(error, kind)]
        for kind in (CacheDamaged, CacheUnreadable)
    )
    places = folder, folder / "shards", folder / PARTS, folder / QUANTIZED
    # As sweep_temporaries: a folder of such a name is somebody's own, and stays.
    leftovers = sorted(path for where in places for path in where.glob(f"{TEMPORARY_PREFIX}*") if not path.is_dir())
    return Survey(damages, unreadable, sound, foreign, leftovers)


def _check_listing(path: Path, recipe: Recipe) -> None:
    catalog = Catalog.read_whole(path)
    # While an extract puts another recipe in force, and after it was killed doing so, the mark stands.
    if catalog.fingerprint != recipe.fingerprint and not is_unfinished(path.parent):
        raise CacheDamaged(f"{path}: is the listing of another recipe than the cache's. {MEND}")


def _shard_or_error(path: Path, recipe: Recipe) -> Shard | CacheError:
    try:
        shard = Shard(path)
        shard.check()
        if shard.fingerprint == recipe.fingerprint:
            shard.check_layers(recipe.layers)
    except CacheUnreadable as error:
        return error
    except CacheDamaged as error:
        # Refused by HDF5 although every byte is what was written: it was short of something, or is too old for the file.
        return error if error.__cause__ is None or not _holds_its_name(path) else CacheUnreadable(str(error))
    return shard


def _holds_its_name(path: Path) -> bool:
    try:
        return file_digest(path).hex() == path.stem
    except OSError:
        return False


def set_aside(folder: Path, damages: list[Damage]) -> list[Path]:
    """Move damaged files out of use; call it only while holding the cache's lock.

    Returns
    -------
    moved : list of Path
        Where they are now. They are kept, so that rows can still be rescued from them by hand.

    Raises
    ------
    CacheWriteError
        If they cannot be moved.
    """
    aside = folder / ASIDE
    moved = []
    with writing_named(aside):
        for damage in damages:
            if not damage.path.exists():  # what is gone cannot be moved
                continue
            make_folder(aside)
            target = _unused(aside / damage.path.name)
            move(damage.path, target)
            moved.append(target)
    return moved


def restore(folder: Path) -> list[Path]:
    """Bring back what was set aside and is sound; call it only while holding the cache's lock.

    Shards come back whose every byte is what their name says; the recipe, the network's description and listings, if they
    can be read and no other file has taken their name since.

    Returns
    -------
    restored : list of Path
        Where they are now.

    Raises
    ------
    CacheWriteError
        If they cannot be moved.
    """
    restored = []
    for path in sorted((folder / ASIDE).glob("*")):
        name = re.sub(r"(\.\w+)\.\d+$", r"\1", path.name)  # set aside more than once under one name
        target = _home_of(folder, name)
        if target is None or target.exists() or not _is_sound(path, name):
            continue
        with writing_named(target):
            make_folder(target.parent)
            move(path, target)
        restored.append(target)
    return restored


def _home_of(folder: Path, name: str) -> Path | None:
    if re.fullmatch(r"[0-9a-f]{64}\.h5", name):
        return folder / "shards" / name
    if name in ("catalog.h5", "recipe.json", "network.json"):
        return folder / name
    return folder / PARTS / name if re.fullmatch(r"\d+-of-\d+\.h5", name) else None


def _is_sound(path: Path, name: str) -> bool:
    try:
        if name == "recipe.json":
            read_recipe(path.parent, path.name)
        elif name == "network.json":
            read_json(path)
        elif re.fullmatch(r"[0-9a-f]{64}\.h5", name):
            Shard(path).check(bytes.fromhex(name[:64]))
        else:
            Catalog.read(path)
    except (CacheError, OSError):
        return False
    return True


def is_unfinished(folder: Path) -> bool:
    """Tell whether an extract was begun and not finished: then rows that no listing names may be its work.

    Listings of parts say so too: what they name is in no finished listing yet.
    """
    return (folder / UNFINISHED).exists() or bool(part_paths(folder))


def missing_rows(catalog: Catalog, store: FeatureCache) -> int:
    """Count the rows that the catalog's images should have, in every view, and that are in no shard."""
    rows = np.flatnonzero(catalog.status == EXTRACTED)
    missing = (~store.has(catalog.digests[rows])).sum()
    learned = catalog.digests[catalog.rows("train")]
    return int(missing + sum((~store.has(learned, key)).sum() for key in catalog.view_keys))


def _unused(path: Path) -> Path:
    number, candidate = 0, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate
