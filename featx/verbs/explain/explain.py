"""The verb explain: which cells of an image's map spoke for a class and against another."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from featx.errors import ClassMismatch, ImageListError, ModelError
from featx.images import MAX_PIXELS, list_unlabelled
from featx.models import Compute, Engine, Extractor, HeadFeatures, Model, advised, load_model, refuse_swapped, weights_hint
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.kinds import check_kind, shown
from featx.system.names import did_you_mean
from featx.system.paths import MODEL, StrPath, as_path, as_paths
from featx.verbs.explain.cells import Explainer
from featx.verbs.explain.explanation import Explanation, Explanations


@closing_bars()
def explain_images(
    model: StrPath,
    images: StrPath | Iterable[StrPath],
    *,
    label: str | None = None,
    against: str | None = None,
    weights: StrPath | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    progress: ProgressOption = None,
) -> Explanations:
    """Divide a head's decision about each image among the cells of the map that it starts from.

    Of a linear head (``logreg``, ``svm`` with a linear kernel, ``ridge``, ``dense`` without hidden layers) the division is
    exact. Of ``dense`` with hidden layers, ``conv`` and ``svm`` with kernel rbf each cell is taken away in turn.

    Parameters
    ----------
    model : Path, str, Model or result of a fit
        The model file.
    images : Path, str, or sequence of Path or str
        Files are taken as they are; folders are searched for images.
    label : str or None
        The class to explain; by default the most probable of each image.
    against : str or None
        The class to hold it against; by default the most probable of the others.
    weights : Path or None
        The backbone's weights file, if it is not at hand.
    batch_size, workers : int or None
        Images a forward pass, by default as many as memory allows; decoding processes.
    max_pixels : int
        Larger images are rejected [px].
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.

    Returns
    -------
    explanations : Explanations
        A list: one for each image, in the order of the files; no image is left out.

    Raises
    ------
    RecipeError
        If a number is outside its range.
    ModelError
        If the model cannot be read, or does not know ``label`` or ``against`` (``ClassMismatch``).
    TaskError
        If the model answers with labels or numbers: cells speak for one class and against another.
    HeadError
        If the head is ``knn``, whose votes cannot be divided.
    ImageListError
        If a path does not exist or there is no image.
    BackboneError
        If there is no such device, or the backbone's weights are not at hand.

    Examples
    --------
    >>> (red,) = featx.explain_images("models/photos-logreg.featx", ["photos/red/0.png"], against="blue")
    >>> red.label, red.other, red.cells.shape, red.speaking_for > 0
    ('red', 'blue', (2, 2), True)
    """
    progress = as_progress(progress)
    compute = Compute(batch_size, workers, max_pixels, device)
    path = as_path("model", model, ModelError, MODEL)
    given = as_paths("images", images, ImageListError)
    refuse_swapped(path, given)
    loaded = load_model(path)
    if error := loaded.task.refuse("explain", ("classes", "grades"), path):
        raise error
    wanted = (_class_of(loaded, "label", label), _class_of(loaded, "against", against))
    if None not in wanted and wanted[0] == wanted[1]:
        raise ClassMismatch(
            f"label and against are both {label!r}. Give two classes, or leave one of them out.", wrong_value=True
        )
    explainer = Explainer(loaded)
    with advised(given, "images"):
        files = list_unlabelled(given)
    found = Explanations(Explanation(str(file)) for file in files)
    found.passed_over = files.passed_over
    weights = weights_hint(loaded, weights)
    extractor = Extractor(Engine(loaded.cached_recipe, weights, loaded.quantized), compute, most_images=len(files))
    features = HeadFeatures(loaded, weights, extractor.batch_size, compute.device)
    for batch, maps in extractor(files, stage="explain", progress=progress):
        for position, reason in batch.rejected.items():
            found[position] = Explanation(str(files[position]), error=reason)
        if not maps:
            continue
        head_maps = features.head_maps(maps[loaded.layer])
        X = features.pooled(head_maps)
        probabilities = loaded.predict_proba(X)
        labels, others = choose_classes(loaded, probabilities, *wanted)
        divided = explainer(head_maps, X, labels, others)
        for n, position in enumerate(batch.positions):
            found[position] = Explanation(
                path=str(files[position]),
                label=loaded.class_names[labels[n]],
                other=loaded.class_names[others[n]],
                confidence=float(probabilities[n, labels[n]]),
                other_confidence=float(probabilities[n, others[n]]),
                method=explainer.method,
                quantity=explainer.quantity,
                margin=float(divided.margin[n]),
                bias=None if divided.bias is None else float(divided.bias[n]),
                cells=divided.cells[n],
                digest=batch.digests[n].hex(),
            )
    return found


def choose_classes(
    model: Model, probabilities: NDArray[np.float64], label: int | None = None, other: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each row (n, n_classes) the class it is called and the runner-up, but for what is given: (n,) and (n,)."""
    left = probabilities.copy()
    if other is not None:
        left[:, other] = -np.inf
    if label is not None:
        labels = np.full(len(left), label)
    else:
        labels = model.decide(probabilities) if other is None else left.argmax(axis=1)
    left[np.arange(len(left)), labels] = -np.inf
    others = left.argmax(axis=1) if other is None else np.full(len(left), other)
    return labels.astype(np.int64), others.astype(np.int64)


def _class_of(model: Model, option: str, name: str | None) -> int | None:
    if name is None:
        return None
    check_kind(option, name, (str, type(None)), "the name of a class, or None", ClassMismatch)
    if name not in model.class_names:
        known = ", ".join(map(repr, model.class_names[:10])) + (" …" if len(model.class_names) > 10 else "")
        raise ClassMismatch(
            f"{option} {shown(name)}: the model has no such class. {did_you_mean(name, model.class_names)}It knows {known}.",
            wrong_value=True,
        )
    return model.class_names.index(name)
