"""FeatureCache: the folder as a whole."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featx.errors import CacheDamaged, CacheError
from featx.recipe import Recipe
from featx.store.cache_writer import CacheWriter
from featx.store.documents import PATIENCE, read_recipe, writing_named
from featx.store.features import CachedFeatures
from featx.store.folder import foreign_entries, no_cache, refuse_another_recipe
from featx.store.inside import PARTS, check_inside
from featx.store.listing.catalog import REJECTED, SPLITS, Catalog
from featx.store.listing.parts import part_path, part_paths
from featx.store.listing.said import said_of
from featx.store.network import read_network
from featx.store.shards.shard import Shard
from featx.system.durable import make_folder
from featx.system.files import sweep_temporaries
from featx.system.frames import data_frame
from featx.system.lock_file import closed_to_others, locked
from featx.system.outputs import refuse_address
from featx.system.results import Result

if TYPE_CHECKING:
    from featx.system.frames import DataFrame

# How long a reader waits for another process that is between two renames.
_PAUSE_SECONDS = 0.02

_PARTS_AT_WORK = "parts of one extract"


class FeatureCache(Result, CachedFeatures):
    """Cached features of one recipe, and the catalog of the images they belong to.

    Use ``FeatureCache.open`` to read, ``FeatureCache.open_or_create`` to extract.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    recipe : Recipe
        What its features were made with.
    shards : list of Shard or None
        The shards to read from, where the caller has chosen them; by default all of the recipe's in the folder.

    Examples
    --------
    >>> cache = featx.open_cache("cache/photos")
    >>> rows = cache.catalog.rows("train")
    >>> cache.features(rows, pooling="avg").shape
    (24, 3)
    >>> cache.catalog.class_names[cache.catalog.labels[rows[0]]]
    'blue'
    """

    def __init__(self, folder: Path, recipe: Recipe, shards: list[Shard] | None = None) -> None:
        super().__init__(folder, recipe, shards)
        self._overwrite = False

    def __repr__(self) -> str:
        made = f"backbone={self.recipe.backbone!r}, layers={self.recipe.layers}"
        return f"FeatureCache(folder={str(self.folder)!r}, {made}, rows={len(self)})"

    def to_frame(self) -> "DataFrame":
        """Return a data frame with a row for each listed image: path, label, split, and why it was rejected; needs pandas.

        Of labels and numbers there is a column each in place of ``label``: 1, 0 or a number, NaN where it is not known.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        CacheError
            If the cache has no listing yet.
        """
        catalog = self.catalog
        columns: dict[str, Any] = {
            "path": catalog.paths,
            **({"label": [said_of(catalog, row) for row in range(len(catalog))]} if catalog.targets is None else {}),
            "split": [SPLITS[split] for split in catalog.splits.tolist()],
            "rejected": catalog.status == REJECTED,
            "reason": catalog.reasons,
        }
        columns |= {"group": catalog.groups} if catalog.groups else {}
        for column, name in enumerate(catalog.task.column_names):  # a label may be called as a column is
            columns[name if name not in columns else f"target {name}"] = catalog.targets[:, column]  # type: ignore[index]
        return data_frame(columns, "FeatureCache")

    def __fspath__(self) -> str:
        """Stand for its folder wherever the path of a cache is wanted."""
        return str(self.folder)

    @classmethod
    def open(cls, folder: Path) -> "FeatureCache":
        """Open an existing cache for reading.

        Raises
        ------
        CacheNotFound
            If there is no cache in the folder.
        CacheDamaged
            If its recipe or a shard cannot be read.
        """
        for _ in range(PATIENCE):
            recipe = read_recipe(folder)
            if recipe is None:
                raise no_cache(folder)
            cache = cls(folder, recipe, shards=[])
            # The catalog first: shards only ever come on top, so those listed after it hold every row that it names.
            if not (folder / "catalog.h5").exists():
                break
            catalog = Catalog.read_whole(folder / "catalog.h5")
            if catalog.fingerprint == recipe.fingerprint:
                cache.adopt_catalog(catalog)
                break
            time.sleep(_PAUSE_SECONDS)  # another process is putting a new recipe in force just now: two renames
        cache.refresh()
        return cache

    @classmethod
    def open_or_create(cls, folder: Path, recipe: Recipe, overwrite: bool = False) -> "FeatureCache":
        """Open a cache to extract into. Nothing is written yet.

        Parameters
        ----------
        folder : Path
            The cache's folder; it need not exist.
        recipe : Recipe
            What is asked for.
        overwrite : bool
            Take the recipe in place of another. The old features stay in use until ``commit``.

        Raises
        ------
        RecipeMismatch
            If the folder holds features of another recipe and ``overwrite`` is false.
        CacheError
            If the folder holds something that is no cache, or something in the cache that is neither file nor folder.
        OutputError
            If it is an address.
        """
        refuse_address(folder)
        present = read_recipe(folder)
        if not overwrite:
            refuse_another_recipe(folder, present, recipe)
        if present is None and folder.exists() and (not folder.is_dir() or any(foreign_entries(folder))):
            raise CacheError(f"{folder}: exists and is not a feature cache. Give another --cache.")
        check_inside(folder)  # one that has no recipe yet was not checked with it
        cache = cls(folder, recipe)
        cache._overwrite = overwrite
        return cache

    def previous_catalog(self) -> Catalog | None:
        """Return the last finished listing, of whatever recipe, for its content digests; None if there is no sound listing."""
        try:
            return Catalog.read_whole(self.folder / "catalog.h5")
        except CacheDamaged:
            return None

    def part_listings(self, number: int | None = None, of: int = 0) -> list[Catalog]:
        """Return the listings that parts of an extract have left here, whatever their recipe; damaged ones are passed over.

        Parameters
        ----------
        number, of : int
            Only that of part ``number`` of ``of``; by default all.
        """
        paths = part_paths(self.folder) if number is None else [part_path(self.folder, number, of)]
        listings = []
        for path in paths:
            with contextlib.suppress(CacheDamaged):
                listings.append(Catalog.read(path))
        return [catalog for catalog in listings if catalog.part]

    @property
    def network(self) -> dict[str, Any]:
        """Layers and parameter counts of the backbone, as it was when it ran; empty before that."""
        path = self.folder / "network.json"
        return read_network(path, self.recipe.fingerprint) if path.exists() else {}

    @contextlib.contextmanager
    def writing(self, wait: bool = False, as_part: bool = False) -> Iterator[CacheWriter]:
        """Become the one writer of this cache, or one of several that write parts.

        On leaving the block, also by an error or Ctrl-C, rows collected so far are committed as a shard.

        Parameters
        ----------
        wait : bool
            Wait for another writer to end instead of raising.
        as_part : bool
            Let others in that write parts too. They only ever add files under names of their own.

        Raises
        ------
        CacheLocked
            If another process is writing.
        CacheWriteError
            If the folder cannot be written.
        """
        with self.locked(wait, as_part):
            if not as_part:  # what looks unfinished may be another part's that is at work
                with writing_named(self.folder):
                    for folder in (self.folder, self.folder / "shards", self.folder / PARTS):
                        sweep_temporaries(folder)
            self.check_recipe()  # another writer may have finished between opening the cache and getting the lock
            self.refresh()
            writer = CacheWriter(self, self._overwrite)
            try:
                yield writer
            finally:
                writer.flush()

    @contextlib.contextmanager
    def locked(self, wait: bool = False, as_part: bool = False) -> Iterator[None]:
        """Hold the cache's lock, alone or with other parts; readers are not kept out.

        Raises
        ------
        CacheLocked
            If another process holds it and ``wait`` is false.
        CacheWriteError
            If the folder cannot be written.
        CacheUnsafe
            If something in the cache is neither a regular file nor a real folder.
        """
        check_inside(self.folder)
        lock = locked(self.folder / ".lock", wait, _PARTS_AT_WORK if as_part else "")
        with writing_named(self.folder):
            make_folder(self.folder / "shards")
            lock.__enter__()
        with contextlib.ExitStack() as stack:
            stack.push(lock)
            # A lock of another user's can be held by whoever may read it. Said now, not after the backbone has run for hours.
            if not all(os.access(place, os.W_OK) for place in (self.folder, self.folder / "shards")):
                raise closed_to_others(self.folder)
            yield

    def check_recipe(self) -> None:
        """Make sure that this recipe is in force: another part may have begun with another recipe at the same moment.

        Raises
        ------
        RecipeMismatch
            If it is not, and is not to be replaced.
        """
        if not self._overwrite:
            refuse_another_recipe(self.folder, read_recipe(self.folder), self.recipe)
