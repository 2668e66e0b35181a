"""The verb extract: features of all images, once."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import numpy as np

from featx.backbones import check_device
from featx.errors import ImageListError
from featx.images import MAX_PIXELS
from featx.models import Compute, drop_other_networks, find_network, keep_network, one_at_a_time
from featx.store import (
    EXTRACTED,
    REJECTED,
    SPLITS,
    CacheWriter,
    Catalog,
    FeatureCache,
    Repeats,
    check_something_is_left,
    find_repeats,
    part_path,
    rejects_path,
    write_rejects,
)
from featx.system.digests import are_among
from featx.system.interrupt import interrupted_once
from featx.system.progress import Progress
from featx.verbs.extract.calibrate import calibrate, seconds_in_int8
from featx.verbs.extract.keywords import ExtractKeywords, read_options
from featx.verbs.extract.local import LocalRun
from featx.verbs.extract.prepared import CHANGED, Prepared, prepare
from featx.verbs.extract.ray.cluster import check_ray
from featx.verbs.extract.ray.run import RayRun
from featx.verbs.extract.run import Run


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
    precision : str
        Arithmetic of the backbone.
    device : str
        What the backbone ran on, such as ``cpu:0``; empty if it did not run.
    calibration_seconds : float
        That making the quantized network took; 0 if none was made.
    int8_seconds : float or None
        What ``precision="int8"`` would have taken instead, roughly; None where it would not have been faster, or that is not
        known of this processor.
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
        Files that are no images, by suffix; of a part those of the whole folder.
    rejects : Path
        The table of rejected images.
    shard : str or None
        ``"I/N"`` where only that part was extracted: then all counts are of it, and there are no ``splits`` yet.
    whole : int
        Images in the whole listing; ``listed`` where it is no part.
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
    precision: str
    device: str
    calibration_seconds: float
    int8_seconds: float | None
    bytes: int
    classes: int
    images_of_class: dict[str, int]
    unlearnable: list[str]
    conflicts: list[str]
    across_splits: list[str]
    splits: dict[str, int]
    reasons: dict[str, int]
    skipped: dict[str, int]
    rejects: Path
    shard: str | None
    whole: int


@interrupted_once()
def extract_features(
    images: Path | str,
    cache: Path | str | None = None,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    overwrite: bool = False,
    wait: bool = False,
    ray: str | None = None,
    gpus_per_worker: float | None = None,
    progress: Progress | None = None,
    **options: Unpack[ExtractKeywords],
) -> ExtractResult:
    """Extract the features of every image of a folder that has none yet.

    Parameters
    ----------
    images : Path or str
        Folder of class folders, or of ``train``, ``val``, ``test`` folders of class folders; or a CSV manifest.
    cache : Path, str or None
        The cache's folder; by default ``cache/<name of the images' folder or of the manifest>``.
    batch_size : int or None
        Images a forward pass; by default what fits into memory, up to 32, or 128 where there may be a GPU. Where memory runs
        out, half as many from there on.
    workers : int or None
        Decoding processes; by default one for each core. With ``ray`` the number of Ray's workers; by default one for each
        GPU, or where there is none, for each four cores.
    max_pixels : int
        Larger images are rejected [px]. Images that are cached already stay.
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
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
        ``background``, ``exact_decode``, ``allow_truncated``, ``precision``, ``calibration``, ``augment``, ``views``,
        ``val_fraction``, ``test_fraction``, ``seed``, ``shard``.

    Returns
    -------
    result : ExtractResult
        Counts that always add up.

    Raises
    ------
    ImageListError
        If there is nothing to extract, every image was rejected, or there is no such part.
    ImageSizeError, BackboneError, AugmentError, DeviceError
        If the backbone or the views cannot be made as asked, or there is no such device.
    ExtraMissing
        If int8 needs libraries that are not installed.
    RecipeError
        If there is no such option, its value is outside its range, or the cache was made with others (``RecipeMismatch``).
    RayError
        If Ray is not installed or cannot be reached, or its workers die again and again.
    CacheError
        If the cache cannot be written, or the default one lists another folder of the same name.
    Interrupted
        On Ctrl-C, after what was done has been kept.
    """
    started = time.monotonic()
    chosen = read_options(extract_features, options)  # before anything that takes long
    check_device(device, chosen.precision)
    if ray is not None:
        check_ray(ray)
    hashing = workers if ray is None else None
    prepared = prepare(images, cache, chosen, overwrite=overwrite, workers=hashing, progress=progress)
    compute = Compute(batch_size, workers, max_pixels, device)
    local = dataclasses.replace(compute, workers=hashing)  # calibration happens here, wherever the rest does
    prepared, calibration_seconds = _with_network(prepared, local, overwrite, progress)
    _refuse_draft_part(prepared)
    store, as_part = prepared.store, prepared.part is not None
    with (
        store.writing(wait, as_part=as_part) as writer,
        _running(prepared, writer, compute, progress, ray, gpus_per_worker) as run,
    ):
        if prepared.quantized is not None:
            # Under the lock: whoever held it until now may have deleted a network that was not its own.
            keep_network(store.folder, prepared.recipe, prepared.quantized)
        # Twice: where a file vanished or was edited while the run went on, a duplicate of it can stand in.
        for _ in range(2):
            if rows := prepared.rows_to_extract():
                run.extract(rows)
            else:
                break
        catalog = prepared.make_catalog(store.has(prepared.identities.digests))
        run.extract(*prepared.views_to_extract(catalog))
        catalog = _without_incomplete(catalog, prepared)
        _finish(prepared, catalog, writer)
    return _summarise(prepared, catalog, find_repeats(catalog), run, calibration_seconds, time.monotonic() - started)


def _with_network(prepared: Prepared, compute: Compute, overwrite: bool, progress: Progress | None) -> tuple[Prepared, float]:
    """For int8: see to it that the cache has a quantized network; return the seconds that it took to make one."""
    recipe, folder = prepared.recipe, prepared.store.folder
    rows = prepared.rows_to_extract() if recipe.is_draft else []
    if not rows:
        return prepared, 0.0
    started = time.monotonic()
    with one_at_a_time(folder):
        _, network = find_network(folder, recipe, overwrite=overwrite)  # another process may have been faster
        network = network or calibrate(
            recipe,
            prepared.weights_file,
            prepared.paths(rows),
            [digest.tobytes() for digest in prepared.identities.digests[rows]],
            seed=prepared.options.seed,
            workers=compute.workers,
            max_pixels=compute.max_pixels,
            progress=progress,
        )
        if network is None:  # no image can be decoded: the extract itself will say so of each
            return prepared, 0.0
        recipe = dataclasses.replace(recipe, quantized=network.identity)
        keep_network(folder, recipe, network)
    store = FeatureCache.open_or_create(folder, recipe, overwrite)
    return dataclasses.replace(prepared, recipe=recipe, store=store, quantized=network), time.monotonic() - started


def _refuse_draft_part(prepared: Prepared) -> None:
    """A part without a single usable image has none to make a network of, and must not pin the cache to having none.

    Raises
    ------
    ImageListError
        If it is such a part.
    """
    if prepared.part and prepared.recipe.is_draft:
        raise ImageListError(
            f"{prepared.index.root}: no image of part {prepared.part} can be used to calibrate the int8 network. "
            "Run another part first, or give --calibration."
        )


def _finish(prepared: Prepared, catalog: Catalog, writer: CacheWriter) -> None:
    """Put the listing in force; that of a part, which cannot be, beside those of the others."""
    rejects = _rejects_file(prepared)
    write_rejects(rejects, catalog)
    if prepared.part:
        writer.commit_part(catalog)
    else:
        check_something_is_left(catalog, rejects)
        writer.commit(catalog)
        drop_other_networks(prepared.store.folder, prepared.recipe)


def _rejects_file(prepared: Prepared) -> Path:
    folder, part = prepared.store.folder, prepared.part
    return rejects_path(part_path(folder, part.number, part.of)) if part else folder / "rejects.csv"


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
    lost = are_among(catalog.digests, catalog.digests[rows]) & (catalog.status == EXTRACTED)
    return dataclasses.replace(
        catalog,
        status=np.where(lost, REJECTED, catalog.status).astype(np.uint8),
        reasons=[CHANGED if gone else reason for gone, reason in zip(lost, catalog.reasons, strict=True)],
    )


def _summarise(
    prepared: Prepared, catalog: Catalog, repeats: Repeats, run: Run, calibration_seconds: float, seconds: float
) -> ExtractResult:
    usable, part = catalog.rows(), prepared.part
    n_images = run.extracted + run.augmented
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
        precision=prepared.recipe.precision,
        device=run.device,
        calibration_seconds=calibration_seconds,
        int8_seconds=seconds_in_int8(prepared.recipe, n_images, run.rate) if run.device.startswith("cpu:") else None,
        bytes=prepared.store.stored_bytes,
        classes=len(catalog.class_names),
        images_of_class=catalog.images_of_class(),
        # The splits of a part are a guess, which nobody should take for the draw.
        unlearnable=[name for name, count in catalog.images_of_class("train").items() if not count and not part],
        conflicts=repeats.conflicts,
        across_splits=[] if part else repeats.across_splits,
        splits={} if part else {split: len(catalog.rows(split)) for split in SPLITS},
        reasons=catalog.reason_counts(),
        skipped=prepared.index.skipped,
        rejects=_rejects_file(prepared),
        shard=str(part) if part else None,
        whole=part.listed if part else len(catalog),
    )
