"""The dense model that fine-tuning starts from: an existing model, or a head fitted now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import FeatxError, HeadError, RecipeMismatch
from featx.heads import Conformal, make_head
from featx.models import TRAINED_ON_BYTES, Model, library_versions, load_model
from featx.store import FeatureCache, pool_maps
from featx.verbs.finetune.training import Examples
from featx.verbs.fit import LearningImages


def find_start(store: FeatureCache, path: Path | None) -> tuple[Path, Model] | None:
    """Find the model to start from: the model given, or the newest dense model of this cache in ``models/``.

    Parameters
    ----------
    store : FeatureCache
        The cache that it was fitted on.
    path : Path or None
        The model file, if given.

    Returns
    -------
    found : tuple of Path and Model, or None
        None if no model was given and there is none.

    Raises
    ------
    ModelError, HeadError
        If the model given cannot be read or is not dense.
    RecipeMismatch
        If it was fitted on other features.
    """
    if path is not None:
        model = load_model(path)
        if model.head_name != "dense":
            raise HeadError(
                f"{path}: has a {model.head_name} head. Fine-tuning starts from a dense one: featx fit --head dense."
            )
        differences = {name: both for name, both in store.recipe.differences(model.cached_recipe).items() if name != "layers"}
        if differences:
            name, (held, expected) = next(iter(differences.items()))
            raise RecipeMismatch(
                f"{store.folder}: holds features made with {name}={held!r}, but {path} was fitted on {name}={expected!r}. "
                "Give the cache it was fitted on, or fit a dense head on this one."
            )
        return path, model
    for candidate in sorted(Path("models").glob("*.featx"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            model = load_model(candidate)
        except FeatxError:
            continue  # not asked for by name: whatever is wrong with it is not this command's business
        of_this = model.cached_recipe == store.recipe and model.source.get("cache") == str(store.folder.resolve())
        if model.head_name == "dense" and model.tail is None and of_this:
            return candidate, model
    return None


class TailRows:
    """What a tail and a pooling make of rows of maps: features for a head, computed when they are asked for; see ``Rows``."""

    def __init__(self, tail: Any, examples: Examples, pooling: str) -> None:
        self._tail, self._examples, self._pooling = tail, examples, pooling
        self.shape = (len(examples.y), self._features(np.zeros((1, *examples.map_shape), np.float32)).shape[1])
        self.dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Compute everything at once."""
        X = np.empty(self.shape, dtype or np.float32)
        for positions, block in self.blocks():
            X[positions] = block
        return X

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield (positions, X) a block at a time."""
        examples = self._examples
        rows = examples.X
        blocks = iter([(np.arange(len(rows)), rows)]) if isinstance(rows, np.ndarray) else rows.blocks(seed)
        for positions, block in blocks:
            yield positions, self._features(examples.maps(block))

    def _features(self, maps: NDArray[np.floating]) -> NDArray[np.float32]:
        return pool_maps(self._tail(maps), self._pooling, "float32")


def fit_start(
    store: FeatureCache,
    deep: FeatureCache,
    tail: Any,
    images: LearningImages,
    train: Examples,
    val: Examples | None,
    seed: int,
) -> Model:
    """Fit a dense head on what the frozen layers give, with its default settings."""
    X_val = TailRows(tail, val, "flatten") if val else None
    head = make_head("dense", seed=seed).fit(TailRows(tail, train, "flatten"), images.y, X_val, images.y_val if val else None)
    conformal = None
    if X_val is not None and val:
        probabilities = np.concatenate([head.predict_proba(block) for _, block in X_val.blocks()])
        conformal = Conformal.of(probabilities, val.y, "epoch")
    return Model(
        recipe=store.recipe,
        layer=tail.end,
        pooling="flatten",
        head_name="dense",
        head=head,
        class_names=images.class_names,
        task=images.task,
        history=head.history_,
        metrics={"train_images": len(images.train), "val_images": len(images.val), "val_accuracy": None, "notes": []},
        network=tail.network,
        source={
            "cache": str(store.folder.resolve()),
            "images": store.catalog.source,
            "weights_file": store.network.get("weights_file", ""),
        },
        versions=library_versions(),
        trained_on=trained_on(deep, images),
        views={"augment": deep.catalog.augment, "seed": deep.catalog.view_seed, "count": 1 + len(deep.catalog.view_keys)},
        conformal=conformal,
    )


def trained_on(deep: FeatureCache, images: LearningImages) -> NDArray[np.uint8]:
    """Return what a model keeps of its training images."""
    digests: NDArray[np.uint8] = np.unique(deep.catalog.digests[images.train][:, :TRAINED_ON_BYTES], axis=0)
    return digests
