"""The verb extract: features of all images, once."""

import csv
import dataclasses
import time
from collections import Counter
from pathlib import Path

import numpy as np

from featx.backbones import Backbone, backbone_spec, check_image_size, load_backbone, resolve_weights
from featx.errors import CacheError, CacheWriteError, ImageListError, Interrupted
from featx.files import DIGEST_BYTES, replacing
from featx.images import (
    NEVER_TRUSTED,
    NO_DIGEST,
    Identities,
    ImageIndex,
    KnownFile,
    assign_splits,
    identify_files,
    list_images,
    load_batches,
)
from featx.progress import Progress
from featx.recipe import Recipe
from featx.store import EXTRACTED, REJECTED, SPLITS, CacheWriter, Catalog, FeatureCache


@dataclasses.dataclass(frozen=True)
class ExtractResult:
    """What an extract did. ``listed == extracted + reused + rejected``, always.

    Parameters
    ----------
    cache : Path
        The cache's folder.
    listed : int
        Images found.
    extracted : int
        Images that went through the backbone now.
    reused : int
        Images whose features were there already, or are those of an exact duplicate.
    rejected : int
        Images that gave no features; see ``rejects.csv``.
    duplicates : int
        Images with the very content of another listed before.
    seconds : float
        Of the whole run.
    images_per_second : float
        Of the backbone, decoding included, after its first batch; 0 if there was but one.
    bytes : int
        Of the cached features on disk.
    classes : int
        Number of classes.
    images_of_class : dict of str to int
        Images with features, by class.
    conflicts : list of str
        Images whose very content stands in more than one class: at least one label is wrong.
    splits : dict of str to int
        Images with features in train, val and test.
    reasons : dict of str to int
        Rejected images by reason.
    skipped : dict of str to int
        Files that are no images, by suffix.
    """

    cache: Path
    listed: int
    extracted: int
    reused: int
    rejected: int
    duplicates: int
    seconds: float
    images_per_second: float
    bytes: int
    classes: int
    images_of_class: dict[str, int]
    conflicts: list[str]
    splits: dict[str, int]
    reasons: dict[str, int]
    skipped: dict[str, int]


def extract_features(
    images: Path | str,
    cache: Path | str | None = None,
    *,
    backbone: str = "vgg16",
    weights: str = "imagenet",
    image_size: tuple[int, int] | None = None,
    resize: str = "stretch",
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
    batch_size: int = 32,
    workers: int | None = None,
    overwrite: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
) -> ExtractResult:
    """Extract the features of every image of a folder that has none yet.

    Parameters
    ----------
    images : Path or str
        Folder of class folders, or of ``train``, ``val``, ``test`` folders of class folders.
    cache : Path, str or None
        The cache's folder; by default ``cache/<name of the images' folder>``.
    backbone : str
        Name of the backbone.
    weights : str
        ``imagenet``, ``random`` or a weights file.
    image_size : tuple of int or None
        (height, width) [px]; by default the backbone's own.
    resize : str
        ``stretch``, ``crop`` or ``pad``.
    val_fraction, test_fraction : float
        Shares drawn where the folders give no such split.
    seed : int
        Of that draw.
    batch_size : int
        Images a forward pass.
    workers : int or None
        Decoding threads; by default one for each core.
    overwrite : bool
        Replace features made with other settings; the old ones stay in use until the new ones are complete.
    wait : bool
        Wait for another process that writes the same cache.
    progress : callable or None
        Called as (stage, newly done, total).

    Returns
    -------
    result : ExtractResult
        Counts that always add up.

    Raises
    ------
    ImageListError
        If there is nothing to extract, or every image was rejected.
    ImageSizeError, BackboneError
        If the backbone cannot be built as asked.
    RecipeMismatch
        If the cache was made with other settings.
    CacheError
        If the cache cannot be written, or the default one lists another folder of the same name.
    Interrupted
        On Ctrl-C, after what was done has been kept.
    """
    started = time.monotonic()
    _check_fractions(val_fraction, test_fraction)
    index = list_images(Path(images))
    recipe, weights_file = _make_recipe(backbone, weights, image_size, resize)
    folder = Path(cache) if cache else Path("cache") / index.root.name
    store = FeatureCache.open_or_create(folder, recipe, overwrite)
    previous = store.previous_catalog()
    if cache is None:
        _refuse_another_folders_cache(index, previous, folder)
    identities = identify_files(index, _known_files(index, previous), workers, progress)
    with store.writing(wait) as writer:
        run = _Run(store, writer, recipe, weights_file, batch_size, workers, progress)
        # Twice: where a file vanished or was edited while the run went on, a duplicate of it can stand in.
        for _ in range(2):
            if missing := _missing(identities, store):
                run.extract(index, identities, missing)
        catalog = _make_catalog(index, identities, store, val_fraction, test_fraction, seed)
        _write_rejects(store.folder / "rejects.csv", catalog)
        _check_something_is_left(index, catalog, store)
        writer.commit(catalog)
    return _summarise(index, catalog, store, run, time.monotonic() - started)


