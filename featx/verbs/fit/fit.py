"""The verb fit: a head on cached features, in seconds."""

import dataclasses
import time
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import TooFewImages
from featx.heads import CalibrationKind, Head, HeadSettings
from featx.models import (
    TrainingCopies,
    blank_notes,
    find_training_copies,
    learn_familiarity,
    save_model,
)
from featx.system.bars import ProgressOption, as_progress, closing_bars, epochs_of
from featx.system.kinds import plain
from featx.system.names import keywords_of
from featx.system.paths import StrPath
from featx.system.progress import OnEpoch
from featx.verbs.compare import check_minutes
from featx.verbs.fit.answers import check_answers, learn_answers
from featx.verbs.fit.assemble import assemble_model
from featx.verbs.fit.grouping import measure_grouping
from featx.verbs.fit.learning import LearningImages, choose_images
from featx.verbs.fit.log import write_log
from featx.verbs.fit.request import FitRequest
from featx.verbs.fit.result import FitResult
from featx.verbs.fit.tune import Tuned, tune_settings


@closing_bars()
def fit_head(
    cache: StrPath,
    head: str = "dense",
    *,
    out: StrPath | None = None,
    layer: str | None = None,
    pooling: str | None = None,
    seed: int = 0,
    tune: bool = False,
    folds: int = 5,
    minutes: float = 1.0,
    calibrate: bool = False,
    calibration: CalibrationKind | None = None,
    threshold: float | str | None = None,
    positive: str | None = None,
    group_duplicates: bool = False,
    log: StrPath | None = None,
    on_epoch: OnEpoch | None = None,
    progress: ProgressOption = None,
    **settings: Unpack[HeadSettings],
) -> FitResult:
    """Fit a head on the training images of a cache and write a model file.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    head : str
        ``dense``, ``conv``, ``logreg``, ``svm``, ``ridge`` or ``knn``.
    out : Path, str or None
        The model file; by default ``models/<cache>-<head>.featx``, and in a folder the file of that name.
    layer : str or None
        One of the cached layers; by default the last.
    pooling : str or None
        ``flatten``, ``avg``, ``max`` or ``avgmax``; by default the pooling that suits the head.
    seed : int
        Of all randomness in the fit.
    tune : bool
        Choose the settings and the pooling that are not given by cross-validation inside the training images.
    folds : int
        For ``tune`` and ``threshold``.
    minutes : float
        For ``tune``: how long the search may take; what it did not get to is in ``untried`` and in the notes. The fit with the
        chosen settings comes on top.
    calibrate : bool
        Calibrate on the validation images, so that confidence matches accuracy.
    calibration : str or None
        How: ``temperature``, ``isotonic`` (one rising curve), or ``auto``, the default of ``calibrate``: the curve where there
        are 200 validation images, or 50 for knn, and it serves those better by cross-validation; else one temperature. Given,
        it calibrates without ``calibrate``.
    threshold : float, str or None
        For two classes, from which probability on an image is called the positive one: a number, or ``f1``, ``balanced``,
        ``precision=0.9``, ``recall=0.9`` or ``cost=FILE``, for which it is chosen by cross-validation inside the training
        images. By default the more probable class counts. Of labels each has one, by default 0.5.
    positive : str or None
        The positive class; by default the one with fewer training images.
    group_duplicates : bool
        Look for near duplicates: with ``tune`` they share a fold, as exact duplicates always do; the notes count the validation
        and test images that are near duplicates of training images.
    log : Path, str or None
        A CSV file for loss and accuracy of each epoch.
    on_epoch : callable or None
        Called after each epoch of a head that has epochs.
    progress : callable, bool or None
        For ``tune``: called as (stage, newly done, total). True is a bar, of epochs too, False none; by default a bar in a
        terminal or a notebook.
    **settings
        The head's own.

    Returns
    -------
    result : FitResult
        The model file, and the figures on the validation images.

    Raises
    ------
    CacheError
        If there is no finished cache, or it keeps no such layer.
    SingleClassError
        If the training images are all of one class.
    TooFewImages
        If a class has fewer training images than the head needs.
    HeadError
        If there is no such head, a setting or the pooling is unknown or outside its range, or there is no validation image
        to calibrate on.
    OutputError
        If the model file or the log cannot be written.

    Examples
    --------
    >>> result = featx.fit_head("cache/photos", "logreg", pooling="avg", C=0.1, out="models/simple.featx")
    >>> result.val_accuracy
    1.0
    """
    progress = as_progress(progress)
    request = FitRequest.make(
        cache,
        head,
        settings,
        layer=layer,
        pooling=pooling,
        seed=seed,
        out=out,
        log=log,
        keywords=keywords_of(fit_head),
    )
    request.spec.make(**request.settings)  # a wrong setting must not wait for a search
    folds, minutes = plain(folds), plain(minutes)
    check_minutes(minutes)
    started = time.monotonic()
    images = choose_images(request.store.catalog, request.store.folder)
    kind = calibration or ("auto" if calibrate else None)
    wanted = check_answers(request, images, kind, threshold, positive)
    notes = images.notes + blank_notes(request.store, images.train, "training")
    copies = find_training_copies(request.store, progress) if group_duplicates else None
    if copies:
        notes.append(_describe_copies(copies, images))
    tuned = Tuned(request)
    if tune:
        tuned = tune_settings(request, folds, minutes, copies, progress)
        request, notes = tuned.request, notes + tuned.notes
    grouping, group_notes = measure_grouping(request, request.features)
    fitted, outputs = _fit(request, images, on_epoch or epochs_of(progress))
    answers = learn_answers(request, images, outputs, kind, wanted, folds, has_epochs=bool(fitted.history_))
    metrics = {
        "train_images": len(images.train),
        "val_images": len(images.val),
        "val_accuracy": answers.val_accuracy,
        "seconds": time.monotonic() - started,
        "notes": notes + group_notes + answers.notes + fitted.notes_,
        **({"val_figures": answers.val_figures} if answers.val_figures else {}),
        **({"groups": grouping} if grouping else {}),
    }
    model = assemble_model(request, images, fitted, metrics, tuned.tuning, answers)
    model = dataclasses.replace(model, familiarity=learn_familiarity(model, request.store, images.train, images.val))
    save_model(model, request.path)
    if request.log is not None:
        write_log(model, request.log)
    grouped = bool(request.store.catalog.groups)
    return FitResult.of(model, request.path, images.y_val, images.weights_val, grouped=grouped, untried=tuned.untried)


