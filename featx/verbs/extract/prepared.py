"""What extract and its dry run share: the listing, the recipe, what is cached already, and the catalog to come."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, ImageListError
from featx.images import (
    NEVER_TRUSTED,
    NO_DIGEST,
    Batch,
    Identities,
    ImageIndex,
    KnownFiles,
    Noticed,
    Part,
    group_images,
    identify_files,
    list_images,
    listing_digest,
    strata_of,
    take_images,
)
from featx.models import Engine, advised, find_engine
from featx.recipe import Recipe
from featx.store import EXTRACTED, NOT_GIVEN, REJECTED, SPLITS, Catalog, FeatureCache, PartOf
from featx.system.digests import Digests, are_among, first_alike
from featx.system.paths import CACHE, StrPath, as_path, as_path_or_none
from featx.system.progress import Progress
from featx.verbs.extract.checks import Checks, Notify
from featx.verbs.extract.options import ExtractOptions
from featx.verbs.extract.splits import draw_splits


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The images that are listed, and the cache that their features belong in.

    Parameters
    ----------
    options : ExtractOptions
        What was asked for.
    index : ImageIndex
        The listing.
    identities : Identities
        What each listed file is; decoding adds what it finds.
    engine : Engine
        How the features are made; for int8 a ``DraftEngine`` where the network has yet to be made.
    store : FeatureCache
        Nothing has been written to it yet.
    part : PartOf or None
        Of which listing ``index`` is only a part, and which.
    noticed : Noticed
        What decoding noticed of the files; filled as it goes on.
    notes : tuple of str
        What a user should know of the listing.
    """

    options: ExtractOptions
    index: ImageIndex
    identities: Identities
    engine: Engine
    store: FeatureCache
    part: PartOf | None = None
    noticed: Noticed = dataclasses.field(default_factory=Noticed)
    notes: tuple[str, ...] = ()

    @property
    def recipe(self) -> Recipe:
        """How the features are made."""
        return self.engine.recipe

    def rows_to_extract(self) -> list[int]:
        """Return the first row of each content that has no features yet."""
        missing = np.flatnonzero(self._readable & ~self.store.has(self.identities.digests))
        rows: list[int] = _one_of_each(self.identities.digests, missing).tolist()
        return rows

    @property
    def _readable(self) -> NDArray[np.bool_]:
        return np.array([not reason for reason in self.identities.reasons], np.bool_)

    def views_to_extract(self, catalog: Catalog) -> tuple[list[int], list[int]]:
        """Return rows of images, and numbers of the views of them that have no features yet.

        Of equal images, the first one whose file can still be read and has not changed stands for all, in any split; without
        such a file there is nothing to extract from.

        Parameters
        ----------
        catalog : Catalog
            Gives the training images.

        Returns
        -------
        rows, numbers : list of int
            An entry for each view; the views of an image stand together.
        """
        incomplete = catalog.digests[self._incomplete(catalog)]
        unchanged = self._readable & (self.identities.digests == catalog.digests).all(axis=1)
        rows = _one_of_each(catalog.digests, np.flatnonzero(unchanged & are_among(catalog.digests, incomplete)))
        places, views = np.nonzero(self._absent_views(catalog, rows))
        return rows[places].tolist(), (views + 1).tolist()

    def without_incomplete(self, catalog: Catalog) -> Catalog:
        """Reject images of which a view could not be made: their files changed or went since the clean image was taken."""
        lost = are_among(catalog.digests, catalog.digests[self._incomplete(catalog)]) & (catalog.status == EXTRACTED)
        reasons = {row: self.identities.reasons[row] or CHANGED for row in np.flatnonzero(lost).tolist()}
        return dataclasses.replace(
            catalog,
            status=np.where(lost, REJECTED, catalog.status).astype(np.uint8),
            reasons=[reasons.get(row, reason) for row, reason in enumerate(catalog.reasons)],
        )

    def _incomplete(self, catalog: Catalog) -> NDArray[np.int64]:
        """Return one row of each training image of which a view has no features."""
        rows = _one_of_each(catalog.digests, catalog.rows("train"))
        return rows[self._absent_views(catalog, rows).any(axis=1)]

    def _absent_views(self, catalog: Catalog, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which views of some rows have no features, shape (n_rows, n_views - 1)."""
        absent = [~self.store.has(catalog.digests[rows], key) for key in self.options.view_keys]
        return np.stack(absent, axis=1) if absent else np.zeros((len(rows), 0), np.bool_)

    def paths(self, rows: list[int]) -> Sequence[Path]:
        """Return the files of some rows, each made when it is asked for: a million of them would take half a gigabyte."""
        return _Files(self.index, rows)

    def note(self, rows: list[int], batch: Batch) -> None:
        """Take over what decoding reports: reasons, and files that were edited since they were listed."""
        self.noticed.add(batch.traits)
        for position, reason in batch.rejected.items():
            self.identities.reasons[rows[position]] = reason
        for position, digest in zip(batch.positions, batch.digests, strict=True):
            row = rows[position]
            if digest != self.identities.digests[row].tobytes():
                self.identities.digests[row] = np.frombuffer(digest, np.uint8)
                self.identities.mtimes[row] = NEVER_TRUSTED

    def make_catalog(self, with_features: NDArray[np.bool_]) -> Catalog:
        """Return the listing: every image with its split, or with its reason.

        Parameters
        ----------
        with_features : ndarray of shape (n_images,), bool
            Whether each image's content has features.
        """
        index, identities, options = self.index, self.identities, self.options
        # A file that cannot be read today may have a row from another day, which can no longer be compared with it.
        readable = self._readable
        present = with_features & readable
        reason_of = {identities.digests[row].tobytes(): identities.reasons[row] for row in np.flatnonzero(~readable).tolist()}
        reason_of.pop(NO_DIGEST, None)
        reasons = list(identities.reasons)
        for row in np.flatnonzero(readable & ~present).tolist():
            reasons[row] = reason_of.get(identities.digests[row].tobytes(), CHANGED)
        shares = options.val_fraction, options.test_fraction
        strata = strata_of(index.task, index.labels, index.targets)
        splits = draw_splits(strata, identities.digests, index.splits, index.groups, present, shares, options.seed)
        return Catalog(
            source=index.root.as_posix(),
            fingerprint=self.recipe.fingerprint,
            class_names=index.class_names,
            paths=list(index.paths),
            labels=index.labels,
            splits=splits,
            digests=identities.digests.copy(),  # decoding the views may still change these
            sizes=identities.sizes,
            mtimes=identities.mtimes,
            ctimes=identities.ctimes,
            status=np.where(present, EXTRACTED, REJECTED).astype(np.uint8),
            reasons=reasons,
            augment=str(options.augmentation) if options.view_keys else "",
            view_seed=options.seed,
            view_keys=options.view_keys,
            part=self.part,
            groups=list(index.groups),
            weights=index.weights,
            task=index.task,
            targets=index.targets,
        )


class _Files(Sequence[Path]):
    def __init__(self, index: ImageIndex, rows: list[int]) -> None:
        self._index = index
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: Any) -> Any:
        return self._index.root / self._index.paths[self._rows[position]]


CHANGED = "changed while it was being read"
"""Reason of an image whose file changed between listing and decoding."""


def prepare(
    images: StrPath,
    cache: StrPath | None,
    options: ExtractOptions,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Prepared:
    """List the images, identify each by its content, and open the cache. Nothing is written.

    Raises
    ------
    ImageListError, BackboneError, ImageSizeError, RecipeMismatch, CacheError
        As for ``extract_features``.
    """
    source = as_path("images", images, ImageListError, "the path of a folder or a manifest")
    with advised(source, "listing"):
        index = group_images(list_images(source, options.manifest), options.groups, workers, progress)
    drawn = options.val_fraction > 0 or options.test_fraction > 0
    checks = Checks(index, options.yes, notify, drawn=drawn)
    checks.before_reading()
    folder = as_path_or_none("cache", cache, CacheError, CACHE) or Path("cache") / index.name
    given = None if options.calibration is None else Path(options.calibration)
    resolved = options.resolve()
    checks.note(resolved.notes)
    engine = find_engine(Engine(*options.make_recipe(resolved)), folder, given, overwrite)
    store = FeatureCache.open_or_create(folder, engine.recipe, overwrite)
    chosen = options.part
    previous = store.previous_catalog()
    listings = [previous] if previous else []
    listings += store.part_listings(chosen.number, chosen.of) if chosen else store.part_listings()
    if cache is None:
        _refuse_another_folders_cache(index, listings, folder)
    part, index = _take_part(chosen, index, options) if chosen else (None, index)
    identities = identify_files(index, _known_files(index, listings), workers, progress)
    checks.after_reading(index, identities, store.has(identities.digests), whole=part is None)
    return Prepared(options, index, identities, engine, store, part, Noticed(engine.recipe.depth), tuple(checks.notes))


def _take_part(chosen: Part, index: ImageIndex, options: ExtractOptions) -> tuple[PartOf, ImageIndex]:
    rows = chosen.rows(index.paths)
    part = PartOf(
        number=chosen.number,
        of=chosen.of,
        name=index.name,
        listing=listing_digest(index),
        listed=len(index.paths),
        val_fraction=options.val_fraction,
        test_fraction=options.test_fraction,
        seed=options.seed,
        positions=rows,
        given=np.array([SPLITS.index(index.splits[row]) if index.splits[row] else NOT_GIVEN for row in rows], np.int8),
    )
    return part, take_images(index, rows)


def _refuse_another_folders_cache(index: ImageIndex, listings: list[Catalog], folder: Path) -> None:
    """Keep two folders of one name from taking turns in one default cache, and models from being measured on the other."""
    for listing in listings:
        if listing.source != index.root.as_posix() and Path(listing.source).exists():
            raise CacheError(
                f"{folder}: lists the images of {listing.source}, not of {index.root}. "
                f"Give --cache with another name; or --cache {shlex.quote(str(folder))} if it is to list these from now on."
            )


def _known_files(index: ImageIndex, listings: list[Catalog]) -> KnownFiles | None:
    """Return what the last listings of the same folder knew of each file; for a file in several, the last listing counts."""
    known = [listing for listing in reversed(listings) if listing.source == index.root.as_posix()]
    if not known:
        return None
    columns = [
        np.concatenate([getattr(listing, name) for listing in known]) for name in ("digests", "sizes", "mtimes", "ctimes")
    ]
    return KnownFiles([path for listing in known for path in listing.paths], *columns)


def _one_of_each(digests: Digests, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, of the given rows, the first row of each digest."""
    kept: NDArray[np.int64] = rows[first_alike(digests[rows]) == np.arange(len(rows))]
    return kept
