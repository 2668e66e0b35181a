"""The verb evaluate: what a model's accuracy is, and on which images."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.classify import classify_files
from featx.errors import CacheNotFound, ClassMismatch, ImageListError, RecipeMismatch
from featx.images import ImageIndex, list_images
from featx.model import Model, load_model
from featx.progress import Progress
from featx.store import SPLITS, FeatureCache


@dataclasses.dataclass(frozen=True)
class ClassMeasures:
    """Precision, recall and F1 of one class, and how many images of it there were."""

    class_name: str
    precision: float
    recall: float
    f1: float
    images: int


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A model measured on labelled images.

    Parameters
    ----------
    model : Model
        What was measured.
    model_path : Path
        Where it lies.
    split : str
        ``train``, ``val``, ``test`` or ``all``.
    source : str
        Folder that the images are listed in.
    paths : list of str
        The images, as listed.
    y : ndarray of shape (n_images,), int64
        True labels, indices into the model's class names.
    probabilities : ndarray of shape (n_images, n_classes), float64
        Columns in the order of the model's class names.
    accuracy, balanced_accuracy, macro_f1, log_loss : float
        As scikit-learn defines them; balanced accuracy and macro F1 over the classes that have images here.
    per_class : list of ClassMeasures
        One for each of the model's classes.
    confusion : ndarray of shape (n_classes, n_classes), int64
        Rows true, columns predicted.
    rejected : dict of str to str
        Path and reason of images that could not be measured.
    notes : list of str
        What a reader of these figures should know.
    """

    model: Model
    model_path: Path
    split: str
    source: str
    paths: list[str]
    y: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    per_class: list[ClassMeasures]
    confusion: NDArray[np.int64]
    rejected: dict[str, str]
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class _Measured:
    """Probabilities of some labelled images, from whichever source."""

    split: str
    paths: list[str]
    class_of: list[str]
    probabilities: NDArray[np.float64]
    digests: list[bytes]
    rejected: dict[str, str]
    source: str


