"""The verb extract with ``--dry-run``: what an extract would do, what it would cost, and nothing touched."""

import dataclasses
import time
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from featx.backbones import check_device, check_engine
from featx.images import MAX_PIXELS, Batch, Noticed
from featx.models import Compute, Engine, Extractor, Maps, decode_files
from featx.store import REJECTED, SPLITS, Catalog, expected_bytes, find_repeats
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.digests import are_among, as_digests
from featx.system.paths import StrPath
from featx.system.results import Result
from featx.task import Task
from featx.verbs.extract.checks import Notify
from featx.verbs.extract.keywords import ExtractKeywords, read_options
from featx.verbs.extract.prepared import Prepared, prepare
from featx.verbs.extract.quantization import MOST_IMAGES

# The first batch pays for compiling the network, so at least two are needed to measure the rate.
_TIMED_BATCHES = 4


@dataclasses.dataclass(frozen=True, repr=False)
class ExtractPlan(Result):
    """What an extract would do. ``listed == to_extract + reused + rejected``.

    Parameters
    ----------
    cache : Path
        The folder it would write.
    listed : int
        Images found.
    to_extract : int
        Images that would go through the backbone.
    reused : int
        Images whose features are there already, or would be those of an exact duplicate.
    rejected : int
        Images that would give no features.
    rejects : dict of str to str
        Their paths, each with its reason.
    duplicates : int
        Images with the very content of another listed before.
    conflicts : list of str
        Images whose very content stands in more than one class, or with other labels or numbers.
    across_splits : list of str
        Val and test images whose very content is in train, or test images whose content is in val.
    views : int
        Views of each training image, the clean one included.
    to_augment : int
        Augmented views that would go through the backbone.
    counts : dict of str to dict of str to int
        Class, label or target to split to number of images that would have features, as in ``images_of_class``.
    splits : dict of str to int
        Images that would have features in train, val and test.
    classes : int
        Number of classes, labels, targets or grades.
    task : Task
        What is to be learned of the images.
    unlearnable : list of str
        Classes, labels or targets without a single training image.
    reasons : dict of str to int
        Rejected images by reason.
    skipped : dict of str to int
        Files that are no images, by suffix.
    bytes : int
        What the cache would take on disk, with what is there.
    images_per_second : float
        Of the backbone, decoding included, as measured on a few batches; 0 if there is nothing to do.
    seconds : float
        What the extract would take, start-up included.
    shard : str or None
        ``"I/N"`` where only that part would be extracted: then all counts are of it, and its splits are provisional.
    whole : int
        Images in the whole listing; ``listed`` where it is no part.
    noticed : Noticed
        What was noticed of the files that were decoded now.
    notes : list of str
        What a user should know of the listing.
    passed_over : dict of str to int
        Folders that the system put there or hides, by name.
    hidden : int
        Hidden files in the folders, such as ``.DS_Store``.

    Examples
    --------
    >>> plan = featx.plan_extract("photos", backbone="stub", image_size=(64, 64))
    >>> plan.listed, plan.to_extract, plan.reused
    (36, 0, 36)
    """

    cache: Path
    listed: int
    to_extract: int
    reused: int
    rejected: int
    rejects: dict[str, str]
    duplicates: int
    conflicts: list[str]
    across_splits: list[str]
    views: int
    to_augment: int
    counts: dict[str, dict[str, int]]
    splits: dict[str, int]
    classes: int
    task: Task
    unlearnable: list[str]
    reasons: dict[str, int]
    skipped: dict[str, int]
    bytes: int
    images_per_second: float
    seconds: float
    shard: str | None
    whole: int
    noticed: Noticed
    notes: list[str] = dataclasses.field(default_factory=list)
    passed_over: dict[str, int] = dataclasses.field(default_factory=dict)
    hidden: int = 0


@closing_bars()
def plan_extract(
    images: StrPath,
    cache: StrPath | None = None,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    engine: str | None = None,
    overwrite: bool = False,
    progress: ProgressOption = None,
    notify: Notify | None = None,
    **options: Unpack[ExtractKeywords],
) -> ExtractPlan:
    """Report what ``extract_features`` with the same arguments would do: nothing is written.

    Every image that has no features yet is decoded, so that what would be rejected is known and not guessed; the backbone
    runs over a few batches.

    Parameters
    ----------
    images, cache, batch_size, workers, max_pixels, device, engine, overwrite, progress, notify, **options
        As for ``extract_features``.

    Returns
    -------
    plan : ExtractPlan
        Counts, names, bytes and seconds.

    Raises
    ------
    ImageListError, ImageSizeError, BackboneError, AugmentError, ExtraMissing, RecipeError, CacheError
        As ``extract_features`` would.

    Examples
    --------
    >>> plan = featx.plan_extract("photos", "cache/large", backbone="stub", image_size=(128, 128))
    >>> plan.to_extract, plan.counts["red"]
    (36, {'train': 8, 'val': 2, 'test': 2})
    """
    progress = as_progress(progress)
    started = time.monotonic()
    chosen = read_options(plan_extract, options)
    compute = Compute(batch_size, workers, max_pixels, device, engine)
    check_device(device, chosen.precision)
    check_engine(engine or "auto", chosen.precision, device)
    prepared = prepare(images, cache, chosen, overwrite=overwrite, workers=compute.workers, progress=progress, notify=notify)
    compute = compute.settled(prepared.recipe)
    trial = _Trial(prepared.engine, compute, time.monotonic() - started)
    rows = prepared.rows_to_extract()
    extracted: set[bytes] = set()
    for batch in decode_files(prepared.paths(rows), prepared.recipe, compute, progress=progress):
        extracted |= set(batch.digests)
        prepared.note(rows, batch)
        trial.run(batch)
    digests = prepared.identities.digests
    catalog = prepared.make_catalog(prepared.store.has(digests) | are_among(digests, as_digests(list(extracted))))
    return _summarise(prepared, catalog, len(extracted), trial)


