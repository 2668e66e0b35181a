"""The verb evaluate: what a model's accuracy is, and on which images."""

import dataclasses
import functools
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, ImageListError, ModelError
from featx.images import MAX_PIXELS, GroupFrom, ManifestKeywords, ManifestOptions
from featx.models import Compute, HeadFeatures, Model, SetMaker, classify_files, load_model
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.paths import CACHE, MODEL, StrPath, as_path, as_path_or_none
from featx.verbs.evaluate.calibration_error import calibration_precision
from featx.verbs.evaluate.evaluation import ClassMeasures, Confidence, Evaluation
from featx.verbs.evaluate.grouped import GroupedAnswers, count_groups, cross_validated_both_ways
from featx.verbs.evaluate.measures import (
    answered_from,
    bootstrap_intervals,
    expected_calibration_error,
    precision_recall_curves,
    reliability,
    top_k_accuracy,
)
from featx.verbs.evaluate.sets import choose_sets, measure_sets
from featx.verbs.evaluate.sources import Measured, check_classes, check_split, from_cache, from_files, list_to_measure
from featx.verbs.evaluate.strangers import list_strangers, measure_strangers
from featx.verbs.evaluate.surest import risk_coverage

FEW_IMAGES = 30
"""The figures of a class with fewer images are hardly more than an impression."""

_MOST_UNDONE = 5_000_000
"""Probabilities that a curve is taken back from: some three seconds."""


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
    unknown_images: Path | str | None = None,
    group_from: str | None = None,
    progress: ProgressOption = None,
    **manifest: Unpack[ManifestKeywords],
) -> Evaluation:
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
        The level of the sets of classes that are measured; 0.9 by default, where the model can make any.
    set_method : str or None
        ``lac`` or ``aps``, as for ``predict_images``.
    unknown_images : Path, str or None
        A folder of images of none of the model's classes, or one such image: how well they are told from those measured.
    group_from : str or None
        For ``images``: which of them show the same thing, as for ``extract_features``; by default the groups of a manifest.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.
    **manifest
        How a manifest is read: ``root``, ``path_column``, ``label_column``, ``split_column``, ``group_column``, ``ext``.

    Returns
    -------
    evaluation : Evaluation
        The figures, and everything a report needs.

    Raises
    ------
    ModelError
        If the model cannot be read, does not know the images' classes, has no scores for ``sets``, or is too old for
        ``unknown_images``.
    HeadError
        If ``sets`` or ``set_method`` is outside its range, or given with ``tta``.
    CacheError, ImageListError
        If there is nothing to measure on, or no such split.
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
    compute = Compute(batch_size, workers, max_pixels, device)
    listing = ManifestOptions(**manifest)
    if group_from is not None and images is None:
        raise ImageListError("--group-from says which of --images are of one group. Give --images.", wrong_value=True)
    groups = None if group_from is None else GroupFrom.parse(group_from)
    if listing and images is None:
        raise ImageListError(
            "--root, --ext and the names of columns say how the manifest of --images is read. Give --images.", wrong_value=True
        )
    path = as_path("model", model, ModelError, MODEL)
    loaded = load_model(path)
    maker = choose_sets(loaded, path, sets, set_method, tta)
    classify = functools.partial(classify_files, loaded, compute=compute, weights=weights, tta=tta, progress=progress)
    strangers = list_strangers(loaded, path, unknown_images) if unknown_images is not None else []
    if images is not None:
        listed = list_to_measure(as_path("images", images, ImageListError), listing, groups)
        measured = from_files(loaded, listed, split, classify)
    else:
        folder = as_path_or_none("cache", cache, CacheError, CACHE) or Path(loaded.source.get("cache", ""))
        features = HeadFeatures(loaded, weights, compute.images_a_batch(loaded.recipe), device)
        measured = from_cache(loaded, split, folder, features, classify if tta else None, progress)
    notes = measured.notes + (_note_source(loaded, measured) if images is None else [])
    if tta:
        notes.append(f"probabilities are averaged over {loaded.views['count']} views of each image")
    check_classes(loaded, path, measured)
    label_of = {name: label for label, name in enumerate(loaded.class_names)}
    y = np.array([label_of[name] for name in measured.class_of], np.int64)
    evaluation = _measure(loaded, path, measured, y, notes, tta, maker)
    if measured.strangeness is None or loaded.familiarity is None:
        return evaluation
    genuine = loaded.familiarity.judge(measured.strangeness, measured.probabilities)
    evaluation = dataclasses.replace(evaluation, unfamiliar=genuine.unfamiliar)
    if unknown_images is None:
        return evaluation
    found = measure_strangers(loaded, Path(unknown_images), strangers, genuine, classify)
    return dataclasses.replace(evaluation, strangers=found)


