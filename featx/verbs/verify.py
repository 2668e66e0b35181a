"""The verb verify: is every byte of a cache what was written, and what to do if not."""

import dataclasses
from pathlib import Path

from featx.errors import CacheDamaged, CacheError, CacheNotFound, QuantizedNetworkError
from featx.models import network_of_cache, network_path
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
    no_cache,
    prune_shard,
    read_recipe,
    set_aside,
    survey,
)
from featx.system.files import locked


@dataclasses.dataclass(frozen=True)
class VerifyResult:
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

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.damages and not self.missing


def verify_cache(cache: Path | str, *, repair: bool = False, prune: bool = False, wait: bool = False) -> VerifyResult:
    """Open every shard, read every checksum, and hold catalog and shards against each other.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    repair : bool
        Move damaged files to ``damaged/`` inside the cache, so that the next extract redoes just their rows.
    prune : bool
        Drop the rows of images that are no longer listed, repeated rows, and shards of other recipes. Together with ``repair``
        it comes second: a row of which one copy is damaged keeps the other. Nothing is dropped beside damaged files, or
        where the listing is among them; ``not_pruned`` then gives the reason.
    wait : bool
        With ``repair`` or ``prune``: wait for another process that writes the cache.

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
    folder = Path(cache)
    try:
        recipe = read_recipe(folder)
    except CacheDamaged as error:
        return _without_recipe(folder, Damage(folder / "recipe.json", str(error)), repair, prune, wait)
    if recipe is None:
        raise no_cache(folder)
    surveyed = _survey(folder, recipe)
    moved: list[Path] = []
    pruned, not_pruned = 0, ""
    if prune or (repair and surveyed.damages):
        with FeatureCache(folder, recipe, surveyed.sound).locked(wait):
            if prune and is_unfinished(folder):
                raise CacheError(
                    f"{folder}: an extract into it was not finished, and what it did is not listed yet. "
                    "Run featx extract again first, then prune."
                )
            surveyed = _survey(folder, recipe)  # another writer may have changed something before the lock was ours
            if repair:
                moved = set_aside(folder, [damage for damage in surveyed.damages if not is_network(damage.path)])
                surveyed = dataclasses.replace(
                    surveyed, damages=[damage for damage in surveyed.damages if is_network(damage.path)]
                )
            if prune:
                catalog, not_pruned = _listing_to_prune_by(folder, recipe, surveyed, bool(moved))
                if catalog:
                    pruned = _prune(catalog, surveyed)
                    surveyed = _survey(folder, recipe)
    store = FeatureCache(folder, recipe, surveyed.sound)
    listing = store.previous_catalog()
    parts = [part for part in store.part_listings() if part.fingerprint == recipe.fingerprint]
    return VerifyResult(
        cache=folder,
        shards=len(surveyed.sound),
        rows=sum(map(len, surveyed.sound)),
        bytes=sum(shard.path.stat().st_size for shard in surveyed.sound),
        damages=surveyed.damages,
        missing=sum(missing_rows(catalog, store) for catalog in ([listing] if listing else parts)),
        unlisted=_count_unlisted(listing, surveyed) if listing else 0,
        repeated=sum(int(again.sum()) for again in find_repeated(surveyed.sound)),
        unfinished=is_unfinished(folder),
        leftovers=len(surveyed.leftovers),
        foreign=len(surveyed.foreign),
        set_aside=moved,
        pruned=pruned,
        not_pruned=not_pruned,
    )


def _listing_to_prune_by(folder: Path, recipe: Recipe, surveyed: Survey, repaired: bool) -> tuple[Catalog | None, str]:
    """Return the listing by which rows are in use; or None, and the reason why none may be dropped."""
    if not all(is_network(damage.path) for damage in surveyed.damages):
        return None, "files are damaged; add --repair, which sets them aside first"
    if surveyed.damages:
        return None, "the network of its int8 features is lost or damaged; put it back first"
    try:
        return FeatureCache(folder, recipe, surveyed.sound).catalog, ""
    except (CacheNotFound, CacheDamaged) as error:
        if not repaired:
            raise
        return None, f"without a listing no row is known to be unused. {error}"


def _prune(catalog: Catalog, surveyed: Survey) -> int:
    """Drop rows that are not listed or repeat an earlier row, and shards of other recipes; return the number of rows."""
    is_listed = Listed(catalog)
    repeated = find_repeated(surveyed.sound)
    pruned = sum(prune_shard(is_listed(s) & ~again, s) for s, again in zip(surveyed.sound, repeated, strict=True))
    drop_foreign(surveyed.foreign)
    return pruned


def is_network(path: Path) -> bool:
    """Return whether a damaged file is a quantized network, which no extract can make again."""
    return path.parent.name == QUANTIZED


def _survey(folder: Path, recipe: Recipe) -> Survey:
    """Look at everything in the cache, the quantized network of int8 features with it."""
    surveyed = survey(folder, recipe)
    try:
        network_of_cache(FeatureCache(folder, recipe, surveyed.sound))
    except QuantizedNetworkError as error:
        surveyed.damages.append(Damage(network_path(folder, recipe), str(error)))
    return surveyed


def _count_unlisted(catalog: Catalog, surveyed: Survey) -> int:
    is_listed = Listed(catalog)
    return sum(int((~is_listed(shard)).sum()) for shard in surveyed.sound)


def _without_recipe(folder: Path, damage: Damage, repair: bool, prune: bool, wait: bool) -> VerifyResult:
    """Without the recipe the cache's shards are unknown; once it is aside, extract with the same settings finds them."""
    moved: list[Path] = []
    if repair:
        with locked(folder / ".lock", wait):
            moved = set_aside(folder, [damage])
    return VerifyResult(
        cache=folder,
        shards=0,
        rows=0,
        bytes=0,
        damages=[] if moved else [damage],
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
