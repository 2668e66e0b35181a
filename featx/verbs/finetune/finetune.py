"""The verb finetune: the last layers of the backbone, trained together with a dense head, from cached features."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from featx.backbones import find_weights, load_tail
from featx.errors import Interrupted, ModelError
from featx.heads import check_seed, rebuild_head
from featx.heads.checks import check_setting
from featx.heads.epochs import batches
from featx.heads.epochs.network import KerasSteps
from featx.heads.epochs.settings import TrainingRules, check_optimizer, rules_of
from featx.models import FineTuned, Model, check_model_path, library_versions, refuse_int8, save_model
from featx.store import CachedRows, FeatureCache, pool_maps
from featx.system.interrupt import interrupted_once
from featx.system.progress import OnEpoch, Progress
from featx.verbs.finetune.checkpoint import check_checkpoint_path
from featx.verbs.finetune.layer_cache import cache_of_layer
from featx.verbs.finetune.origin import find_start, fit_start, trained_on
from featx.verbs.finetune.training import SCHEDULES, Examples, Schedule, Tuning
from featx.verbs.fit import LearningImages, choose_images

_ROW_LENGTH = 20.0
"""The head sees rows of this mean length, as when it is fitted: there its usual learning rates are neither slow nor wild."""

_SAMPLE_ROWS = 256


@dataclasses.dataclass(frozen=True)
class FineTuneResult:
    """What fine-tuning gave.

    Parameters
    ----------
    model : Path
        The model file: the fine-tuned model, or the one it started from where no epoch did better.
    started_from : str
        The model file that gave the head, or how it was fitted.
    start, before, end : str
        The first layer that was trained, the cached layer before it, and the last one trained.
    cache : Path
        Where the features of the layer before are.
    extracted : int
        Images and views whose features of that layer were extracted first.
    train_images, val_images, views : int
        Images learned from; images that validated; views of each training image.
    val_accuracy_before, val_loss_before : float or None
        Of the model it started from; None without validation images.
    val_accuracy, val_loss : float or None
        Of the model that was kept.
    improved : bool
        Whether fine-tuning did better than what it started from.
    epochs, best_epoch, resumed_at : int
        Epochs run; the one that was kept, from 1; the epoch after which an interrupted run was taken up, or 0.
    seconds, seconds_per_epoch : float
        Of the whole; of an epoch, its validation included.
    parameters : dict of str to int
        ``total``, ``trainable``, ``frozen``.
    notes : list of str
        What a user should know.
    """

    model: Path
    started_from: str
    start: str
    before: str
    end: str
    cache: Path
    extracted: int
    train_images: int
    val_images: int
    views: int
    val_accuracy_before: float | None
    val_loss_before: float | None
    val_accuracy: float | None
    val_loss: float | None
    improved: bool
    epochs: int
    best_epoch: int
    resumed_at: int
    seconds: float
    seconds_per_epoch: float
    parameters: dict[str, int]
    notes: list[str]


@interrupted_once()
def fine_tune(
    cache: Path | str,
    start: str | None = None,
    *,
    model: Path | str | None = None,
    out: Path | str | None = None,
    epochs: int = 10,
    learning_rate: float = 1e-5,
    schedule: str = "cosine",
    optimizer: str = "adam",
    momentum: float = 0.0,
    batch_size: int = 32,
    patience: int = 3,
    monitor: str = "val_loss",
    seed: int = 0,
    workers: int | None = None,
    wait: bool = False,
    on_epoch: OnEpoch | None = None,
    progress: Progress | None = None,
) -> FineTuneResult:
    """Train the last layers of the backbone together with a dense head.

    Only the layers from ``start`` on are run: the features of the layer before come from the cache. Batch normalisation stays
    in inference mode. Run again after a kill, it goes on from its checkpoint.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    start : str or None
        The first layer to train, such as ``block5_conv1``; by default the last block: the last layer at which the network
        can be cut with two fifths of its parameters behind it.
    model : Path, str or None
        A dense model fitted on this cache, to start from; by default the newest one in ``models/``, or a dense head fitted
        now.
    out : Path, str or None
        The model file; by default ``models/<cache>-finetuned.featx``.
    epochs, learning_rate, schedule, patience, monitor, batch_size
        As for ``Schedule``.
    optimizer, momentum
        As for a dense head.
    seed : int
        Of the order of images and of dropout.
    workers : int or None
        Decoding processes, where features of the layer before have to be extracted first.
    wait : bool
        Wait for another process that writes the cache.
    on_epoch : callable or None
        Called after each epoch.
    progress : callable or None
        Called as (stage, newly done, total).

    Returns
    -------
    result : FineTuneResult
        Where the model is, and the validation figures before and after.

    Raises
    ------
    BackboneError
        If the backbone has no such layer, cannot be cut there, or its weights are not at hand.
    CacheError, ImageListError
        If there is no cache, or the layer's features can be neither read nor extracted.
    ModelError, HeadError
        If there is nothing to start from, or a setting is outside its range.
    OutputError
        If the model or a checkpoint cannot be written.
    Interrupted
        On Ctrl-C; finished epochs are kept in the checkpoint.
    """
    started = time.monotonic()
    rate = Schedule(epochs, learning_rate, schedule, patience, monitor, batch_size)
    _check(rate, seed)
    check_optimizer(optimizer, momentum)
    store = FeatureCache.open(Path(cache))
    refuse_int8(store.recipe, "fine-tuning")
    path = Path(out or Path("models") / f"{store.folder.resolve().name}-finetuned.featx")
    check_model_path(path)  # before the work, not after
    checkpoint = path.with_name(path.name + ".checkpoint")
    check_checkpoint_path(checkpoint)
    found = find_start(store, Path(model) if model else None)
    end = _end_of(store, found[1] if found else None)
    hint = store.network.get("weights_file")
    weights = find_weights(store.recipe, Path(hint) if hint else None)
    tuned = found[1].tail if found else None
    if tuned and start not in (None, tuned.start):
        raise ModelError(
            f"{model}: was fine-tuned from {tuned.start!r}, not from {start!r}. Give --from {tuned.start}, or no --from."
        )
    tail = load_tail(store.recipe, weights, tuned.start if tuned else start, end, tuned.arrays if tuned else None, batch_size)
    deep, extracted = cache_of_layer(store, tail.before, batch_size=batch_size, workers=workers, wait=wait, progress=progress)
    images = choose_images(deep.catalog, deep.folder)
    train, val = _examples(deep, tail.before, images)
    if found:
        name, origin = str(found[0]), found[1]
    else:
        name, origin = "a dense head fitted now", fit_start(store, deep, tail, images, train, val, seed)
    if origin.class_names != images.class_names:
        raise ModelError(
            f"{name}: knows the classes {', '.join(origin.class_names)}, but the training images are of "
            f"{', '.join(images.class_names)}. Fit a dense head on this cache first."
        )
    network, scale = _network(tail, origin, train, seed)
    rules = _rules(origin, optimizer, learning_rate, momentum)
    tuning = Tuning(
        KerasSteps(network, rules),
        lambda maps: tail.logits(network, maps),
        rules,
        rate,
        origin.head.settings().get("class_weight"),
        seed,
        checkpoint,
        _identity(store, origin, tail, images, rate, rules, seed),
    )
    try:
        tuning.run(train, val, on_epoch)
    except KeyboardInterrupt:
        raise Interrupted(
            f"{path}: stopped after {tuning.epochs_done} of {epochs} epochs; they are kept in {checkpoint}. "
            "Run the same command again to go on."
        ) from None
    notes = images.notes + _notes(tuning, images, rate)
    seconds = time.monotonic() - started
    kept = origin
    if tuning.is_better:
        kept = _tuned_model(origin, deep, tail, network, scale, tuning, rate, images, seconds, notes)
    save_model(kept, path)
    checkpoint.unlink(missing_ok=True)
    best = tuning.best_epoch if tuning.is_better else 0
    return FineTuneResult(
        model=path,
        started_from=name,
        start=tail.start,
        before=tail.before,
        end=end,
        cache=deep.folder,
        extracted=extracted,
        train_images=len(images.train),
        val_images=len(images.val),
        views=1 + len(deep.catalog.view_keys),
        val_accuracy_before=tuning.before.get("val_accuracy"),
        val_loss_before=tuning.before.get("val_loss"),
        val_accuracy=tuning.history["val_accuracy"][best - 1] if best and val else tuning.before.get("val_accuracy"),
        val_loss=tuning.history["val_loss"][best - 1] if best and val else tuning.before.get("val_loss"),
        improved=tuning.is_better,
        epochs=len(tuning.history["loss"]),
        best_epoch=best,
        resumed_at=tuning.resumed_at,
        seconds=seconds,
        seconds_per_epoch=tuning.seconds / max(1, len(tuning.history["loss"])),
        parameters=kept.parameters,
        notes=notes,
    )


def _check(rate: Schedule, seed: int) -> None:
    """Refuse settings before anything is read."""
    rules = (
        ("epochs", rate.epochs, 1 <= rate.epochs <= 10**6, "a whole number from 1"),
        ("learning_rate", rate.learning_rate, 0 < rate.learning_rate <= 10, "a number above 0 and at most 10"),
        ("schedule", rate.kind, rate.kind in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        ("patience", rate.patience, 1 <= rate.patience <= 10**6, "a whole number from 1"),
        ("monitor", rate.monitor, rate.monitor in ("val_loss", "val_accuracy"), "val_loss or val_accuracy"),
        ("batch_size", rate.batch_size, 1 <= rate.batch_size <= 4096, "a whole number from 1 to 4096"),
    )
    for name, value, holds, wanted in rules:
        check_setting(name, value, holds, wanted)
    check_seed(seed)


def _end_of(store: FeatureCache, model: Model | None) -> str:
    if model is None:
        return store.recipe.layers[-1]
    return model.tail.end if model.tail else model.layer


def _examples(deep: FeatureCache, layer: str, images: LearningImages) -> tuple[Examples, Examples | None]:
    shape, dtype = deep.row_shape(layer), deep.maps_dtype
    train = CachedRows(deep, images.rows, images.views, layer, "flatten", dtype)
    val = CachedRows(deep, images.val, np.zeros_like(images.val), layer, "flatten", dtype)
    return (
        Examples(batches.held(train), images.y, shape),
        Examples(batches.held(val), images.y_val, shape) if len(images.val) else None,
    )


def _network(tail: Any, origin: Model, train: Examples, seed: int) -> tuple[Any, float]:
    """Put the head on the tail; return the network, and what its rows are multiplied by."""
    arrays, settings = origin.head.arrays(), origin.head.settings()
    count = len(settings["hidden"]) + 1
    kernels, biases = [arrays[f"kernel_{i}"] for i in range(count)], [arrays[f"bias_{i}"] for i in range(count)]
    sample = np.linspace(0, len(train.y) - 1, min(len(train.y), _SAMPLE_ROWS)).astype(np.int64)
    rows = train.X[sample] if isinstance(train.X, np.ndarray) else next(train.X.blocks(seed=seed))[1][:_SAMPLE_ROWS]
    features = pool_maps(tail(train.maps(rows)), origin.pooling, "float32")
    length = float(np.linalg.norm(features, axis=1).mean(dtype=np.float64))
    scale = _ROW_LENGTH / length if length > 1e-6 else 1.0
    network = tail.with_head(
        [kernels[0] / np.float32(scale), *kernels[1:]],
        biases,
        scale=scale,
        pooling=origin.pooling,
        dropout=settings["dropout"],
        seed=seed,
        dtype=np.dtype(train.X.dtype),
    )
    return network, scale


def _rules(origin: Model, optimizer: str, learning_rate: float, momentum: float) -> TrainingRules:
    """Return the loss of the head, and steps as asked for."""
    return dataclasses.replace(
        rules_of(origin.head), optimizer=optimizer, learning_rate=learning_rate, momentum=momentum, weight_decay=None
    )


def _identity(
    store: FeatureCache, origin: Model, tail: Any, images: LearningImages, rate: Schedule, rules: TrainingRules, seed: int
) -> str:
    """Return a digest of everything that decides how the training goes: only then is a checkpoint taken up."""
    digest = hashlib.sha256()
    for array in (images.rows, images.views, images.y, images.val, images.y_val, *origin.head.arrays().values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(store.catalog.digests.tobytes())
    settings = [
        *(store.recipe.fingerprint, origin.recipe.fingerprint, tail.start, tail.end, origin.pooling, seed),
        *(dataclasses.asdict(rate), dataclasses.asdict(rules), origin.head.settings()),
    ]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def _tuned_model(
    origin: Model,
    deep: FeatureCache,
    tail: Any,
    network: Any,
    scale: float,
    tuning: Tuning,
    rate: Schedule,
    images: LearningImages,
    seconds: float,
    notes: list[str],
) -> Model:
    kernels, biases = tail.head_arrays(network)
    kernels[0] = kernels[0] * np.float32(scale)
    arrays = {"classes": origin.head.classes_}
    arrays |= {f"kernel_{i}": kernel for i, kernel in enumerate(kernels)}
    arrays |= {f"bias_{i}": bias for i, bias in enumerate(biases)}
    settings = origin.head.settings() | {"monitor": rate.monitor}
    tuned = FineTuned(tail.start, tail.end, tail.arrays())
    best = tuning.best_epoch - 1
    history = {name: values for name, values in tuning.history.items() if values}
    return dataclasses.replace(
        origin,
        recipe=dataclasses.replace(deep.recipe, tail=tuned.identity),
        layer=tail.before,
        head=rebuild_head("dense", settings, arrays),
        history=history,
        metrics={
            "train_images": len(images.train),
            "val_images": len(images.val),
            "val_accuracy": tuning.history["val_accuracy"][best] if len(images.val) else None,
            "before": tuning.before,
            "seconds": seconds,
            "notes": notes,
        },
        network=tail.network,
        source=origin.source | {"cache": str(deep.folder.resolve())},
        versions=library_versions(),
        trained_on=trained_on(deep, images),
        tuning=[],
        tail=tuned,
        temperature=1.0,  # a calibrated head's was fitted to other probabilities
    )


def _notes(tuning: Tuning, images: LearningImages, rate: Schedule) -> list[str]:
    notes = []
    if not len(images.val):
        notes.append("no validation images: nothing says whether fine-tuning did better; the last epoch was kept")
    elif not tuning.is_better:
        notes.append("no epoch did better on the validation images than the start: the model it started from was kept")
    elif tuning.best_epoch == rate.epochs > 1 and rate.kind == "constant":
        notes.append(f"the validation loss was still falling at epoch {rate.epochs}: more epochs may do better")
    return notes
