"""The verb predict: class and confidence of new images, and how strange they are."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, ImageListError, ModelError, RecipeError
from featx.images import MAX_PIXELS, list_unlabelled
from featx.models import Compute, advised, classify_files, load_model, refuse_swapped
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.kinds import check_kind, is_whole, plain, shown
from featx.system.paths import MODEL, StrPath, as_path, as_paths
from featx.verbs.explain import CellsSeen
from featx.verbs.predict.columns import check_asked, predict_columns
from featx.verbs.predict.prediction import UNKNOWN, Prediction, Predictions
from featx.verbs.predict.sets import set_maker, with_sets
from featx.verbs.predict.unknown import check_unknown

_OLD = "the model was fitted by an earlier featx and knows no strangers: unfamiliar is empty; fit it again to have it"

_IN_MEMORY = " Images in memory are for Model.predict: featx.load_model(FILE).predict(images)."


@closing_bars()
def predict_images(
    model: StrPath,
    paths: StrPath | Iterable[StrPath],
    *,
    weights: StrPath | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    tta: bool = False,
    sets: float | None = None,
    set_method: str | None = None,
    unknown: float | None = None,
    top: int | None = None,
    probabilities: bool = False,
    explain: bool = False,
    progress: ProgressOption = None,
) -> Predictions | Any:
    """Classify image files and everything below folders.

    Parameters
    ----------
    model : Path, str, Model or result of a fit
        The model file.
    paths : Path, str, or iterable of Path or str
        Files are taken as they are; folders are searched for images.
    weights : Path, str or None
        The backbone's weights file, if it is not at hand.
    batch_size, workers : int or None
        Images a forward pass, by default as many as memory allows; decoding processes.
    max_pixels : int
        Larger images are rejected [px].
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    tta : bool
        Average over augmented views made as those were that the head learned from.
    sets : float or None
        Give each image the classes that hold the right one in this share of cases, such as 0.9: by split conformal prediction
        from the model's validation images. Of numbers: the level of ``low`` and ``high``, by default 0.9.
    set_method : str or None
        How: ``lac`` (the default, the smallest sets) or ``aps`` (sets that grow with what an image leaves open).
    unknown : float or None
        Images that are stranger than all but this share of genuine images get the label ``unknown``; of genuine images some
        0.05 do with 0.05.
    top : int or None
        Give each image so many of the most probable classes with their probabilities; all, where the model has fewer.
    probabilities : bool
        Give each image the probability of every class.
    explain : bool
        Keep what the cells of each image spoke for, where the forward pass tells it for nothing: of linear heads without
        fine-tuned layers, and without ``tta``. ``write_prediction_page`` shows it.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.

    Returns
    -------
    predictions : Predictions
        A list: a prediction for each image, in the order of the files; no image is left out. Its ``notes`` are remarks for the
        user. Of a model of labels or of numbers ``ColumnPredictions``.

    Raises
    ------
    TaskError
        If something is asked for that does not go with the model's task.
    RecipeError
        If a number is outside its range.
    ModelError
        If the model cannot be read, or has no scores for ``sets``; with ``unknown`` if it cannot tell strange images, or too
        few images made its scale.
    HeadError
        If ``sets`` or ``set_method`` is outside its range, or ``sets`` is given with ``tta``.
    ImageListError
        If a path does not exist or there is no image.
    BackboneError
        If there is no such device, or the backbone's weights are not at hand.

    Examples
    --------
    >>> predictions = featx.predict_images("models/photos-logreg.featx", ["photos/blue/0.png", "photos/green/0.png"])
    >>> [prediction.label for prediction in predictions]
    ['blue', 'green']
    >>> (blue,) = featx.predict_images("models/photos-logreg.featx", ["photos/blue/0.png"], top=2)
    >>> [label for label, probability in blue.top]
    ['blue', 'green']
    """
    progress = as_progress(progress)
    sets, unknown = plain(sets), plain(unknown)
    check_kind("set_method", set_method, (str, type(None)), "lac, aps or None", HeadError)
    compute = Compute(batch_size, workers, max_pixels, device)
    path = as_path("model", model, ModelError, MODEL)
    given_paths = as_paths("paths", paths, ImageListError, _IN_MEMORY)
    refuse_swapped(path, given_paths)
    loaded = load_model(path)
    if loaded.task.has_targets:
        check_asked(loaded, path, sets=sets, set_method=set_method, unknown=unknown, top=top, probabilities=probabilities)
        maker, explain = None, False
    else:
        maker = set_maker(loaded, path, sets, set_method, tta)
    if unknown is not None:
        check_unknown(loaded, path, unknown)
    n_top = _checked_top(top, len(loaded.class_names))
    with advised(given_paths, "images"):
        files = list_unlabelled(given_paths)
    seen = CellsSeen.of(loaded) if explain and not tta else None
    result = classify_files(loaded, files, compute, weights=weights, tta=tta, on_maps=seen, progress=progress)
    shares = loaded.familiarity.shares(result.strangeness) if loaded.familiarity and result.strangeness is not None else None
    if loaded.task.has_targets:
        of_columns = predict_columns(loaded, files, result, shares, sets)
        of_columns.passed_over = files.passed_over
        of_columns.notes += (f"passed over: {files.passed_over}",) if str(files.passed_over) else ()
        return of_columns
    predictions = Predictions()
    predictions.class_names, predictions.n_top, predictions.passed_over = loaded.class_names, n_top, files.passed_over
    called = loaded.decide(result.probabilities)
    for place, (file, row) in enumerate(zip(files, result.probabilities, strict=True)):
        given = _asked_for(loaded.class_names, row, n_top, probabilities, place in result.rejected)
        if place in result.rejected:
            predictions.append(Prediction(str(file), "", None, result.rejected[place], **given))
            continue
        best, unfamiliar = int(called[place]), None if shares is None else float(shares[place])
        is_strange = unknown is not None and unfamiliar is not None and unfamiliar <= unknown
        label = UNKNOWN if is_strange else loaded.class_names[best]
        predictions.append(Prediction(str(file), label, float(row[best]), "", unfamiliar=unfamiliar, **given))
    predictions.notes = loaded.point_notes
    if left_out := str(files.passed_over):
        predictions.notes = (*predictions.notes, f"passed over: {left_out}")
    if loaded.familiarity is None:
        predictions.notes = (*predictions.notes, _OLD)
    if seen and (found := seen.result()):
        predictions.explained, predictions.cells = found
    return with_sets(predictions, maker, result.probabilities) if maker else predictions


def _checked_top(top: int | None, n_classes: int) -> int:
    """Return how many classes are wanted of each image; 0 for none."""
    if top is None:
        return 0
    if not is_whole(top) or top < 1:
        raise RecipeError(f"top must be a whole number from 1, or None. Received: {shown(top)}.", wrong_value=True)
    return min(int(top), n_classes)


def _asked_for(
    class_names: tuple[str, ...], row: NDArray[np.float64], n_top: int, all_of_them: bool, rejected: bool
) -> dict[str, Any]:
    """Return what was asked for of an image's probabilities beside its class; empty if it was rejected."""
    given: dict[str, Any] = {}
    if n_top:
        # Stable, so that of equal ones the first is first, as it is for argmax.
        order = [] if rejected else np.argsort(-row, kind="stable")[:n_top].tolist()
        given["top"] = tuple((class_names[label], float(row[label])) for label in order)
    if all_of_them:
        given["probabilities"] = {} if rejected else dict(zip(class_names, row.tolist(), strict=True))
    return given