class _Run:
    """The part of an extract that runs the backbone: the images done so far, and the rate."""

    def __init__(
        self,
        store: FeatureCache,
        writer: CacheWriter,
        recipe: Recipe,
        weights_file: Path | None,
        batch_size: int,
        workers: int | None,
        progress: Progress | None,
    ) -> None:
        self.rate = 0.0
        self._store = store
        self._writer = writer
        self._recipe = recipe
        self._weights_file = weights_file
        self._batch_size = batch_size
        self._workers = workers
        self._progress = progress
        self._backbone: Backbone | None = None

    @property
    def extracted(self) -> int:
        """Images whose features were added to the cache."""
        return self._writer.added

    def extract(self, index: ImageIndex, identities: Identities, missing: list[int]) -> None:
        """Decode the missing images, run the backbone, keep the features; note in ``identities`` what decoding found."""
        paths = [index.root / index.paths[row] for row in missing]
        since: tuple[int, float] | None = None
        try:
            if self._progress:
                self._progress("extract", 0, len(missing))
            for batch in load_batches(paths, self._recipe, self._batch_size, self._workers):
                if batch.positions:
                    self._writer.append(batch.digests, self._ready_backbone()(batch.images))
                    # The first batch pays for compiling the network, so the rate is counted from its end.
                    first, start = since = since or (self.extracted, time.monotonic())
                    self.rate = (self.extracted - first) / max(time.monotonic() - start, 1e-9)
                _take_over(identities, missing, batch.positions, batch.digests, batch.rejected)
                if self._progress:
                    self._progress("extract", len(batch.positions) + len(batch.rejected), len(missing))
            self._writer.flush()
        except KeyboardInterrupt:
            self._writer.flush()
            kept = (
                f"after {self.extracted} of {len(missing)} images; their features are kept"
                if self.extracted
                else "before any image"
            )
            raise Interrupted(f"{self._store.folder}: stopped {kept}. Run the same command again to go on.") from None

    def _ready_backbone(self) -> Backbone:
        """Load the backbone with the first batch that needs it: images that are all rejected need no Keras."""
        if self._backbone is None:
            self._backbone = load_backbone(self._recipe, self._weights_file, self._batch_size)
            self._writer.record_network(self._backbone.network | {"weights_file": str(self._weights_file or "")})
        return self._backbone


def _refuse_another_folders_cache(index: ImageIndex, previous: Catalog | None, folder: Path) -> None:
    """Keep two folders of one name from taking turns in one default cache, and models from being measured on the other."""
    if previous is None or previous.source == str(index.root) or not Path(previous.source).exists():
        return
    raise CacheError(
        f"{folder}: lists the images of {previous.source}, not of {index.root}. "
        f"Give --cache with another name; or --cache {folder} if it is to list these from now on."
    )


def _check_fractions(val_fraction: float, test_fraction: float) -> None:
    if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
        raise ImageListError(
            f"val and test fractions must be at least 0 and together below 1. Received: {val_fraction} and {test_fraction}."
        )


def _make_recipe(backbone: str, weights: str, image_size: tuple[int, int] | None, resize: str) -> tuple[Recipe, Path | None]:
    spec = backbone_spec(backbone)
    size = image_size or spec.image_size
    check_image_size(spec, size)
    digest, weights_file = resolve_weights(spec, weights)
    recipe = Recipe(
        backbone=spec.name,
        weights=digest,
        layers=spec.layers,
        image_size=size,
        preprocess=spec.preprocess,
        resize=resize,
    )
    return recipe, weights_file


def _known_files(index: ImageIndex, previous: Catalog | None) -> dict[str, KnownFile]:
    """Return what the last listing of the same folder knew of each file."""
    if previous is None or previous.source != str(index.root):
        return {}
    states = zip(previous.sizes.tolist(), previous.mtimes.tolist(), previous.ctimes.tolist(), previous.digests, strict=True)
    known = (KnownFile(size, mtime, ctime, digest.tobytes()) for size, mtime, ctime, digest in states)
    return dict(zip(previous.paths, known, strict=True))


