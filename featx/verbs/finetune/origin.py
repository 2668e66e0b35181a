"""The model that fine-tuning starts from, and its head as the dense layers that are trained further."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import FeatxError, HeadError, RecipeMismatch
from featx.heads import Head, LinearForm, fit_temperature, make_head, scaled
from featx.models import TRAINED_ON_BYTES, Model, load_model
from featx.store import FeatureCache, pool_maps
from featx.system.progress import Progress
from featx.verbs.compare import compare_heads
from featx.verbs.finetune.training import Examples
from featx.verbs.fit import LearningImages, choose_images, fit_head

_LINEAR = ("logreg", "svm", "ridge")
_POOLINGS = ("avg", "avgmax")
_FOLDS = 5

_MOST_FOR_KERNEL = 5000
"""Training images up to which a kernel machine is tried: its time grows with their square."""

_LEAST_PROBABILITY = 1e-12


def find_start(store: FeatureCache, path: Path | None) -> tuple[Path, Model] | None:
    """Find the model to start from: the model given, or the best one of this cache in ``models/`` by its validation accuracy.

    Parameters
    ----------
    store : FeatureCache
        The cache that it was fitted on.
    path : Path or None
        The model file, if given.

    Returns
    -------
    found : tuple of Path and Model, or None
        None if no model was given and there is none; of equals the newest.

    Raises
    ------
    ModelError
        If the model given cannot be read.
    RecipeMismatch
        If it was fitted on other features.
    """
    if path is not None:
        model = load_model(path)
        differences = {name: both for name, both in store.recipe.differences(model.cached_recipe).items() if name != "layers"}
        if differences:
            name, (held, expected) = next(iter(differences.items()))
            raise RecipeMismatch(
                f"{store.folder}: holds features made with {name}={held!r}, but {path} was fitted on {name}={expected!r}. "
                "Give the cache it was fitted on, or fit a head on this one."
            )
        return path, model
    found: list[tuple[float, int, Path, Model]] = []
    class_names = choose_images(store.catalog, store.folder).class_names
    for candidate in Path("models").glob("*.featx"):
        try:
            model = load_model(candidate)
            changed = candidate.stat().st_mtime_ns
        except (FeatxError, OSError):
            continue  # not asked for by name: whatever is wrong with it is not this command's business
        of_this = model.cached_recipe == store.recipe and model.source.get("cache") == str(store.folder.resolve())
        # One from before a class was added, or renamed, answers another question.
        of_this = of_this and model.task == store.catalog.task and model.class_names == class_names
        if of_this and model.tail is None:
            found.append((model.metrics.get("val_accuracy") or 0.0, changed, candidate, model))
    return max(found, key=lambda one: one[:2])[2:] if found else None


def fit_frozen(store: FeatureCache, seed: int, progress: Progress | None = None) -> tuple[str, Model]:
    """Fit the head that ``compare`` prefers, of those that are quick to fit, on any of the cached layers.

    Returns
    -------
    name : str
        What it is, for the user.
    model : Model
        As ``fit_head`` makes it.
    """
    layers = store.recipe.layers
    choice = "logreg", "avgmax", layers[-1], dict[str, Any]()
    options: list[dict[str, Any]] = [{"heads": _LINEAR}]
    if len(store.catalog.rows("train")) <= _MOST_FOR_KERNEL:
        options.append({"heads": ("svm",), "kernel": "rbf"})
    # A class with too few images for folds leaves nothing to compare by.
    with contextlib.suppress(HeadError):
        compared = [
            one
            for each in options
            for one in compare_heads(
                store, poolings=_POOLINGS, folds=_FOLDS, layer=layers, seed=seed, progress=progress or False, **each
            ).heads
        ]
        best = max(compared, key=lambda one: (one.accuracy or 0.0, -(one.log_loss or 0.0)))
        choice = best.head, best.pooling, best.layer, best.settings
    head, pooling, layer, settings = choice
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit_head(store, head, out=Path(folder) / "frozen.featx", layer=layer, pooling=pooling, seed=seed, **settings)
        name = f"{head}{' with kernel rbf' if settings.get('kernel') == 'rbf' else ''} on {layer}, {pooling}, fitted now"
        return name, load_model(fitted.model)


@dataclasses.dataclass(frozen=True)
class Beginning:
    """The dense head that is put on the layers to train.

    Parameters
    ----------
    head : DenseHead
        Of the outputs of the last layer, pooled.
    pooling : str
        How they are pooled.
    is_exact : bool
        Whether it gives the answers of the model that fine-tuning starts from; otherwise it was fitted now.
    """

    head: Any
    pooling: str
    is_exact: bool

    @classmethod
    def of(cls, origin: Model, tail: Any, train: Examples, seed: int) -> Self:
        """Write a model's head as dense layers, or fit such a head where its own are other computations or of another layer."""
        class_weight = origin.head.settings().get("class_weight")
        if (origin.tail.end if origin.tail else origin.layer) == tail.end:
            if origin.head_name == "dense":
                return cls(origin.head, origin.pooling, True)
            dense = _as_dense(origin.head, class_weight, seed, origin.temperature)
            if dense is not None:
                return cls(dense, origin.pooling, True)
        pooling = "avgmax" if origin.pooling == "flatten" else origin.pooling
        fitted = make_head("logreg", class_weight=class_weight, seed=seed)
        dense = _as_dense(fitted.fit(TailRows(tail, train, pooling), train.y), class_weight, seed)
        assert dense is not None, "logistic regression is a plane for each class"
        return cls(dense, pooling, False)


def figures_to_beat(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> dict[str, float]:
    """Return ``val_loss``, at the temperature that suits these images best, and ``val_accuracy``.

    Parameters
    ----------
    probabilities : ndarray of shape (n_images, n_classes)
        That a model gives for the validation images.
    y : ndarray of shape (n_images,)
        Their labels.
    """
    at_best = scaled(probabilities, fit_temperature(probabilities, y) or 1.0)
    own = np.maximum(at_best[np.arange(len(y)), y], _LEAST_PROBABILITY)
    return {"val_loss": float(abs(np.log(own).mean())), "val_accuracy": float((at_best.argmax(axis=1) == y).mean())}


def _as_dense(head: Head, class_weight: str | None, seed: int, temperature: float = 1.0) -> Head | None:
    """Return a dense head with the same probabilities; None of a head that is no plane for each class."""
    form = LinearForm.of(head.as_layers())
    if form is None or form.roots or form.unit:
        return None
    divisor = temperature if form.kind == "softmax" else 1.0
    arrays: dict[str, NDArray[Any]] = {
        "classes": head.classes_,
        "kernel_0": (form.kernel / divisor).astype(np.float32),
        "bias_0": (form.bias / divisor).astype(np.float32),
    }
    return make_head("dense", activation=form.kind, class_weight=class_weight, seed=seed).restore(arrays)


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


def trained_on(deep: FeatureCache, images: LearningImages) -> NDArray[np.uint8]:
    """Return what a model keeps of its training images."""
    digests: NDArray[np.uint8] = np.unique(deep.catalog.digests[images.train][:, :TRAINED_ON_BYTES], axis=0)
    return digests
