"""The verb verify: is every byte of a cache what was written, and what to do if not."""

import dataclasses
from pathlib import Path

from featx.errors import CacheDamaged, CacheError, CacheNotFound, CacheUnreadable, QuantizedNetworkError
from featx.models import network_of_cache, network_path, no_cache_at
from featx.recipe import Recipe
from featx.store import (
    QUANTIZED,
    Catalog,
    Damage,
    FeatureCache,
    Listed,
    Survey,
    drop_foreign,
    find_repeated,
    is_unfinished,
    missing_rows,
    read_recipe,
    set_aside,
    survey,
    write_rejects,
    writing_named,
)
from featx.store import prune as drop_rows
from featx.store import restore as bring_back
from featx.system.lock_file import locked
from featx.system.paths import CACHE, StrPath, as_path
from featx.system.results import Result


@dataclasses.dataclass(frozen=True, repr=False)
class VerifyResult(Result):
    """The state of a cache, and what was repaired.

    Parameters
    ----------
    cache : Path
        The cache's folder.
    shards, rows, bytes : int
        Whole shards of the recipe, their rows and bytes.
    damages : list of Damage
        Files that are not what was written.
    missing : int
        Listed images whose row is in no whole shard; the next extract redoes just those.
    unlisted : int
        Rows whose image is not in the last finished listing; kept until pruned.
    repeated : int
        Rows that stand in another shard too, as where two parts did the same work; never read, kept until pruned.
    unfinished : bool
        Whether an extract was begun and not finished; until it is, nothing is pruned.
    leftovers : int
        Unfinished files of dead writers; the next extract sweeps them.
    foreign : int
        Shards of another recipe; never used.
    set_aside : list of Path
        Where ``repair`` moved the damaged files.
    pruned : int
        Rows dropped by ``prune``.
    not_pruned : str
        Why ``prune`` was asked for and nothing was dropped; empty otherwise.
    unreadable : list of Damage
        Files that the system does not let us read. Nothing shows that they are damaged, and they are left where they are.
    restored : list of Path
        Files that ``restore`` brought back.
    """

    cache: Path
    shards: int
    rows: int
    bytes: int
    damages: list[Damage]
    missing: int
    unlisted: int
    repeated: int
    unfinished: bool
    leftovers: int
    foreign: int
    set_aside: list[Path]
    pruned: int
    not_pruned: str = ""
    unreadable: list[Damage] = dataclasses.field(default_factory=list)
    restored: list[Path] = dataclasses.field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged, unreadable or missing."""
        return not self.damages and not self.missing and not self.unreadable


def verify_cache(
    cache: StrPath, *, repair: bool = False, prune: bool = False, restore: bool = False, wait: bool = False
) -> VerifyResult:
    """Open every shard, read every checksum, and hold catalog and shards against each other.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    repair : bool
        Move damaged files to ``damaged/`` inside the cache, so that the next extract redoes just their rows. Files that cannot
        be read for another reason stay: only bytes that were read and found wrong are damage.
    prune : bool
        Drop the rows of images that are no longer listed, repeated rows, and shards of other recipes. Together with ``repair``
        it comes second: a row of which one copy is damaged keeps the other. Nothing is dropped beside damaged files, or
        where the listing is among them; ``not_pruned`` then says so.
    restore : bool
        First of all bring back from ``damaged/`` what is sound.
    wait : bool
        With ``repair``, ``prune`` or ``restore``: wait for another process that writes the cache.

    Returns
    -------
    result : VerifyResult
        The state of the cache, and what was repaired.

    Raises
    ------
    CacheNotFound
        If there is no cache.
    CacheLocked
        If another process writes the cache.
    CacheError
        With ``prune``: if an extract was not finished; nothing is repaired then either.

    Examples
    --------
    >>> result = featx.verify_cache("cache/photos")
    >>> result.rows, result.damages, result.missing
    (36, [], 0)
    """
    folder = as_path("cache", cache, CacheError, CACHE)
    restored: list[Path] = []
    if restore and folder.is_dir():
        with writing_named(folder), locked(folder / ".lock", wait):
            restored = bring_back(folder)
    try:
        recipe = read_recipe(folder)
    except (CacheDamaged, CacheUnreadable) as error:
        return _without_recipe(folder, error, repair, prune, wait)
    if recipe is None:
        raise no_cache_at(folder)
    layers = [
        verify_cache(inside.parent, repair=repair, restore=restore, wait=wait)
        for inside in sorted(folder.glob("layers/*/recipe.json"))
    ]
    found = _survey(folder, recipe)
    moved: list[Path] = []
    pruned, not_pruned = 0, ""
    if prune or (repair and found.damages):
        with FeatureCache(folder, recipe, found.sound).locked(wait):
            if prune and is_unfinished(folder):
                raise CacheError(
                    f"{folder}: an extract into it was not finished, and what it did is not listed yet. "
                    "Run featx extract again first, then prune."
                )
            found = _survey(folder, recipe)  # another writer may have changed something before the lock was ours
            if repair:
                moved = set_aside(folder, [damage for damage in found.damages if not is_network(damage.path)])
                found = dataclasses.replace(found, damages=[one for one in found.damages if is_network(one.path)])
                _write_again(folder, moved)
            if prune:
                catalog, not_pruned = _listing_to_prune_by(folder, recipe, found, bool(moved))
                if catalog:
                    pruned = drop_rows(catalog, found.sound)
                    drop_foreign(found.foreign)
                    found = _survey(folder, recipe)
    store = FeatureCache(folder, recipe, found.sound)
    closed = {one.path for one in found.unreadable}
    listing = None if folder / "catalog.h5" in closed else store.previous_catalog()
    parts = [] if closed else [one for one in store.part_listings() if one.fingerprint == recipe.fingerprint]
    return VerifyResult(
        cache=folder,
        shards=len(found.sound),
        rows=sum(map(len, found.sound)),
        bytes=sum(shard.n_bytes for shard in found.sound),
        damages=found.damages + [damage for layer in layers for damage in layer.damages],
        # A row in a file that cannot be read now is not missing: extracting it again would be work for nothing.
        missing=0 if found.unreadable else sum(missing_rows(one, store) for one in ([listing] if listing else parts)),
        unlisted=_count_unlisted(listing, found) if listing else 0,
        repeated=sum(int(again.sum()) for again in find_repeated(found.sound)),
        unfinished=is_unfinished(folder),
        leftovers=len(found.leftovers),
        foreign=len(found.foreign),
        set_aside=moved + [path for layer in layers for path in layer.set_aside],
        pruned=pruned,
        not_pruned=not_pruned,
        unreadable=found.unreadable + [one for layer in layers for one in layer.unreadable],
        restored=restored + [path for layer in layers for path in layer.restored],
    )


def _write_again(folder: Path, moved: list[Path]) -> None:
    """Make the table of rejected images anew where it was set aside: the catalog knows them all."""
    if any(path.name.startswith("rejects.csv") for path in moved) and (folder / "catalog.h5").exists():
        write_rejects(folder / "rejects.csv", Catalog.read(folder / "catalog.h5"))


def _listing_to_prune_by(folder: Path, recipe: Recipe, found: Survey, repaired: bool) -> tuple[Catalog | None, str]:
    """Return the listing that tells which rows are in use; or None, and what stands against dropping any."""
    if not all(is_network(one.path) for one in found.damages):
        return None, "files are damaged; add --repair, which sets them aside first"
    if found.damages:
        return None, "the network of its int8 features is lost or damaged; put it back first"
    if found.unreadable:
        return None, "files cannot be read, and what is in them is not known"
    try:
        return FeatureCache(folder, recipe, found.sound).catalog, ""
    except (CacheNotFound, CacheDamaged) as error:
        if not repaired:
            raise
        return None, f"without a listing no row is known to be unused. {error}"


def is_network(path: Path) -> bool:
    """Return whether a damaged file is a quantized network, which no extract can make again."""
    return path.parent.name == QUANTIZED


def _survey(folder: Path, recipe: Recipe) -> Survey:
    """Look at everything in the cache, the quantized network of int8 features with it."""
    found = survey(folder, recipe)
    try:
        network_of_cache(FeatureCache(folder, recipe, found.sound))
    except QuantizedNetworkError as error:
        found.damages.append(Damage(network_path(folder, recipe), str(error)))
    return found


def _count_unlisted(catalog: Catalog, found: Survey) -> int:
    is_listed = Listed(catalog)
    return sum(int((~is_listed(shard)).sum()) for shard in found.sound)


def _without_recipe(folder: Path, error: CacheError, repair: bool, prune: bool, wait: bool) -> VerifyResult:
    """Without the recipe nobody can say which shards belong; once it is aside, extract with the same settings finds them."""
    damage = Damage(folder / "recipe.json", str(error))
    closed = isinstance(error, CacheUnreadable)
    moved: list[Path] = []
    if repair and not closed:
        with locked(folder / ".lock", wait):
            moved = set_aside(folder, [damage])
    return VerifyResult(
        cache=folder,
        shards=0,
        rows=0,
        bytes=0,
        damages=[] if moved or closed else [damage],
        unreadable=[damage] if closed else [],
        missing=0,
        unlisted=0,
        repeated=0,
        unfinished=False,
        leftovers=0,
        foreign=0,
        set_aside=moved,
        pruned=0,
        not_pruned="without its recipe no row is known to be unused; run featx extract, then prune" if prune else "",
    )