def _summarise(prepared: Prepared, catalog: Catalog, to_extract: int, trial: "_Trial") -> ExtractPlan:
    repeats, usable, part = find_repeats(catalog), catalog.rows(), prepared.part
    of_split = {split: catalog.images_of_class(split) for split in SPLITS}
    to_augment = len(prepared.views_to_extract(catalog)[0])
    return ExtractPlan(
        cache=prepared.store.folder,
        listed=len(catalog),
        to_extract=to_extract,
        reused=len(usable) - to_extract,
        rejected=len(catalog) - len(usable),
        rejects={catalog.paths[row]: catalog.reasons[row] for row in np.flatnonzero(catalog.status == REJECTED)},
        duplicates=repeats.duplicates,
        conflicts=repeats.conflicts,
        across_splits=[] if part else repeats.across_splits,
        views=prepared.options.n_views,
        to_augment=to_augment,
        counts={name: {split: of_split[split][name] for split in SPLITS} for name in of_split["train"]},
        splits={split: len(catalog.rows(split)) for split in SPLITS},
        classes=len(catalog.class_names or catalog.task.names),
        task=catalog.task,
        unlearnable=[name for name, count in of_split["train"].items() if not count and not part],
        reasons=catalog.reason_counts(),
        skipped=prepared.index.skipped,
        bytes=prepared.store.stored_bytes + trial.bytes_of(to_extract, to_augment),
        images_per_second=trial.rate,
        seconds=trial.seconds_of(to_extract + to_augment),
        shard=str(part) if part else None,
        whole=part.listed if part else len(catalog),
        noticed=prepared.noticed,
        notes=list(prepared.notes),
        passed_over=prepared.index.passed_over,
        hidden=prepared.index.hidden,
    )


class _Trial:
    """A few batches through the backbone, to estimate what all of them would take.

    Parameters
    ----------
    engine : Engine
        What the backbone is loaded from.
    compute : Compute
        How it computes.
    listing_seconds : float
        What went before.

    Attributes
    ----------
    rate : float
        Images a second, decoding included; 0 before there was a batch.
    """

    def __init__(self, engine: Engine, compute: Compute, listing_seconds: float) -> None:
        self._compute = compute
        self.rate = 0.0
        self._engine = engine
        self._extractor: Extractor | None = None  # made of the first batch
        self._startup = listing_seconds
        self._maps: Maps = {}
        self._pictures: dict[str, NDArray[Any]] = {}
        self._timed = 0
        self._images = 0
        self._since = 0.0

    def run(self, batch: Batch) -> None:
        """Run the backbone over a batch, if it is among the first."""
        if not batch.positions or self._timed == _TIMED_BATCHES:
            return
        if self._extractor is None:
            start = time.monotonic()
            # An int8 network is made from these few images alone: it is as fast as that of the extract, and is not kept.
            self._extractor = Extractor(self._engine.completed(batch.images[:MOST_IMAGES]), self._compute)
            self._maps, self._pictures = self._extractor.maps(batch), batch.measured()
            self._startup += time.monotonic() - start
            self._since = time.monotonic()
        # The first batch once more: there may be no other.
        self._extractor.maps(batch)
        self._timed += 1
        self._images += len(batch.images)
        # The loading of the later batches counts, as it will count in the extract.
        self.rate = self._images / max(time.monotonic() - self._since, 1e-9)

    def bytes_of(self, n_images: int, n_views: int) -> int:
        """Return what rows of so many images and augmented views would take on disk: shards of their own, at least."""
        if not self._maps:
            return 0
        dtype = self._engine.recipe.stored_dtype
        return expected_bytes(self._maps, dtype, n_images, self._pictures) + expected_bytes(self._maps, dtype, n_views, {})

    def seconds_of(self, n_rows: int) -> float:
        """Return what so many rows would take, start-up included."""
        return self._startup + (n_rows / self.rate if self.rate else 0.0)
