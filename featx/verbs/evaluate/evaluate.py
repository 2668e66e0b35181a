"""The verb evaluate: what a model's accuracy is, and on which images."""

import dataclasses
import functools
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from featx.backbones import check_device
from featx.errors import CacheError, HeadError, ImageListError, ModelError
from featx.images import MAX_PIXELS, GroupFrom, ManifestKeywords, ManifestOptions, UnlabelledFiles
from featx.models import Compute, HeadFeatures, check_bounds, classify_files, load_model, weights_hint
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.kinds import check_kind, plain
from featx.system.names import check_keywords, keywords_of
from featx.system.paths import CACHE, MODEL, StrPath, as_path, as_path_or_none
from featx.verbs.evaluate.classes import measure_classes
from featx.verbs.evaluate.columns import measure_columns
from featx.verbs.evaluate.evaluation import Evaluation
from featx.verbs.evaluate.remarks import note_source
from featx.verbs.evaluate.sets import choose_sets
from featx.verbs.evaluate.sources import OnChosen, check_classes, check_split, from_cache, from_files, list_to_measure
from featx.verbs.evaluate.strangers import list_strangers, measure_strangers


@closing_bars()
def evaluate_model(
    model: StrPath,
    *,
    split: str | None = None,
    images: StrPath | None = None,
    cache: StrPath | None = None,
    weights: StrPath | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    tta: bool = False,
    sets: float | None = None,
    set_method: str | None = None,
    unknown_images: StrPath | None = None,
    group_from: str | None = None,
    on_chosen: OnChosen | None = None,
    progress: ProgressOption = None,
    **manifest: Unpack[ManifestKeywords],
) -> Evaluation | Any:
    """Measure a model on the cached test images, or on images it has never seen.

    Parameters
    ----------
    model : Path, str, Model or result of a fit
        The model file.
    split : str or None
        By default ``test`` where there is such a split, else ``val``; for ``images`` without splits, all of them.
    images : Path, str or None
        Folder of class folders, or manifest, to measure on instead of the cache.
    cache : Path, str, FeatureCache, result of an extract, or None
        The cache, if it is no longer where the model was fitted.
    weights : Path or None
        The backbone's weights file, if ``images`` need it and it is not at hand.
    batch_size, workers : int or None
        For ``images`` and ``tta``: images a forward pass, by default as many as memory allows; decoding processes.
    max_pixels : int
        For ``images``: larger images are rejected [px]. Images that are cached were not too large.
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    tta : bool
        Average over augmented views made as those were that the head learned from; the files must still be there.
    sets : float or None
        The level of the sets of classes that are measured, or of the bounds of numbers; 0.9 by default, where the model can
        make any.
    set_method : str or None
        ``lac`` or ``aps``, as for ``predict_images``.
    unknown_images : Path, str or None
        A folder of images of none of the model's classes, or one such image: how well they are told from those measured.
    group_from : str or None
        For ``images``: which of them show the same thing, as for ``extract_features``; by default the groups of a manifest.
    on_chosen : callable or None
        Called as (split, source) once it is known which images are measured, and before they are; an error in it ends the
        evaluation.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.
    **manifest
        How a manifest is read: ``root``, ``path_column``, ``label_column``, ``split_column``, ``group_column``,
        ``weight_column``, ``ext``, ``label_separator``, ``label_columns``, ``target``, ``ordinal``.

    Returns
    -------
    evaluation : Evaluation
        The figures, and everything a report needs; of a model of labels a ``LabelsEvaluation``, of numbers a
        ``NumbersEvaluation``.

    Raises
    ------
    ModelError
        If the model cannot be read, does not know the images' classes, has no scores for ``sets``, or is too old for
        ``unknown_images``.
    HeadError
        If ``sets`` or ``set_method`` is outside its range, or given with ``tta``.
    CacheError, ImageListError
        If there is nothing to measure on, or no such split.
    TaskError
        If something is asked for that does not go with the model's task.
    RecipeError
        If a number is outside its range, or the cache holds other features than the model was fitted on (``RecipeMismatch``).
    BackboneError
        For ``images``, ``unknown_images`` and ``tta``: if there is no such device, or the backbone's weights are not at hand.

    Examples
    --------
    >>> evaluation = featx.evaluate_model("models/photos-logreg.featx")
    >>> evaluation.accuracy
    1.0
    >>> featx.evaluate_model("models/photos-logreg.featx", split="val").accuracy
    1.0
    """
    progress = as_progress(progress)
    check_split(split)
    sets = plain(sets)
    check_kind("set_method", set_method, (str, type(None)), "lac, aps or None", HeadError)
    check_kind("group_from", group_from, (str, type(None)), "a text, or None", ImageListError)
    compute = Compute(batch_size, workers, max_pixels, device)
    known = [*ManifestKeywords.__annotations__]
    check_keywords(manifest, known, ImageListError, "evaluate: has no option", beside=keywords_of(evaluate_model))
    listing = ManifestOptions(**manifest)
    if group_from is not None and images is None:
        raise ImageListError("--group-from says which of --images are of one group. Give --images.", wrong_value=True)
    groups = None if group_from is None else GroupFrom.parse(group_from)
    if listing and images is None:
        raise ImageListError(
            "--root, --ext and the names of columns say how the manifest of --images is read. Give --images.", wrong_value=True
        )
    path = as_path("model", model, ModelError, MODEL)
    unknown = as_path_or_none("unknown_images", unknown_images, ImageListError)
    loaded = load_model(path)
    check_device(device, loaded.recipe.precision)  # also where cached features do without
    hint = weights_hint(loaded, weights)
    maker = choose_sets(loaded, path, sets, set_method, tta) if loaded.task.has_classes else None
    if loaded.task.has_targets:
        check_bounds(loaded, path, sets, set_method)
        if unknown is not None and (error := loaded.task.refuse_option("--unknown-images", ("classes", "grades"), path)):
            raise error
    classify = functools.partial(classify_files, loaded, compute=compute, weights=hint, tta=tta, progress=progress)
    strangers = list_strangers(loaded, path, unknown) if unknown is not None else UnlabelledFiles()
    if images is not None:
        given_images = as_path("images", images, ImageListError)
        # A table is read for what the model answers, unless something else is asked for; a folder has classes alone.
        listing = listing if given_images.is_dir() else listing.with_task(loaded.task)
        index = list_to_measure(given_images, listing, groups)
        by_separator = listing.label_separator is not None
        measured = from_files(loaded, index, split, classify, on_chosen, by_separator=by_separator)
    else:
        given = as_path_or_none("cache", cache, CacheError, CACHE)
        folder = given or Path(loaded.source.get("cache", ""))
        features = HeadFeatures(loaded, hint, compute.images_a_batch(loaded.recipe), device)
        again = classify if tta else None
        measured = from_cache(loaded, split, folder, features, again, given is not None, on_chosen, progress)
    notes = measured.notes + (note_source(loaded, measured) if images is None else [])
    if tta:
        what = "probabilities" if loaded.task.has_probabilities else "numbers"
        notes.append(f"{what} are averaged over {loaded.views['count']} views of each image")
    if left_out := str(strangers.passed_over):
        notes.append(f"passed over among the unknown images: {left_out}")
    if loaded.task.has_targets:
        return measure_columns(loaded, path, measured, notes, sets)
    check_classes(loaded, path, measured)
    label_of = {name: label for label, name in enumerate(loaded.class_names)}
    y = np.array([label_of[name] for name in measured.class_of], np.int64)
    evaluation = measure_classes(loaded, path, measured, y, notes, tta, maker)
    if measured.strangeness is None or loaded.familiarity is None:
        return evaluation
    genuine = loaded.familiarity.judge(measured.strangeness, measured.probabilities)
    evaluation = dataclasses.replace(evaluation, unfamiliar=genuine.unfamiliar)
    if unknown is None:
        return evaluation
    found = measure_strangers(loaded, unknown, strangers, genuine, classify)
    return dataclasses.replace(evaluation, strangers=found)
