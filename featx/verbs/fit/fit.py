"""The verb fit: a head on cached features, in seconds."""

import dataclasses
import time
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, OutputError, TooFewImages
from featx.heads import CalibrationKind, Head, HeadSettings
from featx.models import Model, TrainingCopies, blank_notes, find_training_copies, learn_familiarity, save_model
from featx.system.bars import ProgressOption, as_progress, closing_bars, epochs_of
from featx.system.names import keywords_of
from featx.system.paths import CACHE, StrPath, as_path, as_path_or_none
from featx.system.progress import OnEpoch, Progress
from featx.system.results import Result
from featx.verbs.compare import cut_into_folds, search_settings
from featx.verbs.fit.assemble import assemble_model
from featx.verbs.fit.confidence import check_calibration, learn_confidence
from featx.verbs.fit.grouping import measure_grouping
from featx.verbs.fit.learning import LearningImages, choose_images
from featx.verbs.fit.log import write_log
from featx.verbs.fit.request import FitRequest


@dataclasses.dataclass(frozen=True, repr=False)
class FitResult(Result):
    """The result of a fit.

    Parameters
    ----------
    model : Path
        The model file.
    head, pooling : str
        What was fitted, on which features.
    classes : int
        Number of classes.
    train_images, val_images : int
        Images learned from; images that validated.
    views : int
        Views of each training image that were learned from, the clean one included.
    val_accuracy : float or None
        Top-1 accuracy on the validation images; None without any.
    seconds : float
        Of reading the features and fitting.
    parameters : dict of str to int
        ``total``, ``trainable`` (the head's), ``frozen`` (the backbone's).
    epochs : int
        Epochs run; 0 for heads without epochs.
    best_epoch : int
        The epoch that was kept, from 1; 0 for heads without epochs.
    notes : list of str
        Remarks on this fit for the user.
    tuning : list of dict
        With ``tune``: the candidates, the best first.
    temperature : float
        What the logarithms of the probabilities are divided by; 1 leaves them as they are.
    calibration : str
        ``temperature`` or ``isotonic``: how the probabilities were calibrated; ``none`` if they were not.
    groups : dict or None
        Where the cache has groups: their number among the training images, and the accuracy by cross-validation of a ``head``
        with a ``pooling``, ``accuracy_across`` if images of one group may stand on both sides of a fold and ``accuracy_apart``
        if not.

    Examples
    --------
    >>> result = featx.fit_head("cache/photos", "logreg")
    >>> result.train_images, result.val_images, result.parameters["trainable"]
    (24, 6, 21)
    """

    model: Path
    head: str
    pooling: str
    classes: int
    train_images: int
    val_images: int
    views: int
    val_accuracy: float | None
    seconds: float
    parameters: dict[str, int]
    epochs: int
    best_epoch: int
    notes: list[str]
    tuning: list[dict[str, Any]]
    temperature: float = 1.0
    calibration: str = "none"
    groups: dict[str, Any] | None = None

    @classmethod
    def of(cls, model: Model, path: Path) -> Self:
        """Return what is reported of a model that was just fitted and saved."""
        return cls(
            model=path,
            head=model.head_name,
            pooling=model.pooling,
            classes=len(model.class_names),
            train_images=model.metrics["train_images"],
            val_images=model.metrics["val_images"],
            views=model.views["count"],
            val_accuracy=model.metrics["val_accuracy"],
            seconds=model.metrics["seconds"],
            parameters=model.parameters,
            epochs=len(model.history.get("loss", [])),
            best_epoch=model.best_epoch,
            notes=model.metrics["notes"],
            tuning=model.tuning,
            temperature=model.temperature,
            calibration=model.calibration.kind,
            groups=model.metrics.get("groups"),
        )

    def __fspath__(self) -> str:
        """Stand for its model wherever the path of a model is wanted."""
        return str(self.model)


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
    calibrate: bool = False,
    calibration: CalibrationKind | None = None,
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
        The model file; by default ``models/<cache>-<head>.featx``.
    layer : str or None
        One of the cached layers; by default the last.
    pooling : str or None
        ``flatten``, ``avg``, ``max`` or ``avgmax``; by default the pooling that suits the head.
    seed : int
        Of all randomness in the fit.
    tune : bool
        Choose the settings and the pooling that are not given by cross-validation inside the training images.
    folds : int
        For ``tune``.
    calibrate : bool
        Calibrate on the validation images, so that confidence matches accuracy.
    calibration : str or None
        How: ``temperature``, ``isotonic`` (one rising curve), or ``auto``, the default of ``calibrate``: the curve where there
        are 200 validation images, or 50 for knn, and it serves those better by cross-validation; else one temperature. Given,
        it calibrates without ``calibrate``.
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
        as_path("cache", cache, CacheError, CACHE),
        head,
        settings,
        layer=layer,
        pooling=pooling,
        seed=seed,
        out=as_path_or_none("out", out, OutputError),
        log=as_path_or_none("log", log, OutputError),
        keywords=keywords_of(fit_head),
    )
    request.spec.make(**request.settings)  # a wrong setting must not wait for a search
    started = time.monotonic()
    images = choose_images(request.store.catalog, request.store.folder)
    kind = calibration or ("auto" if calibrate else None)
    check_calibration(kind, images, request.store.folder)
    notes = images.notes + blank_notes(request.store, images.train, "training")
    copies = find_training_copies(request.store, progress) if group_duplicates else None
    if copies:
        notes.append(_describe_copies(copies, images))
    tuning: list[dict[str, Any]] = []
    if tune:
        request, tuning = _tune(request, folds, copies, progress)
    grouping, group_notes = measure_grouping(request, request.features)
    fitted, probabilities = _fit(request, images, on_epoch or epochs_of(progress))
    confidence = learn_confidence(probabilities, images, kind, has_epochs=bool(fitted.history_))
    metrics = {
        "train_images": len(images.train),
        "val_images": len(images.val),
        "val_accuracy": float((probabilities.argmax(axis=1) == images.y_val).mean()) if len(images.val) else None,
        "seconds": time.monotonic() - started,
        "notes": notes + group_notes + confidence.notes + fitted.notes_,
        **({"groups": grouping} if grouping else {}),
    }
    model = assemble_model(request, images, fitted, metrics, tuning, confidence)
    model = dataclasses.replace(model, familiarity=learn_familiarity(model, request.store, images.train, images.val))
    save_model(model, request.path)
    if request.log is not None:
        write_log(model, request.log)
    return FitResult.of(model, request.path)