def evaluate_model(
    model: Path | str,
    *,
    split: str | None = None,
    images: Path | str | None = None,
    cache: Path | str | None = None,
    weights: Path | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on the cached test images, or on images it has never seen.

    Parameters
    ----------
    model : Path or str
        The model file.
    split : str or None
        By default ``test`` where there is one, else ``val``; for ``images`` without splits, all of them.
    images : Path, str or None
        Folder of class folders to measure on instead of the cache.
    cache : Path, str or None
        The cache, if it is no longer where the model was fitted.
    weights : Path or None
        The backbone's weights file, if ``images`` need it and it is not at hand.
    batch_size, workers : int
        For ``images``: images a forward pass, decoding threads.
    progress : callable or None
        Called as (stage, newly done, total).

    Returns
    -------
    evaluation : Evaluation
        The figures, and everything a report needs.

    Raises
    ------
    ModelError
        If the model cannot be read, or does not know the images' classes.
    CacheError, ImageListError
        If there is nothing to measure on.
    RecipeMismatch
        If the cache holds other features than the model was fitted on.
    """
    path = Path(model)
    loaded = load_model(path)
    if images is not None:
        measured = _measure_files(loaded, list_images(Path(images)), split, weights, batch_size, workers, progress)
        notes = []
    else:
        measured = _measure_cache(loaded, split, Path(cache or loaded.source.get("cache", "")))
        notes = _say_where(loaded, measured)
    _check_classes(loaded, path, measured)
    label_of = {name: label for label, name in enumerate(loaded.class_names)}
    y = np.array([label_of[name] for name in measured.class_of], np.int64)
    return _measure(loaded, path, measured, y, notes)


def _measure_cache(model: Model, split: str | None, folder: Path) -> _Measured:
    if not (folder / "recipe.json").exists():
        raise CacheNotFound(
            f"{folder}: the cache that this model was fitted on is not there. "
            "Give --cache, or --images with a folder of labelled images."
        )
    store = FeatureCache.open(folder)
    differences = store.recipe.differences(model.recipe)
    if differences:
        name, (found, wanted) = next(iter(differences.items()))
        raise RecipeMismatch(
            f"{folder}: holds features made with {name}={found!r}, but the model was fitted on {name}={wanted!r}. "
            "Fit the head again, or give the cache it was fitted on."
        )
    catalog = store.catalog
    split = split or ("test" if len(catalog.rows("test")) else "val")
    rows = catalog.rows(None if split == "all" else split)
    if not len(rows):
        counts = ", ".join(f"{name} {len(catalog.rows(name))}" for name in SPLITS)
        raise ImageListError(f"{folder}: has no images in split {split!r} ({counts}). Give another --split, or --images.")
    blocks = store.blocks(rows, layer=model.layer, pooling=model.pooling)  # a whole split of maps may not fit into memory
    return _Measured(
        split=split,
        paths=[catalog.paths[row] for row in rows],
        class_of=[catalog.class_names[label] for label in catalog.labels[rows]],
        probabilities=np.concatenate([model.head.predict_proba(X) for _, X in blocks]),
        digests=[catalog.digests[row].tobytes() for row in rows],
        rejected={},
        source=catalog.source,
    )


def _measure_files(
    model: Model,
    index: ImageIndex,
    split: str | None,
    weights: Path | None,
    batch_size: int,
    workers: int | None,
    progress: Progress | None,
) -> _Measured:
    splits = set(index.splits)
    if split is None:
        split = next((name for name in ("test", "val") if name in splits), "all")
    rows = [row for row, found in enumerate(index.splits) if split == "all" or found == split]
    if not rows:
        raise ImageListError(f"{index.root}: has no {split}/ folder. Give another --split, or none for all images.")
    listed = [row for row in rows if not index.reasons[row]]
    absent = sorted({index.class_names[index.labels[row]] for row in listed} - set(model.class_names))
    if absent:  # before the backbone runs over them for nothing
        raise ClassMismatch(_say_classes(str(index.root), absent, model))
    result = classify_files(
        model,
        [index.root / index.paths[row] for row in listed],
        weights=weights,
        batch_size=batch_size,
        workers=workers,
        progress=progress,
    )
    kept = [place for place in range(len(listed)) if place not in result.rejected]
    if not kept:
        raise ImageListError(f"{index.root}: none of its {len(rows)} images could be used. Try featx predict on one of them.")
    rejected = {index.paths[listed[place]]: reason for place, reason in result.rejected.items()}
    return _Measured(
        split=split,
        paths=[index.paths[listed[place]] for place in kept],
        class_of=[index.class_names[index.labels[listed[place]]] for place in kept],
        probabilities=result.probabilities[kept],
        digests=[result.digests[place] for place in kept],
        rejected=rejected | {index.paths[row]: index.reasons[row] for row in rows if index.reasons[row]},
        source=str(index.root),
    )


def _check_classes(model: Model, path: Path, measured: _Measured) -> None:
    absent = sorted(set(measured.class_of) - set(model.class_names))
    if absent:
        raise ClassMismatch(_say_classes(str(path), absent, model))


def _say_classes(where: str, absent: Sequence[str], model: Model) -> str:
    return (
        f"{where}: there are images of {', '.join(map(repr, absent[:10]))}, but the model knows "
        f"{', '.join(map(repr, model.class_names[:10]))}{' …' if len(model.class_names) > 10 else ''}. "
        "Rename the folders to the model's classes, or fit a head on images of these classes."
    )


def _measure(model: Model, path: Path, measured: _Measured, y: NDArray[np.int64], notes: list[str]) -> Evaluation:
    # Here, not above: importing featx must not import scikit-learn.
    from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

    labels = np.arange(len(model.class_names))
    predicted = measured.probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(y, predicted, labels=labels, zero_division=0.0)
    present = support > 0
    return Evaluation(
        model=model,
        model_path=path,
        split=measured.split,
        source=measured.source,
        paths=measured.paths,
        y=y,
        probabilities=measured.probabilities,
        accuracy=float((predicted == y).mean()),
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        log_loss=float(log_loss(y, measured.probabilities, labels=labels)),
        per_class=[
            ClassMeasures(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(model.class_names)
        ],
        confusion=confusion_matrix(y, predicted, labels=labels),
        rejected=measured.rejected,
        notes=notes + _notes(model, measured, y, support),
    )


def _say_where(model: Model, measured: _Measured) -> list[str]:
    """Say so if the cache has come to list another folder than the one the model was fitted on."""
    fitted_on = model.source.get("images", "")
    if fitted_on in ("", measured.source):
        return []
    return [f"the cache now lists {measured.source}; the model was fitted on {fitted_on}"]


def _notes(model: Model, measured: _Measured, y: NDArray[np.int64], support: NDArray[np.int64]) -> list[str]:
    notes = []
    seen = int(model.saw_in_training(measured.digests).sum())
    if seen:
        notes.append(f"{seen} of {len(y)} images were in the training set: on them the model is only repeating what it saw")
    if measured.split == "val" and model.history:
        notes.append("these validation images chose the epoch that was kept: expect slightly less on new images")
    if (support == 0).any():
        absent = [model.class_names[i] for i in np.flatnonzero(support == 0)]
        notes.append(f"no images of {', '.join(map(repr, absent[:10]))} were measured")
    if len(measured.rejected):
        notes.append(f"{len(measured.rejected)} images were rejected and are in no figure")
    return notes
