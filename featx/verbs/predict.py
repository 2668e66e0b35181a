"""The verb predict: class and confidence of new images, and how strange they are."""

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, ImageListError, ModelError, OutputError, RecipeError
from featx.images import MAX_PIXELS, list_unlabelled
from featx.models import Compute, Model, SetMaker, classify_files, load_model
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.cells import TableWriter
from featx.system.durable import make_folder
from featx.system.files import replacing_text, writing_to
from featx.system.frames import data_frame
from featx.system.paths import MODEL, StrPath, as_path, as_paths
from featx.system.replaced import check_replaced
from featx.system.results import Result
from featx.verbs.explain import CachedCells, CellsSeen

if TYPE_CHECKING:
    import pandas

COLUMNS = ("path", "label", "confidence", "error", "unfamiliar")

UNKNOWN = "unknown"
"""The label of an image that is too strange to have one."""

_OLD = "the model was fitted by an earlier featx and knows no strangers: unfamiliar is empty; fit it again to have it"

_IN_MEMORY = " Images in memory are for Model.predict: featx.load_model(FILE).predict(images)."

# No suffix is the user's choice; a spreadsheet's or a picture's would promise what the file does not hold.
_SUFFIXES = ("", ".csv", ".txt", ".jsonl", ".json")


@dataclasses.dataclass(frozen=True, repr=False)
class Prediction(Result):
    """An image's most probable class, or the reason why it has none.

    Parameters
    ----------
    path : str
        The file, as it was given, or as it was found in a folder.
    label : str
        Class name; empty if rejected.
    confidence : float or None
        The class's probability; None if rejected.
    error : str
        Reason of the rejection; empty otherwise.
    set : tuple of str or None
        With ``sets``: the classes that hold the right one in that share of cases, the most probable first; empty if rejected.
    unfamiliar : float or None
        Share of genuine images of the model's classes that are as strange or stranger: small for a strange image. None if
        rejected, and from a model of an earlier version.

    Examples
    --------
    >>> (prediction,) = featx.predict_images("models/photos-logreg.featx", ["photos/red/0.png"])
    >>> prediction.path, prediction.label, prediction.error
    ('photos/red/0.png', 'red', '')
    """

    path: str
    label: str
    confidence: float | None
    error: str
    set: tuple[str, ...] | None = None
    unfamiliar: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what JSON has of it: ``set`` where it was asked for."""
        fields = dataclasses.asdict(self)
        return fields if self.set is not None else {name: fields[name] for name in COLUMNS}


class Predictions(Result, list[Prediction]):
    """A list of predictions, and what is to be said of all of them.

    Attributes
    ----------
    notes : tuple of str
        Remarks for the user.
    explained : ndarray of shape (n,), int64, or None
        With ``explain``: places in the list whose cells are known.
    cells : CachedCells or None
        What these cells spoke for, the predicted class against the runner-up.

    Examples
    --------
    >>> predictions = featx.predict_images("models/photos-logreg.featx", "photos/red")
    >>> len(predictions), predictions.notes
    (12, ())
    """

    notes: tuple[str, ...] = ()
    explained: NDArray[np.int64] | None = None
    cells: CachedCells | None = None

    def __repr__(self) -> str:
        rejected = sum(1 for prediction in self if prediction.error)
        return f"Predictions(images={len(self)}, predicted={len(self) - rejected}, rejected={rejected})"

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame with a row for each image, with the columns of the CSV file; needs pandas.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        """
        columns = {name: [getattr(prediction, name) for prediction in self] for name in COLUMNS}
        if any(prediction.set is not None for prediction in self):
            columns["set"] = [prediction.set for prediction in self]
        return data_frame(columns, "Predictions")


