"""The verb finetune: the last layers of the backbone, trained together with a dense head, from cached features."""

import dataclasses
import math
import time
from pathlib import Path
from typing import Unpack

from featx.errors import Interrupted, ModelError
from featx.heads import check_seed
from featx.heads.epochs.network import KerasSteps
from featx.models import (
    Model,
    check_model_path,
    largest_share,
    learn_familiarity,
    open_cache,
    refuse_int8,
    save_model,
    wilson,
)
from featx.system.bars import ProgressOption, as_progress, closing_bars, epochs_of
from featx.system.durable import delete
from featx.system.interrupt import interrupted_once
from featx.system.kinds import plain
from featx.system.names import keywords_of
from featx.system.outputs import as_result_path
from featx.system.paths import MODEL, StrPath, as_path_or_none
from featx.system.progress import OnEpoch
from featx.verbs.finetune.checkpoint import check_checkpoint_path
from featx.verbs.finetune.joined import JoinedNetwork
from featx.verbs.finetune.prepared import Prepared, prepare
from featx.verbs.finetune.result import FineTuneResult
from featx.verbs.finetune.settings import Schedule, TuningKeywords, TuningSettings, computing
from featx.verbs.finetune.training import Tuning
from featx.verbs.fit import LearningImages, choose_images


@closing_bars()
@interrupted_once()
def fine_tune(
    cache: StrPath,
    start: str | None = None,
    *,
    model: StrPath | None = None,
    out: StrPath | None = None,
    seed: int = 0,
    weights: StrPath | None = None,
    extract_batch_size: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    wait: bool = False,
    on_epoch: OnEpoch | None = None,
    progress: ProgressOption = None,
    **training: Unpack[TuningKeywords],
) -> FineTuneResult:
    """Train the last layers of the backbone together with a head.

    It starts from the best head on frozen features. Only the layers from ``start`` on are run: the features of the layer
    before come from the cache. Batch normalisation stays in inference mode. Run again after a kill, it goes on from its
    checkpoint.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    start : str or None
        The first layer to train, such as ``block5_conv1``; by default the last block: the last layer at which the network
        can be cut with two fifths of its parameters behind it.
    model : Path, str or None
        A model fitted on this cache, to start from, with any head; by default the best in ``models/`` by its validation
        accuracy, or where there is none, the head that ``compare`` prefers, fitted now. A head that is a plane for each class
        becomes a dense layer with the same answers; of another, or of another layer, a logistic regression takes the place
        at the start, and the model itself is what has to be beaten.
    out : Path, str or None
        The model file; by default ``models/<cache>-finetuned.featx``, and in a folder the file of that name.
    seed : int
        Of the order of images and of dropout.
    weights : Path, str or None
        The backbone's weights file, if it is not at hand; or ``imagenet``, ``random`` or ``random:SEED``, if the features were
        made with those.
    extract_batch_size : int or None
        Images in a forward pass of the frozen layers, where features of the layer before have to be extracted first; by default
        what fits into memory, up to 32, or 128 where there may be a GPU. ``batch_size`` is that of a training step.
    workers : int or None
        Decoding processes, where features of the layer before have to be extracted first.
    device : str or None
        Where features are extracted and layers trained: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds
        one.
    wait : bool
        Wait for another process that writes the cache.
    on_epoch : callable or None
        Called after each epoch.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.
    **training
        ``epochs`` (at most 10 by default), ``learning_rate`` (3e-4, the largest step), ``schedule`` (``cosine`` or
        ``constant``), ``patience`` (5), ``monitor`` (``val_loss`` or ``val_accuracy``), ``batch_size`` (32), ``flip``
        (``horizontal``, ``all`` or ``none``), ``averaging`` (0.1); ``optimizer`` (``adamw``), ``momentum`` (0),
        ``weight_decay``, ``dropout`` and ``depth_decay`` (0.3). See ``TuningKeywords``.

    Returns
    -------
    result : FineTuneResult
        Where the model is, and the validation figures before and after.

    Raises
    ------
    BackboneError
        If the backbone has no such layer, cannot be cut there, or its weights are not at hand.
    DeviceError
        If there is no such device.
    CacheError, ImageListError
        If there is no cache, or the layer's features can be neither read nor extracted.
    ModelError, HeadError, RecipeError
        If there is nothing to start from, or a setting, a batch size or ``workers`` is outside its range.
    OutputError
        If the model or a checkpoint cannot be written.
    Interrupted
        On Ctrl-C; finished epochs are kept in the checkpoint.

    Examples
    --------
    >>> result = featx.fine_tune("cache/deep", "block5_conv3", epochs=1, seed=3)
    >>> result.model.name
    'deep-finetuned.featx'
    """
    progress = as_progress(progress)
    started = time.monotonic()
    settings = TuningSettings.read({name: plain(value) for name, value in training.items()}, keywords_of(fine_tune))
    seed = plain(seed)
    check_seed(seed)
    schedule = settings.schedule
    compute = computing(extract_batch_size, workers, device)
    store = open_cache(cache)
    refuse_int8(store.recipe, "fine-tuning")
    default = f"{store.folder.resolve().name}-finetuned.featx"
    path = as_result_path("out", out, default) or Path("models") / default
    check_model_path(path)  # before the work, not after
    checkpoint = path.with_name(path.name + ".checkpoint")
    check_checkpoint_path(checkpoint)
    prepared = prepare(
        store,
        start,
        as_path_or_none("model", model, ModelError, MODEL),
        weights,
        compute,
        seed=seed,
        wait=wait,
        progress=progress,
    )
    with prepared.tail.on_device():
        joined = JoinedNetwork.join(prepared, settings.dropout_for(prepared.beginning.head), seed)
        tuning = _make_tuning(joined, settings, seed, checkpoint)
    try:
        with prepared.tail.on_device():
            tuning.run(prepared.train, prepared.val, on_epoch or epochs_of(progress))
    except KeyboardInterrupt:
        raise Interrupted(
            f"{path}: stopped after {tuning.epochs_done} of {schedule.epochs} epochs; they are kept in {checkpoint}. "
            "Run the same command again to go on."
        ) from None
    notes = prepared.images.notes + _notes(tuning, prepared.images, schedule)
    seconds = time.monotonic() - started
    kept = joined.model(tuning, schedule.monitor, seconds, notes) if tuning.is_better else prepared.origin
    save_model(_knowing_strangers(kept, prepared), path)
    delete(checkpoint)
    return _result(path, kept, prepared, tuning, seconds, notes)


