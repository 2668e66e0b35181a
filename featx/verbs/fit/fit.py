"""The verb fit: a head on cached features, in seconds."""

import csv
import dataclasses
import time
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from featx.errors import HeadError, OutputError, TooFewImages
from featx.heads import HeadSettings, HeadSpec, fit_temperature, head_spec
from featx.models import TRAINED_ON_BYTES, Model, check_model_path, library_versions, network_of_cache, save_model
from featx.store import CachedRows, FeatureCache, check_pooling
from featx.system.files import is_foreign, replacing_text, writing_to
from featx.system.names import keywords_of
from featx.system.progress import OnEpoch, Progress
from featx.verbs.audit import TrainingCopies, find_training_copies
from featx.verbs.compare import cut_into_folds, search_settings
from featx.verbs.fit.learning import choose_images


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What a fit gave.

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
        The one that was kept, from 1; 0 for heads without epochs.
    notes : list of str
        What a user should know about this fit.
    tuning : list of dict
        With ``tune``: what was tried, the best first.
    temperature : float
        With ``calibrate``: what the logarithms of the probabilities are divided by; else 1.
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


def fit_head(
    cache: Path | str,
    head: str = "dense",
    *,
    out: Path | str | None = None,
    layer: str | None = None,
    pooling: str | None = None,
    seed: int = 0,
    tune: bool = False,
    folds: int = 5,
    calibrate: bool = False,
    group_duplicates: bool = False,
    log: Path | str | None = None,
    on_epoch: OnEpoch | None = None,
    progress: Progress | None = None,
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
        ``flatten``, ``avg``, ``max`` or ``avgmax``; by default what suits the head.
    seed : int
        Of all randomness in the fit.
    tune : bool
        Choose the settings and the pooling that are not given by cross-validation inside the training images.
    folds : int
        For ``tune``.
    calibrate : bool
        Fit one temperature on the validation images, so that the probabilities are as sure as they are right.
    group_duplicates : bool
        Look for near duplicates: with ``tune`` they share a fold, as exact ones always do; the notes say how many validation
        and test images are near duplicates of training images.
    log : Path, str or None
        A CSV file for loss and accuracy of each epoch.
    on_epoch : callable or None
        Called after each epoch of a head that has epochs.
    progress : callable or None
        For ``tune``: called as (stage, newly done, total).
    **settings
        The head's own.

    Returns
    -------
    result : FitResult
        Where the model is, and what it was measured to do on the validation images.

    Raises
    ------
    CacheError
        If there is no finished cache.
    SingleClassError
        If the training images are all of one class.
    TooFewImages
        If a class has fewer training images than the head needs.
    HeadError
        If a setting is unknown or outside its range, or there is no validation image to calibrate on.
    OutputError
        If the model file or the log cannot be written.
    """
    spec = head_spec(head)
    spec.check_settings(settings, beside=keywords_of(fit_head))
    check_pooling(pooling or spec.pooling)
    if (pooling or spec.pooling) not in spec.poolings:
        raise HeadError(f"head {head}: takes {', '.join(spec.poolings)} features only. Received: pooling {pooling!r}.")
    store = FeatureCache.open(Path(cache))
    catalog = store.catalog
    path = Path(out or Path("models") / f"{store.folder.resolve().name}-{head}.featx")
    check_model_path(path)  # before the work, not after
    if log is not None:
        _check_log(Path(log), spec)
    quantized = network_of_cache(store)
    layer = layer or store.recipe.layers[-1]
    given: dict[str, Any] = {**settings, "seed": seed}
    if "map_shape" in spec.settings():
        given.setdefault("map_shape", list(store.row_shape(layer)))
    spec.make(**given)  # a setting that there is none of must not wait for a search
    started = time.monotonic()
    chosen = choose_images(catalog, store.folder)
    train, val, notes = chosen.train, chosen.val, chosen.notes
    if calibrate and not len(val):
        raise HeadError(
            f"{store.folder}: has no validation images to calibrate on. "
            "Put some into val/, extract with a larger --val-fraction, or leave --calibrate out."
        )
    copies = find_training_copies(store, progress) if group_duplicates else None
    if copies:
        notes.append(_say_copies(copies, len(val), len(catalog.rows("test"))))
    tuning: list[dict[str, Any]] = []
    if tune:
        pooling, given, tuning = _tune(store, layer, head, pooling, given, folds, copies, progress)
    pooling = pooling or spec.pooling
    unfitted = spec.make(**given)
    # Whole maps stay in half precision where the cache has them so; heads widen them a batch at a time.
    dtype = store.maps_dtype if pooling == "flatten" else np.float32
    X = CachedRows(store, chosen.rows, chosen.views, layer, pooling, dtype)
    X_val = CachedRows(store, val, np.zeros_like(val), layer, pooling, dtype) if len(val) else None
    try:
        fitted = unfitted.fit(X, chosen.y, X_val, chosen.y_val if len(val) else None, on_epoch)
    except TooFewImages as error:
        raise error.named(chosen.class_names) from None
    val_accuracy, temperature = None, None
    if X_val is not None:
        probabilities = np.concatenate([fitted.predict_proba(block) for _, block in X_val.blocks()])
        val_accuracy = float((probabilities.argmax(axis=1) == chosen.y_val).mean())
        if calibrate:
            temperature = fit_temperature(probabilities, chosen.y_val)
            notes = [*notes, _say_temperature(temperature, len(val), bool(fitted.history_))]
    seconds = time.monotonic() - started
    model = Model(
        recipe=store.recipe,
        layer=layer,
        pooling=pooling,
        head_name=head,
        head=fitted,
        class_names=chosen.class_names,
        history=fitted.history_,
        metrics={
            "train_images": len(train),
            "val_images": len(val),
            "val_accuracy": val_accuracy,
            "seconds": seconds,
            "notes": notes + fitted.notes_,
        },
        network=network_up_to(store.network, layer),
        source={
            "cache": str(store.folder.resolve()),
            "images": catalog.source,
            "weights_file": store.network.get("weights_file", ""),
        },
        versions=library_versions(),
        tuning=tuning,
        temperature=temperature or 1.0,
        quantized=quantized,
        views={"augment": catalog.augment, "seed": catalog.view_seed, "count": 1 + len(catalog.view_keys)},
        trained_on=np.unique(catalog.digests[train][:, :TRAINED_ON_BYTES], axis=0),
    )
    save_model(model, path)
    if log is not None:
        _write_log(model, Path(log))
    return FitResult(
        model=path,
        head=head,
        pooling=pooling,
        classes=len(chosen.class_names),
        train_images=len(train),
        val_images=len(val),
        views=1 + len(catalog.view_keys),
        val_accuracy=val_accuracy,
        seconds=seconds,
        parameters=model.parameters,
        epochs=len(fitted.history_.get("loss", [])),
        best_epoch=model.best_epoch,
        notes=notes + fitted.notes_,
        tuning=tuning,
        temperature=model.temperature,
    )


def _say_temperature(temperature: float | None, n_val: int, has_epochs: bool) -> str:
    if temperature is None:
        return f"all {n_val} validation images are right: they tell no temperature, the probabilities stay as they are"
    also = ", which chose the epoch too" if has_epochs else ""
    return (
        f"temperature {temperature:.2f}, fitted on the {n_val} validation images{also}: judge the probabilities by test images"
    )


def network_up_to(network: dict[str, Any], layer: str) -> dict[str, Any]:
    """Return the description of a backbone as far as one of its layers."""
    layers = network.get("layers", [])
    last = next((place for place, one in enumerate(layers) if one["name"] == layer), len(layers))
    kept = layers[: last + 1]
    # A description without layers, as tests have it, still has its count.
    return {"parameters": sum(one["parameters"] for one in kept) if kept else network.get("parameters", 0), "layers": kept}


def _check_log(path: Path, spec: HeadSpec) -> None:
    if spec.classical:
        raise HeadError(f"head {spec.name}: learns without epochs, so that there is nothing to log. Leave --log out.")
    with writing_to(path, "Give another --log."):
        # Somebody's file of another kind is not to be lost to a slip of the fingers.
        foreign = is_foreign(path, b"epoch,loss,")
    if foreign:
        raise OutputError(f"{path}: exists and is not a log of featx. Give another --log, or delete it.")


def _write_log(model: Model, path: Path) -> None:
    with writing_to(path, "The model is kept."):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_text(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("epoch", *model.history))
            writer.writerows((number, *values) for number, values in enumerate(zip(*model.history.values(), strict=True), 1))


def _tune(
    store: FeatureCache,
    layer: str,
    head: str,
    pooling: str | None,
    settings: dict[str, Any],
    folds: int,
    copies: TrainingCopies | None,
    progress: Progress | None,
) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Return pooling and settings of the best candidate, and what was tried, the best first."""
    images = cut_into_folds(store, layer, folds, settings["seed"], copies.groups if copies else None)
    tried = search_settings(images, head, pooling, settings, progress)
    table = [
        {
            "pooling": one.candidate.pooling,
            "settings": {name: value for name, value in one.candidate.settings.items() if name not in ("seed", "map_shape")},
            "accuracy": one.accuracy,
            "log_loss": one.log_loss,
            "seconds": one.seconds,
        }
        for one in tried
    ]
    return tried[0].candidate.pooling, tried[0].candidate.settings, table


def _say_copies(copies: TrainingCopies, n_val: int, n_test: int) -> str:
    shares = [
        f"{count} of {n} {split}"
        for split, count, n in (("validation", copies.in_val, n_val), ("test", copies.in_test, n_test))
    ]
    flatter = ": they flatter the head, see featx audit" if copies.in_val + copies.in_test else ""
    return f"{' and '.join(shares)} images are near duplicates of training images{flatter}"
