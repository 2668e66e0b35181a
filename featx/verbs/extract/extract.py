"""The verb extract: features of all images, once."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from featx.backbones import check_device, check_engine
from featx.errors import CacheDamaged, ImageListError
from featx.images import MAX_PIXELS
from featx.models import Compute, drop_other_networks, keep_network, near_duplicates_across_splits
from featx.store import (
    CacheWriter,
    Catalog,
    FeatureCache,
    check_something_is_left,
    describe_differences,
    read_recipe,
    write_rejects,
)
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.interrupt import interrupted_once
from featx.system.outputs import tell_replaced
from featx.system.paths import StrPath
from featx.system.progress import Progress
from featx.verbs.extract.checks import Notify
from featx.verbs.extract.keywords import ExtractKeywords, read_options
from featx.verbs.extract.local import LocalRun
from featx.verbs.extract.prepared import Prepared, prepare
from featx.verbs.extract.quantization import quantization_images
from featx.verbs.extract.ray.cluster import check_ray
from featx.verbs.extract.ray.crew import OnRay
from featx.verbs.extract.ray.run import RayRun
from featx.verbs.extract.result import ExtractResult, rejects_file, summarise
from featx.verbs.extract.run import Run


@closing_bars()
@interrupted_once()
def extract_features(
    images: StrPath,
    cache: StrPath | None = None,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    engine: str | None = None,
    overwrite: bool = False,
    wait: bool = False,
    ray: str | None = None,
    gpus_per_worker: float | None = None,
    progress: ProgressOption = None,
    notify: Notify | None = None,
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
    engine : str or None
        What computes float32 features: ``keras``; ``winograd``, twice as fast on a processor; or ``auto``, the faster. By
        default what ``FEATX_ENGINE`` says, or ``auto``. Features differ by less than a cache rounds them.
    overwrite : bool
        Replace features made with other settings; the old features stay in use until the new are complete.
    wait : bool
        Wait for another process that writes the same cache.
    ray : str or None
        Run the backbone on Ray's workers: ``local`` starts a Ray of its own on this machine; ``auto`` or ``HOST:PORT`` uses
        a Ray that is running. By default it runs in this process.
    gpus_per_worker : float or None
        With ``ray``: GPUs of each worker; by default one where there are any, or a share where there are more workers.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.
    notify : callable or None
        Called with each of the result's ``notes`` when it is known: most are before the backbone runs.
    **options
        Those of ``ExtractOptions``: ``backbone``, ``weights``, ``layers``, ``preprocess``, ``image_size``, ``resize``,
        ``background``, ``exact_decode``, ``allow_truncated``, ``depth``, ``color_profile``, ``precision``, ``calibration``,
        ``augment``, ``views``, ``val_fraction``, ``test_fraction``, ``seed``, ``shard``, ``root``, ``path_column``,
        ``label_column``, ``split_column``, ``group_column``, ``weight_column``, ``ext``, ``label_separator``,
        ``label_columns``, ``target``, ``ordinal``, ``group_from``, ``yes``.

    Returns
    -------
    result : ExtractResult
        Counts that always add up.

    Raises
    ------
    ImageListError
        If there is nothing to extract, nothing that a head could use (see ``yes``), every image was rejected, or there is no
        such part.
    ImageSizeError, BackboneError, AugmentError, DeviceError
        If the backbone or the views cannot be made as asked, or there is no such device.
    ExtraMissing
        If int8, or the engine asked for, needs libraries that are not installed.
    RecipeError
        If there is no such option, its value is outside its range, or the cache has another recipe (``RecipeMismatch``).
    RayError
        If Ray is not installed or cannot be reached, or its workers die again and again.
    CacheError
        If the cache cannot be written, or the default cache lists another folder of the same name.
    Interrupted
        On Ctrl-C, after what was done has been kept.

    Notes
    -----
    What SIGTERM and SIGHUP do is the program's to decide: only the command ``featx`` handles them, no function does. With
    ``signal.signal(signal.SIGTERM, signal.default_int_handler)`` in the program SIGTERM is as Ctrl-C.

    Examples
    --------
    >>> result = featx.extract_features("photos", "cache/new", backbone="stub", image_size=(64, 64))
    >>> result.extracted, result.rejected
    (36, 0)
    >>> featx.extract_features("photos", "cache/new", backbone="stub", image_size=(64, 64)).extracted
    0
    """
    progress = as_progress(progress)
    started = time.monotonic()
    chosen = read_options(extract_features, options)  # before anything that takes long
    compute = Compute(batch_size, workers, max_pixels, device, engine)
    check_device(device, chosen.precision)
    check_engine(engine or "auto", chosen.precision, device)
    on_ray = None if ray is None else OnRay(ray, gpus_per_worker)
    if on_ray:
        check_ray(on_ray.address)
    # Digests and quantization are computed here, wherever the rest is: Ray's workers are not this machine's.
    local = compute if ray is None else dataclasses.replace(compute, workers=None)
    prepared = prepare(images, cache, chosen, overwrite=overwrite, workers=local.workers, progress=progress, notify=notify)
    prepared, quantization_seconds = _with_network(prepared, local, overwrite, progress)
    store, as_part = prepared.store, prepared.part is not None
    _tell_replaced(prepared)
    with (
        store.writing(wait, as_part=as_part) as writer,
        _running(prepared, writer, compute, progress, on_ray) as run,
    ):
        # Under the lock: the process that held it before may have deleted a network that was not its own.
        keep_network(store.folder, prepared.recipe, prepared.engine.quantized)
        # Again where a file vanished or was edited while the run went on: a duplicate of it can stand in.
        while rows := prepared.rows_to_extract():
            run.extract(rows)
        catalog = prepared.make_catalog(store.has(prepared.identities.digests))
        while (views := prepared.views_to_extract(catalog))[0]:
            run.extract(*views)
        catalog = prepared.without_incomplete(catalog)
        _follow_weights(prepared, writer)
        _finish(prepared, catalog, writer)
        near = None if as_part else near_duplicates_across_splits(store, keep=True, progress=progress)
    took = time.monotonic() - started
    done = summarise(prepared, catalog, run, quantization_seconds, took, is_here=on_ray is None)
    return dataclasses.replace(done, near_duplicates_across_splits=near)