@closing_bars()
def predict_images(
    model: StrPath,
    paths: StrPath | Iterable[StrPath],
    *,
    weights: StrPath | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    tta: bool = False,
    sets: float | None = None,
    set_method: str | None = None,
    unknown: float | None = None,
    explain: bool = False,
    progress: ProgressOption = None,
) -> Predictions:
    """Classify image files and everything below folders.

    Parameters
    ----------
    model : Path, str, Model or result of a fit
        The model file.
    paths : Path, str, or iterable of Path or str
        Files are taken as they are; folders are searched for images.
    weights : Path, str or None
        The backbone's weights file, if it is not at hand.
    batch_size, workers : int or None
        Images a forward pass, by default as many as memory allows; decoding processes.
    max_pixels : int
        Larger images are rejected [px].
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    tta : bool
        Average over augmented views made as those were that the head learned from.
    sets : float or None
        Give each image the classes that hold the right one in this share of cases, such as 0.9: by split conformal prediction
        from the model's validation images.
    set_method : str or None
        How: ``lac`` (the default, the smallest sets) or ``aps`` (sets that grow with what an image leaves open).
    unknown : float or None
        Images that are stranger than all but this share of genuine images get the label ``unknown``; of genuine images some
        0.05 do with 0.05.
    explain : bool
        Keep what the cells of each image spoke for, where the forward pass tells it for nothing: of linear heads without
        fine-tuned layers, and without ``tta``. ``write_prediction_page`` shows it.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.

    Returns
    -------
    predictions : Predictions
        A list: a prediction for each image, in the order of the files; no image is left out. Its ``notes`` are remarks for the
        user.

    Raises
    ------
    RecipeError
        If a number is outside its range.
    ModelError
        If the model cannot be read, or has no scores for ``sets``; with ``unknown`` if it cannot tell strange images, or too
        few images made its scale.
    HeadError
        If ``sets`` or ``set_method`` is outside its range, or ``sets`` is given with ``tta``.
    ImageListError
        If a path does not exist or there is no image.
    BackboneError
        If there is no such device, or the backbone's weights are not at hand.

    Examples
    --------
    >>> predictions = featx.predict_images("models/photos-logreg.featx", ["photos/blue/0.png", "photos/green/0.png"])
    >>> [prediction.label for prediction in predictions]
    ['blue', 'green']
    """
    progress = as_progress(progress)
    compute = Compute(batch_size, workers, max_pixels, device)
    path = as_path("model", model, ModelError, MODEL)
    loaded = load_model(path)
    maker = _set_maker(loaded, path, sets, set_method, tta)
    if unknown is not None:
        check_unknown(loaded, path, unknown)
    files = list_unlabelled(as_paths("paths", paths, ImageListError, _IN_MEMORY))
    seen = CellsSeen.of(loaded) if explain and not tta else None
    result = classify_files(loaded, files, compute, weights=weights, tta=tta, on_maps=seen, progress=progress)
    shares = loaded.familiarity.shares(result.strangeness) if loaded.familiarity and result.strangeness is not None else None
    predictions = Predictions()
    for place, (file, row) in enumerate(zip(files, result.probabilities, strict=True)):
        if place in result.rejected:
            predictions.append(Prediction(str(file), "", None, result.rejected[place]))
            continue
        best, unfamiliar = int(row.argmax()), None if shares is None else float(shares[place])
        is_strange = unknown is not None and unfamiliar is not None and unfamiliar <= unknown
        label = UNKNOWN if is_strange else loaded.class_names[best]
        predictions.append(Prediction(str(file), label, float(row[best]), "", unfamiliar=unfamiliar))
    if loaded.familiarity is None:
        predictions.notes = (_OLD,)
    if seen and (found := seen.result()):
        predictions.explained, predictions.cells = found
    return _with_sets(predictions, maker, loaded.class_names, result.probabilities) if maker else predictions


def _set_maker(model: Model, path: Path, level: float | None, method: str | None, tta: bool) -> SetMaker | None:
    if level is None:
        if method is not None:
            raise HeadError("--set-method says how sets are made. Give --sets too, such as --sets 0.9.", wrong_value=True)
        return None
    return SetMaker.of(model, path, level, method, tta=tta)


