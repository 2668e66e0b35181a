"""The verb extract: features of all images, once."""

import csv
import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from featx.backbones import backbone_spec, check_image_size, load_backbone, resolve_weights
from featx.errors import CacheWriteError, ImageListError, Interrupted
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
from featx.recipe import Recipe
from featx.store import EXTRACTED, REJECTED, SPLITS, Catalog, FeatureCache

Progress = Callable[[str, int, int], None]
"""Called as (stage, newly done, total)."""


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
        Extracted images by the time since the backbone was ready; 0 if there were none.
    bytes : int
        Of the cached features on disk.
    classes : int
        Number of classes.
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
        If the cache cannot be written.
    Interrupted
        On Ctrl-C, after what was done has been kept.
    """
    started = time.monotonic()
    _check_fractions(val_fraction, test_fraction)
    index = list_images(Path(images))
    recipe, weights_file = _make_recipe(backbone, weights, image_size, resize)
    store = FeatureCache.open_or_create(Path(cache or Path("cache") / index.root.name), recipe, overwrite)
    identities = identify_files(index, _known_files(index, store.previous_catalog()), workers, progress)
    with store.writing(wait) as writer:
        missing = _missing(identities, store)
        extracted, rate = 0, 0.0
        if missing:
            paths = [index.root / index.paths[row] for row in missing]
            network = None
            try:
                for batch in load_batches(paths, recipe, batch_size, workers):
                    if batch.positions:
                        if network is None:  # here, not above: images that are all rejected need no Keras
                            network = load_backbone(recipe, weights_file, batch_size)
                            writer.record_network(network.network | {"weights_file": str(weights_file or "")})
                            ready = time.monotonic()
                        extracted += writer.append(batch.digests, network(batch.images))
                        rate = extracted / max(time.monotonic() - ready, 1e-9)
                    _take_over(identities, missing, batch.positions, batch.digests, batch.rejected)
                    if progress:
                        progress("extract", len(batch.positions) + len(batch.rejected), len(missing))
            except KeyboardInterrupt:
                writer.flush()
                raise Interrupted(
                    f"{store.folder}: stopped after {extracted} of {len(missing)} images; their features are kept. "
                    "Run the same command again to go on."
                ) from None
            writer.flush()
        catalog = _make_catalog(index, identities, store, val_fraction, test_fraction, seed)
        writer.commit(catalog)
        _write_rejects(store.folder / "rejects.csv", catalog)
    return _summarise(index, catalog, store, extracted, rate, time.monotonic() - started)


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
    columns = zip(previous.paths, previous.sizes.tolist(), previous.mtimes.tolist(), previous.digests, strict=True)
    return {path: KnownFile(size, mtime, digest.tobytes()) for path, size, mtime, digest in columns}


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
    present = store.has(identities.digests)
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


def _summarise(
    index: ImageIndex, catalog: Catalog, store: FeatureCache, extracted: int, rate: float, seconds: float
) -> ExtractResult:
    usable = catalog.rows()
    reasons = Counter(reason for reason in catalog.reasons if reason)
    contents = Counter(catalog.digests[row].tobytes() for row in usable)
    rejected = len(catalog) - len(usable)
    if not len(usable):
        reason, count = reasons.most_common(1)[0]
        raise ImageListError(
            f"{index.root}: none of its {len(catalog)} images could be used; most often ({count}): {reason}. "
            f"See {store.folder / 'rejects.csv'}."
        )
    return ExtractResult(
        cache=store.folder,
        listed=len(catalog),
        extracted=extracted,
        reused=len(usable) - extracted,
        rejected=rejected,
        duplicates=len(usable) - len(contents),
        seconds=seconds,
        images_per_second=rate,
        bytes=store.stored_bytes,
        classes=len(index.class_names),
        splits={split: len(catalog.rows(split)) for split in SPLITS},
        reasons=dict(reasons.most_common()),
        skipped=index.skipped,
    )