def _tell_replaced(prepared: Prepared) -> None:
    """Tell that features of other settings go as soon as the new ones are complete."""
    present = read_recipe(prepared.store.folder)
    if present is not None and present != prepared.recipe:
        held, wanted = describe_differences(present, prepared.recipe)
        tell_replaced(f"will replace the features in {prepared.store.folder}, made with {held}: {wanted} was asked for")


def _with_network(prepared: Prepared, compute: Compute, overwrite: bool, progress: Progress | None) -> tuple[Prepared, float]:
    """Make the int8 network where there is none yet; return the seconds that it took.

    Raises
    ------
    ImageListError
        If this is a part of the images and none of them can be used: the cache must not be pinned to having no network.
    """
    started, folder = time.monotonic(), prepared.store.folder

    def choose() -> NDArray[np.uint8]:
        rows = prepared.rows_to_extract()
        contents = [digest.tobytes() for digest in prepared.identities.digests[rows]]
        seed = prepared.options.seed
        images = quantization_images(prepared.recipe, prepared.paths(rows), contents, compute, seed)
        if prepared.part and not len(images):
            raise ImageListError(
                f"{prepared.index.root}: no image of part {prepared.part} can be used to make the int8 network. "
                "Run another part first, or give --int8-from."
            )
        return images

    engine = prepared.engine.completed_in(folder, overwrite, choose, progress)
    if engine is prepared.engine:
        return prepared, 0.0
    store = FeatureCache.open_or_create(folder, engine.recipe, overwrite)
    return dataclasses.replace(prepared, engine=engine, store=store), time.monotonic() - started


def _follow_weights(prepared: Prepared, writer: CacheWriter) -> None:
    """Write down where the weights lie now, if they are gone from where they were and nothing had to be extracted with them."""
    file = prepared.engine.weights_file
    if file is None or prepared.part:
        return
    with contextlib.suppress(CacheDamaged):  # it is of no harm here, and said by whoever needs it
        network = prepared.store.network
        recorded = network.get("weights_file")
        if recorded and recorded != str(file) and not Path(recorded).exists():
            writer.record_network(network | {"weights_file": str(file)})
            writer.begin()


def _finish(prepared: Prepared, catalog: Catalog, writer: CacheWriter) -> None:
    """Put the listing in force; a part's listing, which cannot be, is kept beside those of the other parts."""
    rejects = rejects_file(prepared)
    write_rejects(rejects, catalog)
    if prepared.part:
        writer.commit_part(catalog)
    else:
        check_something_is_left(catalog, rejects)
        writer.commit(catalog)
        drop_other_networks(prepared.store.folder, prepared.recipe)


@contextlib.contextmanager
def _running(
    prepared: Prepared, writer: CacheWriter, compute: Compute, progress: Progress | None, on_ray: OnRay | None
) -> Iterator[Run]:
    """Yield what runs the backbone: this process, or Ray's workers."""
    if on_ray is None:
        yield LocalRun(prepared, writer, compute, progress)
        return
    with RayRun(prepared, writer, compute, progress, on_ray) as run:
        yield run
