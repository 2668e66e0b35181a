"""What fine-tuning needs before its first step: the layers to train, a model to start from, maps and labels."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from featx.backbones import find_weights, load_tail
from featx.errors import HeadError, ModelError
from featx.heads.epochs import batches
from featx.heads.epochs.settings import TrainingRules
from featx.models import Compute, HeadFeatures, Model, recorded_weights
from featx.store import CachedRows, FeatureCache
from featx.system.paths import StrPath
from featx.system.progress import Progress
from featx.verbs.finetune.layer_cache import cache_of_layer
from featx.verbs.finetune.origin import Beginning, figures_to_beat, find_start, fit_frozen
from featx.verbs.finetune.settings import TuningSettings
from featx.verbs.finetune.training import Examples
from featx.verbs.fit import LearningImages, choose_images


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Everything that fine-tuning starts from.

    Parameters
    ----------
    name : str
        The model file that gave the head, or how it was fitted.
    origin : Model
        The model to start from.
    tail : Tail
        The layers to train.
    store, deep : FeatureCache
        The cache given, and the cache with the features of the layer before the tail.
    extracted : int
        Images and views whose features of that layer were extracted first.
    beginning : Beginning
        The head that is put on the tail.
    to_beat : dict of str to float
        Figures of the model to start from on the validation images, where the network does not begin as that model.
    images : LearningImages
        What is learned from.
    train, val : Examples
        Their maps and labels; no ``val`` without validation images.
    """

    name: str
    origin: Model
    tail: Any
    store: FeatureCache
    deep: FeatureCache
    extracted: int
    beginning: Beginning
    to_beat: dict[str, float]
    images: LearningImages
    train: Examples
    val: Examples | None

    def identity(self, settings: TuningSettings, rules: TrainingRules, seed: int) -> str:
        """Return a digest of everything that decides how the training goes: only then is a checkpoint taken up."""
        digest, images, origin, head = hashlib.sha256(), self.images, self.origin, self.beginning.head
        learned = *origin.head.arrays().values(), *head.arrays().values()
        for array in (images.rows, images.views, images.y, images.val, images.y_val, *learned):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(self.store.catalog.digests.tobytes())
        decided = [
            *(
                self.store.recipe.fingerprint,
                origin.recipe.fingerprint,
                self.tail.start,
                self.tail.end,
                self.beginning.pooling,
                seed,
            ),
            *(dataclasses.asdict(settings), dataclasses.asdict(rules), origin.head.settings(), head.settings()),
        ]
        digest.update(json.dumps(decided, sort_keys=True).encode())
        return digest.hexdigest()


def prepare(
    store: FeatureCache,
    start: str | None,
    model: Path | None,
    weights: StrPath | None,
    compute: Compute,
    *,
    seed: int,
    wait: bool,
    progress: Progress | None,
) -> Prepared:
    """Load the layers to train, extract the features before them where they are missing, and find or fit the head.

    Raises
    ------
    BackboneError, CacheError, ImageListError, ModelError, HeadError, DeviceError
        As for ``fine_tune``.
    """
    if store.catalog.weights is not None:
        raise HeadError(
            f"{store.folder}: its images weigh differently, which fine-tuning does not take. Extract with --weight-column "
            "none, or fit logreg, svm, ridge or dense, which do."
        )
    if error := store.catalog.task.refuse("finetune", ("classes", "grades"), str(store.folder), "Use fit."):
        raise error
    existing = find_start(store, model)
    file = find_weights(store.recipe, recorded_weights(store.recipe, store.network, weights))
    tuned = existing[1].tail if existing else None
    if tuned and start not in (None, tuned.start):
        raise ModelError(
            f"{model}: was fine-tuned from {tuned.start!r}, not from {start!r}. Give --from {tuned.start}, or no --from."
        )
    first, end = tuned.start if tuned else start, _end_of(store, existing[1] if existing and model else None)
    size = compute.images_a_batch(store.recipe)
    tail = load_tail(store.recipe, file, first, end, tuned.arrays if tuned else None, size, compute.device)
    deep, extracted = cache_of_layer(store, tail.before, compute, weights=file, wait=wait, progress=progress)
    images = choose_images(deep.catalog, deep.folder)
    train, val = _examples(deep, tail.before, images)
    if existing:
        name, origin = str(existing[0]), existing[1]
    else:
        name, origin = fit_frozen(store, seed, progress)
    if origin.class_names != images.class_names:
        raise ModelError(
            f"{name}: knows the classes {', '.join(origin.class_names)}, but the training images are of "
            f"{', '.join(images.class_names)}. Fit a head on this cache first."
        )
    beginning = Beginning.of(origin, tail, train, seed)
    to_beat: dict[str, float] = {}
    if val and not beginning.is_exact:
        features = HeadFeatures(origin, file, size, compute.device).of_cache(store, images.val)
        to_beat = figures_to_beat(np.concatenate([origin.head.predict_proba(X) for _, X in features]), val.y)
    return Prepared(name, origin, tail, store, deep, extracted, beginning, to_beat, images, train, val)


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