def _knowing_strangers(model: Model, prepared: Prepared) -> Model:
    """Return the model with what tells how strange an image is: of the features that its head takes now."""
    if model.familiarity:
        return model
    store = prepared.deep if model.tail else prepared.store
    images = choose_images(store.catalog, store.folder)
    return dataclasses.replace(model, familiarity=learn_familiarity(model, store, images.train, images.val))


def _make_tuning(joined: JoinedNetwork, settings: TuningSettings, seed: int, checkpoint: Path) -> Tuning:
    prepared, network, schedule = joined.prepared, joined.network, settings.schedule
    head, tail = prepared.beginning.head, prepared.tail
    rules = settings.rules(head)
    steps = schedule.epochs * math.ceil(len(prepared.train.y) / schedule.batch_size)
    return Tuning(
        KerasSteps(
            network,
            rules,
            averaging=schedule.kept_of_average(steps),
            shares=tail.shares(network, settings.depth_decay),
        ),
        lambda maps: tail.logits(network, maps),
        rules,
        schedule,
        head.settings().get("class_weight"),
        seed,
        checkpoint,
        prepared.identity(settings, rules, seed),
        prepared.to_beat,
    )


def _result(path: Path, kept: Model, prepared: Prepared, tuning: Tuning, seconds: float, notes: list[str]) -> FineTuneResult:
    best = tuning.best_epoch if tuning.is_better else 0
    after = {name: values[best - 1] for name, values in tuning.history.items() if values} if best else tuning.before
    epochs = len(tuning.history["loss"])
    y_val, accuracy, grouped = prepared.images.y_val, after.get("val_accuracy"), bool(prepared.store.catalog.groups)
    return FineTuneResult(
        model=path,
        started_from=prepared.name,
        start=prepared.tail.start,
        before=prepared.tail.before,
        end=prepared.tail.end,
        cache=prepared.deep.folder,
        extracted=prepared.extracted,
        train_images=len(prepared.images.train),
        val_images=len(prepared.images.val),
        views=1 + len(prepared.deep.catalog.view_keys),
        val_accuracy_before=tuning.before.get("val_accuracy"),
        val_loss_before=tuning.before.get("val_loss"),
        val_accuracy=after.get("val_accuracy"),
        val_loss=after.get("val_loss"),
        improved=tuning.is_better,
        epochs=epochs,
        best_epoch=best,
        resumed_at=tuning.resumed_at,
        seconds=seconds,
        seconds_per_epoch=tuning.seconds / max(1, epochs),
        parameters=kept.parameters,
        notes=notes,
        val_interval=None if accuracy is None or grouped else wilson(round(accuracy * len(y_val)), len(y_val)),
        val_baseline=largest_share(y_val),
    )


def _notes(tuning: Tuning, images: LearningImages, rate: Schedule) -> list[str]:
    notes = []
    if not len(images.val):
        notes.append("no validation images: nothing shows whether fine-tuning improved the model; the last epoch was kept")
    elif not tuning.is_better:
        notes.append("no epoch did better on the validation images than the start: the model it started from was kept")
    elif tuning.best_epoch == rate.epochs > 1 and rate.kind == "constant":
        notes.append(f"the validation loss was still falling at epoch {rate.epochs}: more epochs may do better")
    return notes