def _with_sets(
    predictions: Predictions, maker: SetMaker, class_names: tuple[str, ...], probabilities: NDArray[np.float64]
) -> Predictions:
    given = Predictions(dataclasses.replace(prediction, set=()) for prediction in predictions)
    given.notes = (*predictions.notes, *maker.notes)
    given.explained, given.cells = predictions.explained, predictions.cells
    places = np.flatnonzero([not prediction.error for prediction in predictions])
    chosen, order = maker(probabilities[places]), np.argsort(-probabilities[places], axis=1, kind="stable")
    for place, members, labels in zip(places, chosen, order, strict=True):
        names = tuple(class_names[label] for label in labels[: members.sum()])
        given[place] = dataclasses.replace(given[place], set=names)
    return given


def joined(names: Sequence[str]) -> str:
    """Return names in one cell, with ``|`` between them; one within a name, and a backslash, stands behind a backslash."""
    return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in names)


def check_unknown(model: Model, path: Path, share: float) -> None:
    """Make sure that a model can answer ``unknown`` for the strangest share of images.

    Raises
    ------
    RecipeError
        If the share is no number above 0 and below 1.
    ModelError
        If the model is of an earlier version, too few images made its scale for a share so small, or one of its own classes is
        called ``unknown``.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise RecipeError(f"unknown must be a number above 0 and below 1, such as 0.05. Received: {share!r}.", wrong_value=True)
    if model.familiarity is None:
        raise ModelError(
            f"{path}: was fitted by an earlier featx and cannot tell strange images. Fit it again, or leave --unknown out."
        )
    least = 1 / (len(model.familiarity.scale) + 1)
    if share < least:
        raise ModelError(
            f"{path}: {len(model.familiarity.scale)} images made its scale, too few to tell the strangest {share:g} of all. "
            f"Give --unknown {math.ceil(1000 * least) / 1000:g} or more, or fit it again with more validation images."
        )
    if UNKNOWN in model.class_names:
        raise ModelError(
            f"{path}: has a class {UNKNOWN!r} of its own, which could not be told from strange images. "
            "Leave --unknown out and read the column unfamiliar, or rename the class and fit the model again."
        )


def write_predictions(predictions: Sequence[Prediction], file: IO[str], *, json_lines: bool = False) -> None:
    """Write predictions as CSV with a header, or as one JSON object a line."""
    if json_lines:
        file.writelines(json.dumps(prediction.as_json()) + "\n" for prediction in predictions)
        return
    writer = TableWriter(file)
    with_sets = any(prediction.set is not None for prediction in predictions)
    writer.writerow((*COLUMNS, "set") if with_sets else COLUMNS)
    for prediction in predictions:
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.6f}"
        unfamiliar = "" if prediction.unfamiliar is None else f"{prediction.unfamiliar:.6f}"
        sets = (joined(prediction.set or ()),) if with_sets else ()
        writer.writerow((prediction.path, prediction.label, confidence, prediction.error, unfamiliar, *sets))


def check_output(path: Path) -> None:
    """Make sure that predictions can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If the name promises another format, something else than predictions stands there, or its folder cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(
            f"{path}: predictions are written as CSV or JSON lines. Give a name that ends in .csv or .jsonl.", wrong_value=True
        )
    check_replaced(path, [",".join(COLUMNS[:4]).encode(), b'{"path": '], "does not hold predictions", "--out", empty=True)


def save_predictions(predictions: Sequence[Prediction], path: Path) -> None:
    """Write predictions to a file, atomically: JSON lines for ``.jsonl`` and ``.json``, else CSV. Makes its folder.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with writing_to(path, "Give another --out."):
        make_folder(path.parent)
        with replacing_text(path) as file:
            write_predictions(predictions, file, json_lines=path.suffix.lower() in (".jsonl", ".json"))
