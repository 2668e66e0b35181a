"""The verb extract: features of all images, once."""

import contextlib
import csv
import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import CacheWriteError, ImageListError
from featx.files import replacing_text
from featx.images import MAX_PIXELS
from featx.local_run import Compute, LocalRun, Run
from featx.prepare import CHANGED, ExtractOptions, Prepared, Repeats, find_repeats, prepare
from featx.progress import Progress
from featx.ray_cluster import check_ray
from featx.ray_run import RayRun
from featx.store import EXTRACTED, REJECTED, SPLITS, CacheWriter, Catalog


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
    views : int
        Views of each training image, the clean one included.
    augmented : int
        Augmented views that went through the backbone now.
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
    unlearnable : list of str
        Classes without a single training image.
    conflicts : list of str
        Images whose very content stands in more than one class: at least one label is wrong.
    across_splits : list of str
        Val and test images whose very content is in train, or test images whose content is in val.
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
    views: int
    augmented: int
    seconds: float
    images_per_second: float
    bytes: int
    classes: int
    images_of_class: dict[str, int]
    unlearnable: list[str]
    conflicts: list[str]
    across_splits: list[str]
    splits: dict[str, int]
    reasons: dict[str, int]
    skipped: dict[str, int]


def extract_features(
    images: Path | str,
    cache: Path | str | None = None,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    overwrite: bool = False,
    wait: bool = False,
    ray: str | None = None,
    gpus_per_worker: float | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ExtractResult:
    """Extract the features of every image of a folder that has none yet.

    Parameters
    ----------
    images : Path or str
        Folder of class folders, or of ``train``, ``val``, ``test`` folders of class folders; or a CSV manifest.
    cache : Path, str or None
        The cache's folder; by default ``cache/<name of the images' folder or of the manifest>``.
    batch_size : int
        Images a forward pass.
    workers : int or None
        Decoding processes; by default one for each core. With ``ray`` the number of Ray's workers; by default one for each
        GPU, or where there is none, for each four cores.
    max_pixels : int
        Larger images are rejected [px]. Images that are cached already stay.
    overwrite : bool
        Replace features made with other settings; the old ones stay in use until the new ones are complete.
    wait : bool
        Wait for another process that writes the same cache.
    ray : str or None
        Run the backbone on Ray's workers: ``local`` starts a Ray of its own on this machine; ``auto`` or ``HOST:PORT`` uses
        one that is there. By default it runs in this process.
    gpus_per_worker : float or None
        With ``ray``: GPUs of each worker; by default one where there are any, or a share where there are more workers.
    progress : callable or None
        Called as (stage, newly done, total).
    **options
        Those of ``ExtractOptions``: ``backbone``, ``weights``, ``layers``, ``preprocess``, ``image_size``, ``resize``,
        ``background``, ``exact_decode``, ``allow_truncated``, ``augment``, ``views``, ``val_fraction``, ``test_fraction``,
        ``seed``.

    Returns
    -------
    result : ExtractResult
        Counts that always add up.

    Raises
    ------
    ImageListError
        If there is nothing to extract, or every image was rejected.
    ImageSizeError, BackboneError, AugmentError
        If the backbone or the views cannot be made as asked.
    RecipeMismatch
        If the cache was made with other settings.
    RayError
        If Ray is not installed or cannot be reached, or its workers die again and again.
    CacheError
        If the cache cannot be written, or the default one lists another folder of the same name.
    Interrupted
        On Ctrl-C, after what was done has been kept.
    """
    started = time.monotonic()
    if ray is not None:
        check_ray(ray)  # before anything that takes long
    hashing = workers if ray is None else None
    prepared = prepare(images, cache, ExtractOptions(**options), overwrite=overwrite, workers=hashing, progress=progress)
    store, compute = prepared.store, Compute(batch_size, workers, max_pixels)
    with store.writing(wait) as writer, _running(prepared, writer, compute, progress, ray, gpus_per_worker) as run:
        # Twice: where a file vanished or was edited while the run went on, a duplicate of it can stand in.
        for _ in range(2):
            run.extract(prepared.rows_to_extract())
        catalog = prepared.make_catalog(store.has(prepared.identities.digests))
        run.extract(*prepared.views_to_extract(catalog))
        catalog = _without_incomplete(catalog, prepared)
        _write_rejects(store.folder / "rejects.csv", catalog)
        _check_something_is_left(catalog, store.folder)
        writer.commit(catalog)
    return _summarise(prepared, catalog, find_repeats(catalog), run, time.monotonic() - started)


@contextlib.contextmanager
def _running(
    prepared: Prepared,
    writer: CacheWriter,
    compute: Compute,
    progress: Progress | None,
    ray: str | None,
    gpus_per_worker: float | None,
) -> Iterator[Run]:
    """Yield what runs the backbone: this process, or Ray's workers."""
    if ray is None:
        yield LocalRun(prepared, writer, compute, progress)
        return
    with RayRun(prepared, writer, compute, progress, ray, gpus_per_worker) as run:
        yield run


def _without_incomplete(catalog: Catalog, prepared: Prepared) -> Catalog:
    """Reject training images of which a view could not be made: the file changed since its clean image was taken."""
    rows, _ = prepared.views_to_extract(catalog)
    if not rows:
        return catalog
    digests = {catalog.digests[row].tobytes() for row in rows}
    lost = np.array([digest.tobytes() in digests for digest in catalog.digests], np.bool_) & (catalog.status == EXTRACTED)
    return dataclasses.replace(
        catalog,
        status=np.where(lost, REJECTED, catalog.status).astype(np.uint8),
        reasons=[CHANGED if gone else reason for gone, reason in zip(lost, catalog.reasons, strict=True)],
    )


def _write_rejects(path: Path, catalog: Catalog) -> None:
    """Write path, class and reason of every rejected image; only the header if there is none."""
    try:
        with replacing_text(path) as file:
            writer = csv.writer(file)
            writer.writerow(("path", "class", "reason"))
            for row in np.flatnonzero(catalog.status == REJECTED):
                label = int(catalog.labels[row])
                class_name = catalog.class_names[label] if label >= 0 else ""
                writer.writerow((catalog.paths[row], class_name, catalog.reasons[row]))
    except OSError as error:
        raise CacheWriteError(f"{path}: {error.strerror}. The features are kept: make room and run again.") from error


def _check_something_is_left(catalog: Catalog, folder: Path) -> None:
    """Refuse a run in which every image was rejected, before its listing replaces the one that is there."""
    if not len(catalog.rows()):
        reason, count = Counter(catalog.reasons).most_common(1)[0]
        raise ImageListError(
            f"{catalog.source}: none of its {len(catalog)} images could be used; most often ({count}): {reason}. "
            f"See {folder / 'rejects.csv'}."
        )


def _summarise(prepared: Prepared, catalog: Catalog, repeats: Repeats, run: Run, seconds: float) -> ExtractResult:
    usable = catalog.rows()
    return ExtractResult(
        cache=prepared.store.folder,
        listed=len(catalog),
        extracted=run.extracted,
        reused=len(usable) - run.extracted,
        rejected=len(catalog) - len(usable),
        duplicates=repeats.duplicates,
        views=prepared.options.n_views,
        augmented=run.augmented,
        seconds=seconds,
        images_per_second=run.rate,
        bytes=prepared.store.stored_bytes,
        classes=len(catalog.class_names),
        images_of_class=catalog.images_of_class(),
        unlearnable=[name for name, count in catalog.images_of_class("train").items() if not count],
        conflicts=repeats.conflicts,
        across_splits=repeats.across_splits,
        splits={split: len(catalog.rows(split)) for split in SPLITS},
        reasons=catalog.reason_counts(),
        skipped=prepared.index.skipped,
    )
