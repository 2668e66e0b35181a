"""From image files to class probabilities: the way that evaluate and predict share."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import AugmentError
from featx.images import MOST_VIEWS, Augmentation, Views
from featx.models.compute import Engine, Extractor
from featx.models.features import HeadFeatures, weights_hint
from featx.models.listed import ListedFiles
from featx.models.model import Model
from featx.models.settings import Compute
from featx.store import pool_maps
from featx.system.paths import StrPath
from featx.system.progress import Progress

OnMaps = Callable[[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]], None]
"""Called as (files, maps of the model's layer (n, h, w, c), probabilities (n, n_classes)) after each batch."""


@dataclasses.dataclass(frozen=True)
class FileProbabilities:
    """Class probabilities of image files; of labels or numbers what the model gives in place of them.

    Parameters
    ----------
    probabilities : ndarray of shape (n_files, n_columns), float64
        In the order of the files; NaN where a file was rejected.
    digests : list of bytes
        Content digests; empty where a file was rejected.
    rejected : dict of int to str
        Position and reason.
    pooled : ndarray of shape (n_mapped, n_channels), float32, or None
        Average features of the files in ``pooled_files``, for a map; NaN for a rejected file. None if none were asked for.
    pooled_files : ndarray of shape (n_mapped,), int64
        Which files those are.
    blank : int
        Files whose picture is of one colour; not counted with views.
    strangeness : ndarray of shape (n_files,), float64, or None
        How strange each file is, by its clean image alone; NaN where a file was rejected. None from a model that cannot tell.
    """

    probabilities: NDArray[np.float64]
    digests: list[bytes]
    rejected: dict[int, str]
    pooled: NDArray[np.float32] | None = None
    pooled_files: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    blank: int = 0
    strangeness: NDArray[np.float64] | None = None


def classify_files(
    model: Model,
    paths: Sequence[Path],
    compute: Compute,
    *,
    weights: StrPath | None = None,
    tta: bool = False,
    pooled_files: NDArray[np.int64] | None = None,
    on_maps: OnMaps | None = None,
    progress: Progress | None = None,
) -> FileProbabilities:
    """Run files through decode, backbone and head, exactly as the model's training images went.

    Parameters
    ----------
    model : Model
        Its recipe gives decoding and backbone; the head is its own.
    paths : sequence of Path, or ListedFiles
        Image files; or contents that a cache lists; a file with another content is rejected.
    compute : Compute
        How features are computed.
    weights : Path or None
        The backbone's weights file, if it is neither bundled nor where it was at extraction.
    tta : bool
        Test-time augmentation: average the probabilities of the clean image and of augmented views made as those were
        that the head learned from.
    pooled_files : ndarray of shape (n_mapped,), int64, or None
        Files, ascending, whose average features are kept, for a map; with ``tta`` the mean over the views.
    on_maps : callable or None
        Called after each batch as (files, maps of the model's layer, probabilities): a page shows what cells of them spoke for.
    progress : callable or None
        Called as (stage, done, total).

    Raises
    ------
    WeightsError
        If the backbone's weights are not at hand.
    AugmentError
        With ``tta``: if the head learned from clean images alone.
    """
    weights = weights_hint(model, weights)
    count = _views_to_average(model) if tta else 1
    items = paths.repeated(count) if isinstance(paths, ListedFiles) else [path for path in paths for _ in range(count)]
    views = None
    if count > 1:
        augmentation, seed = Augmentation.parse(model.views["augment"]), int(model.views["seed"])
        views = Views(augmentation, seed, [number for _ in paths for number in range(count)])
    extractor = Extractor(Engine(model.cached_recipe, weights, model.quantized), compute, most_images=len(items))
    features = HeadFeatures(model, weights, extractor.batch_size, compute.device)
    probabilities = np.zeros((len(paths), len(model.column_names)))
    digests = [b""] * len(paths)
    rejected: dict[int, str] = {}
    pooled: NDArray[np.float32] | None = None
    pooled_files = np.empty(0, np.int64) if pooled_files is None else pooled_files
    blank = 0
    strangeness = np.full(len(paths), np.nan) if model.familiarity else None
    for batch, maps in extractor(items, views, stage="predict views" if views else "predict", progress=progress):
        blank += sum(traits.blank for traits in batch.traits)
        rejected |= {position // count: reason for position, reason in batch.rejected.items()}
        if not maps:
            continue
        files, of_layer = np.array(batch.positions) // count, maps[model.layer]
        if len(pooled_files):
            average = pool_maps(of_layer, "avg", model.recipe.stored_dtype)
            pooled = np.zeros((len(pooled_files), average.shape[1]), np.float32) if pooled is None else pooled
            kept = np.isin(files, pooled_files)
            np.add.at(pooled, np.searchsorted(pooled_files, files[kept]), average[kept] / count)
        X, averages = features.with_averages(of_layer) if model.familiarity else (features.of_maps(of_layer), None)
        given = model.outputs(X)
        np.add.at(probabilities, files, given / count)
        if on_maps:
            on_maps(files, of_layer, given)
        if model.familiarity and strangeness is not None and averages is not None:
            clean = np.array(batch.positions) % count == 0  # the scale is of clean images
            strangeness[files[clean]] = model.familiarity.strangeness(averages[clean], model.shares_of(given[clean]))
        for file, digest in zip(files, batch.digests, strict=True):
            digests[file] = digest
    probabilities[list(rejected)] = np.nan
    if strangeness is not None:
        strangeness[list(rejected)] = np.nan
    if pooled is not None:
        pooled[np.isin(pooled_files, list(rejected))] = np.nan
    return FileProbabilities(probabilities, digests, rejected, pooled, pooled_files, blank, strangeness)


def _views_to_average(model: Model) -> int:
    count = int(model.views.get("count", 1))
    if not 1 < count <= MOST_VIEWS:
        raise AugmentError(
            "--tta averages the views that a head learned from, and this one learned from clean images alone. "
            "Extract with --views, fit again, or leave --tta out."
        )
    return count
