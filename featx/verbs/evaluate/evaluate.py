"""The verb evaluate: what a model's accuracy is, and on which images."""

import dataclasses
import functools
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, ImageListError, ModelError
from featx.images import MAX_PIXELS, GroupFrom, ManifestKeywords, ManifestOptions, UnlabelledFiles
from featx.models import Compute, HeadFeatures, Model, SetMaker, classify_files, load_model, wilson
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.paths import CACHE, MODEL, StrPath, as_path, as_path_or_none
from featx.verbs.evaluate.calibration_error import calibration_precision
from featx.verbs.evaluate.evaluation import Evaluation
from featx.verbs.evaluate.grouped import WEIGHTED, GroupedAnswers, count_groups, cross_validated_both_ways
from featx.verbs.evaluate.intervals import measure_intervals
from featx.verbs.evaluate.measures import (
    answered_from,
    expected_calibration_error,
    precision_recall_curves,
    reliability,
    top_k_accuracy,
)
from featx.verbs.evaluate.operating import measure_curve, measure_point
from featx.verbs.evaluate.parts import ClassMeasures, Confidence
from featx.verbs.evaluate.remarks import cautions, note_measured, note_source
from featx.verbs.evaluate.sets import choose_sets, measure_sets
from featx.verbs.evaluate.sources import Measured, OnChosen, check_classes, check_split, from_cache, from_files, list_to_measure
from featx.verbs.evaluate.strangers import list_strangers, measure_strangers
from featx.verbs.evaluate.surest import risk_coverage

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
    on_chosen: OnChosen | None = None,
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
    strangers = list_strangers(loaded, path, unknown_images) if unknown_images is not None else UnlabelledFiles()
    if images is not None:
        index = list_to_measure(as_path("images", images, ImageListError), listing, groups)
        measured = from_files(loaded, index, split, classify, on_chosen)
    else:
        given = as_path_or_none("cache", cache, CacheError, CACHE)
        folder = given or Path(loaded.source.get("cache", ""))
        features = HeadFeatures(loaded, weights, compute.images_a_batch(loaded.recipe), device)
        again = classify if tta else None
        measured = from_cache(loaded, split, folder, features, again, given is not None, on_chosen, progress)
    notes = measured.notes + (note_source(loaded, measured) if images is None else [])
    if tta:
        notes.append(f"probabilities are averaged over {loaded.views['count']} views of each image")
    if left_out := str(strangers.passed_over):
        notes.append(f"passed over among the unknown images: {left_out}")
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
    predicted = model.decide(measured.probabilities)
    weights, right = _weights_of(measured), predicted == y
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, predicted, labels=labels, sample_weight=weights, zero_division=0.0
    )
    support = np.bincount(y, minlength=len(labels))
    present = support > 0
    confusion = confusion_matrix(y, predicted, labels=labels)
    confidence = _confidence(measured.probabilities, y, weights)
    uncalibrated = None
    # No calibration can be taken out of a mean over views; a curve can only be searched back.
    if model.calibration.kind != "none" and not tta and (model.isotonic is None or measured.probabilities.size <= _MOST_UNDONE):
        uncalibrated = _confidence(model.calibration.undone(measured.probabilities), y, weights)
    curves = precision_recall_curves(measured.probabilities, y)
    average_precision = {curve.label: curve.average_precision for curve in curves}
    seen = model.saw_in_training(measured.digests)
    counts = {"duplicates": len(y) - len(set(measured.digests)), "seen_in_training": int(seen.sum())}
    without = None
    if measured.shown is not None:
        counts["near_duplicates"] = int((measured.shown & ~seen).sum())
        without = None if measured.shown.all() else _share(right, ~measured.shown, weights)
    grouped = GroupedAnswers.of(y, predicted, measured.groups, weights)
    of_groups, group_notes = count_groups(measured.groups, measured.learned_groups, right)
    counts |= of_groups
    weighted = [] if weights is None else [WEIGHTED]
    notes = [*notes, *weighted, *group_notes, *cross_validated_both_ways(model.metrics.get("groups"))]
    operating = measure_point(model, measured.probabilities, y, weights)
    notes += [] if operating is None else [str(operating)]
    top3 = top_k_accuracy(measured.probabilities, y, 3, weights)
    return Evaluation(
        model=model,
        model_path=path,
        split=measured.split,
        source=measured.source,
        paths=measured.paths,
        y=y,
        probabilities=measured.probabilities,
        accuracy=float(np.average(right, weights=weights)),
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        log_loss=confidence.log_loss,
        per_class=[
            ClassMeasures(
                *(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), average_precision.get(i)),
                *(wilson(int(confusion[i, i]), int(support[i])) if support[i] else (None, None)),
            )
            for i, name in enumerate(model.class_names)
        ],
        confusion=confusion,
        rejected=measured.rejected,
        notes=notes + note_measured(model, measured, counts, without, support),
        cautions=cautions(model, support, counts["duplicates"], int(confusion.trace())),
        top3_accuracy=top3,
        intervals=measure_intervals(confusion, grouped) | _further_intervals(top3, len(y), without, measured.shown),
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
        operating=operating,
        operating_curve=measure_curve(model, measured.probabilities, y, weights),
    )


def _weights_of(measured: Measured) -> NDArray[np.float64] | None:
    """Return how much each image counts; None where all do alike, or none counts at all."""
    return measured.weights if measured.weights is not None and measured.weights.sum() > 0 else None


def _share(right: NDArray[np.bool_], chosen: NDArray[np.bool_], weights: NDArray[np.float64] | None) -> float | None:
    """Return the share of some images that is right; None where they weigh nothing."""
    own = np.ones(len(right)) if weights is None else weights
    total = own[chosen].sum()
    return float(own[chosen & right].sum() / total) if total else None


def _further_intervals(
    top3: float | None, n_images: int, without: float | None, shown: NDArray[np.bool_] | None
) -> dict[str, tuple[float, float]]:
    """Return Wilson's intervals of the shares that are not always there."""
    intervals = {} if top3 is None else {"top3_accuracy": wilson(round(top3 * n_images), n_images)}
    if without is not None and shown is not None:
        rest = int((~shown).sum())
        intervals["accuracy_without_near_duplicates"] = wilson(round(without * rest), rest)
    return intervals


def _confidence(probabilities: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64] | None) -> Confidence:
    bins = reliability(probabilities, y)
    # As scikit-learn has it, which makes a table of zeros and ones for it: of 5,000 classes that takes 16 s.
    least = np.finfo(probabilities.dtype).eps
    losses = -np.log(np.clip(probabilities[np.arange(len(y)), y], least, 1 - least))
    loss = float(np.average(losses, weights=weights))
    mean, right = float(probabilities.max(axis=1).mean()), int((probabilities.argmax(axis=1) == y).sum())
    low, high = wilson(right, len(y))
    precision = calibration_precision(probabilities, y)
    return Confidence(loss, expected_calibration_error(bins), bins, *precision, mean, (mean - high, mean - low))