def _measure(
    model: Model,
    path: Path,
    measured: Measured,
    y: NDArray[np.int64],
    notes: list[str],
    tta: bool,
    maker: SetMaker | None,
) -> Evaluation:
    # Here, not above: importing featx must not import scikit-learn.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels = np.arange(len(model.class_names))
    predicted = measured.probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(y, predicted, labels=labels, zero_division=0.0)
    present = support > 0
    confusion = confusion_matrix(y, predicted, labels=labels)
    confidence = _confidence(measured.probabilities, y)
    uncalibrated = None
    # No calibration can be taken out of a mean over views; a curve can only be searched back.
    if model.calibration.kind != "none" and not tta and (model.isotonic is None or measured.probabilities.size <= _MOST_UNDONE):
        uncalibrated = _confidence(model.calibration.undone(measured.probabilities), y)
    curves = precision_recall_curves(measured.probabilities, y)
    average_precision = {curve.label: curve.average_precision for curve in curves}
    seen = model.saw_in_training(measured.digests)
    counts = {"duplicates": len(y) - len(set(measured.digests)), "seen_in_training": int(seen.sum())}
    without = None
    if measured.shown is not None:
        counts["near_duplicates"] = int((measured.shown & ~seen).sum())
        without = None if measured.shown.all() else float((predicted == y)[~measured.shown].mean())
    grouped = None if measured.groups is None else GroupedAnswers(y, predicted, measured.groups)
    of_groups, group_notes = count_groups(grouped, measured.learned_groups, predicted == y)
    counts |= of_groups
    notes = [*notes, *group_notes, *cross_validated_both_ways(model.metrics.get("groups"))]
    return Evaluation(
        model=model,
        model_path=path,
        split=measured.split,
        source=measured.source,
        paths=measured.paths,
        y=y,
        probabilities=measured.probabilities,
        accuracy=float((predicted == y).mean()),
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        log_loss=confidence.log_loss,
        per_class=[
            ClassMeasures(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), average_precision.get(i))
            for i, name in enumerate(model.class_names)
        ],
        confusion=confusion,
        rejected=measured.rejected,
        notes=notes + _notes(model, measured, counts, without, support),
        cautions=_cautions(model, support, counts["duplicates"]),
        top3_accuracy=top_k_accuracy(measured.probabilities, y, 3),
        intervals=bootstrap_intervals(confusion, grouped),
        confidence=confidence,
        uncalibrated=uncalibrated,
        curves=curves,
        thresholds=answered_from(measured.probabilities, y),
        digests=measured.digests,
        pooled=measured.pooled,
        pooled_rows=measured.pooled_rows,
        cache=measured.cache,
        rows=measured.rows,
        counts=counts,
        accuracy_without_near_duplicates=without,
        sets=measure_sets(maker, measured.probabilities, y, model.class_names) if maker else None,
        surest=risk_coverage(measured.probabilities, y),
    )


def _confidence(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> Confidence:
    bins = reliability(probabilities, y)
    # As scikit-learn has it, which makes a table of zeros and ones for it: of 5,000 classes that takes 16 s.
    least = np.finfo(probabilities.dtype).eps
    loss = float(-np.log(np.clip(probabilities[np.arange(len(y)), y], least, 1 - least)).mean())
    return Confidence(loss, expected_calibration_error(bins), bins, *calibration_precision(probabilities, y))


def _note_source(model: Model, measured: Measured) -> list[str]:
    """Return a note if the cache now lists another folder than the folder that the model was fitted on."""
    fitted_on = model.source.get("images", "")
    if fitted_on in ("", measured.source):
        return []
    return [f"the cache now lists {measured.source}; the model was fitted on {fitted_on}"]


def _cautions(model: Model, support: NDArray[np.int64], duplicates: int) -> list[str]:
    cautions = []
    few = [(model.class_names[i], int(support[i])) for i in np.flatnonzero((support > 0) & (support < FEW_IMAGES))]
    if few:
        named = ", ".join(f"{name!r} {count}" for name, count in few[:10]) + (" …" if len(few) > 10 else "")
        if len(few) > 1 and len(few) == len(support):
            named = f"the smallest {min(count for _, count in few)}"
        cautions.append(
            f"{len(few)} of {len(support)} classes have fewer than {FEW_IMAGES} images here ({named}): "
            "a single image moves their figures by several hundredths"
        )
    if duplicates:
        copies = "1 image is an exact copy of another" if duplicates == 1 else f"{duplicates} images are exact copies of others"
        cautions.append(f"{copies} among those measured: each counts again")
    return cautions


def _notes(
    model: Model, measured: Measured, counts: dict[str, int], without: float | None, support: NDArray[np.int64]
) -> list[str]:
    seen, near, n_images = counts["seen_in_training"], counts.get("near_duplicates", 0), len(measured.paths)
    notes = []
    if seen:
        notes.append(f"{seen} of {n_images} images were in the training set: on them the model is only repeating what it saw")
    if near:
        them = "them and the images seen in training" if seen else "them"
        rest = f"no image is left without {them}"
        if without is not None:
            rest = f"accuracy without {them} {without:.3f}, n = {n_images - seen - near}"
        notes.append(f"near duplicates of training images: {near} of {n_images}; {rest}")
    if measured.split == "val" and model.history:
        notes.append("these validation images chose the epoch that was kept: expect slightly less on new images")
    if measured.split == "val" and model.calibration.kind != "none":
        what = "curve" if model.isotonic else "temperature"
        notes.append(f"these validation images set the {what} too: only new images show how well confidence matches accuracy")
    if (support == 0).any():
        absent = [model.class_names[i] for i in np.flatnonzero(support == 0)]
        notes.append(f"no images of {', '.join(map(repr, absent[:10]))} were measured")
    if measured.unknown:
        notes.append(
            f"{measured.unknown} images are of classes that had no training image: no head could know them, "
            "and they are in no figure"
        )
    if len(measured.rejected):
        notes.append(f"{len(measured.rejected)} images were rejected and are in no figure")
    return notes