def _fit(request: FitRequest, images: LearningImages, on_epoch: OnEpoch | None) -> tuple[Head, NDArray[np.float64]]:
    """Fit the head; return it and what it gives for the validation images (n_val, n_columns)."""
    X, unfitted = request.rows(images.rows, images.views), request.spec.make(**request.settings)
    X_val = request.rows(images.val, np.zeros_like(images.val)) if len(images.val) else None
    try:
        fitted = unfitted.fit(X, images.y, X_val, images.y_val if X_val else None, on_epoch, sample_weight=images.weights)
    except TooFewImages as error:
        raise error.named(images.class_names) from None
    if X_val is None:
        return fitted, np.empty((0, len(images.task.column_names or images.class_names)))
    return fitted, np.concatenate([fitted.outputs(block) for _, block in X_val.blocks()])


def _describe_copies(copies: TrainingCopies, images: LearningImages) -> str:
    counts = [
        (split, int(np.isin(rows, copies.others).sum()), len(rows))
        for split, rows in (("validation", images.val), ("test", images.test))
    ]
    shares = " and ".join(f"{count} of {n} {split}" for split, count, n in counts)
    flatter = ": they flatter the head, see featx audit" if any(count for _, count, _ in counts) else ""
    return f"{shares} images are near duplicates of training images{flatter}"