def _tune(
    request: FitRequest, folds: int, copies: TrainingCopies | None, progress: Progress | None
) -> tuple[FitRequest, list[dict[str, Any]]]:
    """Return the request with pooling and settings of the best candidate, and what was tried, the best first."""
    groups = copies.groups if copies else None
    images = cut_into_folds(request.store, request.layer, folds, request.settings["seed"], groups)
    tried = search_settings(images, request.spec.name, request.pooling, request.settings, progress)
    table = [
        {
            "pooling": attempt.candidate.pooling,
            "settings": {
                name: value for name, value in attempt.candidate.settings.items() if name not in ("seed", "map_shape")
            },
            "accuracy": attempt.accuracy,
            "log_loss": attempt.log_loss,
            "seconds": attempt.seconds,
        }
        for attempt in tried
    ]
    best = tried[0].candidate
    return dataclasses.replace(request, pooling=best.pooling, settings=best.settings), table


def _fit(request: FitRequest, images: LearningImages, on_epoch: OnEpoch | None) -> tuple[Head, NDArray[np.float64]]:
    """Fit the head; return it and its probabilities of the validation images (n_val, n_classes)."""
    X, unfitted = request.rows(images.rows, images.views), request.spec.make(**request.settings)
    X_val = request.rows(images.val, np.zeros_like(images.val)) if len(images.val) else None
    try:
        fitted = unfitted.fit(X, images.y, X_val, images.y_val if X_val else None, on_epoch)
    except TooFewImages as error:
        raise error.named(images.class_names) from None
    if X_val is None:
        return fitted, np.empty((0, len(images.class_names)))
    return fitted, np.concatenate([fitted.predict_proba(block) for _, block in X_val.blocks()])


def _describe_copies(copies: TrainingCopies, images: LearningImages) -> str:
    counts = [
        (split, int(np.isin(rows, copies.others).sum()), len(rows))
        for split, rows in (("validation", images.val), ("test", images.test))
    ]
    shares = " and ".join(f"{count} of {n} {split}" for split, count, n in counts)
    flatter = ": they flatter the head, see featx audit" if any(count for _, count, _ in counts) else ""
    return f"{shares} images are near duplicates of training images{flatter}"