def _missing(identities: Identities, store: FeatureCache) -> list[int]:
    """Return the first row of each content that has no features yet."""
    present = store.has(identities.digests)
    first: dict[bytes, int] = {}
    for row, digest in enumerate(identities.digests):
        if not identities.reasons[row] and not present[row]:
            first.setdefault(digest, row)
    return list(first.values())


def _take_over(
    identities: Identities,
    missing: list[int],
    positions: list[int],
    digests: list[bytes],
    rejected: dict[int, str],
) -> None:
    """Note what decoding found: reasons, and files that were edited since they were listed."""
    for position, reason in rejected.items():
        identities.reasons[missing[position]] = reason
    for position, digest in zip(positions, digests, strict=True):
        row = missing[position]
        if digest != identities.digests[row]:
            identities.digests[row] = digest
            identities.mtimes[row] = NEVER_TRUSTED


def _make_catalog(
    index: ImageIndex,
    identities: Identities,
    store: FeatureCache,
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> Catalog:
    # A file that cannot be read today may have a row from another day; whether it is still its row nobody can say.
    present = store.has(identities.digests) & np.array([not reason for reason in identities.reasons], np.bool_)
    reason_of = {d: r for d, r in zip(identities.digests, identities.reasons, strict=True) if r and d != NO_DIGEST}
    reasons = [
        "" if ok else reason or reason_of.get(digest, "changed while it was being read")
        for ok, reason, digest in zip(present, identities.reasons, identities.digests, strict=True)
    ]
    rows = np.flatnonzero(present)
    drawn = assign_splits(
        index.labels[rows],
        [identities.digests[row] for row in rows],
        [index.splits[row] for row in rows],
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    splits = np.array([SPLITS.index(split or "train") for split in index.splits], np.int8)
    splits[rows] = [SPLITS.index(split) for split in drawn]
    return Catalog(
        source=str(index.root),
        fingerprint=store.recipe.fingerprint,
        class_names=index.class_names,
        paths=list(index.paths),
        labels=index.labels,
        splits=splits,
        digests=np.frombuffer(b"".join(identities.digests), np.uint8).reshape(-1, DIGEST_BYTES),
        sizes=identities.sizes,
        mtimes=identities.mtimes,
        ctimes=identities.ctimes,
        status=np.where(present, EXTRACTED, REJECTED).astype(np.uint8),
        reasons=reasons,
    )


def _write_rejects(path: Path, catalog: Catalog) -> None:
    """Write path, class and reason of every rejected image; only the header if there is none."""
    try:
        with (
            replacing(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(("path", "class", "reason"))
            for row in np.flatnonzero(catalog.status == REJECTED):
                label = int(catalog.labels[row])
                class_name = catalog.class_names[label] if label >= 0 else ""
                writer.writerow((catalog.paths[row], class_name, catalog.reasons[row]))
    except OSError as error:
        raise CacheWriteError(f"{path}: {error.strerror}. The features are kept: make room and run again.") from error


def _check_something_is_left(index: ImageIndex, catalog: Catalog, store: FeatureCache) -> None:
    """Refuse a run in which every image was rejected, before its listing replaces the one that is there."""
    if not len(catalog.rows()):
        reason, count = Counter(catalog.reasons).most_common(1)[0]
        raise ImageListError(
            f"{index.root}: none of its {len(catalog)} images could be used; most often ({count}): {reason}. "
            f"See {store.folder / 'rejects.csv'}."
        )


def _summarise(index: ImageIndex, catalog: Catalog, store: FeatureCache, run: _Run, seconds: float) -> ExtractResult:
    usable = catalog.rows()
    labels_of: dict[bytes, set[int]] = {}
    for row in usable:
        labels_of.setdefault(catalog.digests[row].tobytes(), set()).add(int(catalog.labels[row]))
    conflicting = {digest for digest, labels in labels_of.items() if len(labels) > 1}
    counts = np.bincount(catalog.labels[usable], minlength=len(index.class_names))
    return ExtractResult(
        cache=store.folder,
        listed=len(catalog),
        extracted=run.extracted,
        reused=len(usable) - run.extracted,
        rejected=len(catalog) - len(usable),
        duplicates=len(usable) - len(labels_of),
        seconds=seconds,
        images_per_second=run.rate,
        bytes=store.stored_bytes,
        classes=len(index.class_names),
        images_of_class=dict(zip(index.class_names, counts.tolist(), strict=True)),
        conflicts=[catalog.paths[row] for row in usable if catalog.digests[row].tobytes() in conflicting],
        splits={split: len(catalog.rows(split)) for split in SPLITS},
        reasons=dict(Counter(reason for reason in catalog.reasons if reason).most_common()),
        skipped=index.skipped,
    )
