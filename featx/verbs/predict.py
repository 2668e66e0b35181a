"""The verb predict: class and confidence of new images."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from featx.errors import OutputError
from featx.images import MAX_PIXELS, list_unlabelled
from featx.models import Compute, classify_files, load_model
from featx.system.cells import TableWriter
from featx.system.durable import make_folder
from featx.system.files import check_file, replacing_text, writing_to
from featx.system.names import as_list
from featx.system.progress import Progress

COLUMNS = ("path", "label", "confidence", "error")

# No suffix is the user's choice; a spreadsheet's or a picture's would promise what the file does not hold.
_SUFFIXES = ("", ".csv", ".txt", ".jsonl", ".json")


@dataclasses.dataclass(frozen=True)
class Prediction:
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


def predict_images(
    model: Path | str,
    paths: Path | str | Sequence[Path | str],
    *,
    weights: Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
    tta: bool = False,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Classify image files and everything below folders.

    Parameters
    ----------
    model : Path or str
        The model file.
    paths : Path, str, or sequence of Path or str
        Files are taken as they are; folders are searched for images.
    weights : Path or None
        The backbone's weights file, if it is not at hand.
    batch_size, workers : int or None
        Images a forward pass, by default as many as memory allows; decoding processes.
    max_pixels : int
        Larger images are rejected [px].
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    tta : bool
        Average over augmented views made as those were that the head learned from.
    progress : callable or None
        Called as (stage, newly done, total).

    Returns
    -------
    predictions : list of Prediction
        A prediction for each image, in the order of the files; no image is left out.

    Raises
    ------
    RecipeError
        If a number is outside its range.
    ModelError
        If the model cannot be read.
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
    compute = Compute(batch_size, workers, max_pixels, device)
    loaded = load_model(model)
    files = list_unlabelled([Path(path) for path in as_list(paths)])
    result = classify_files(loaded, files, compute, weights=weights, tta=tta, progress=progress)
    predictions = []
    for place, (file, row) in enumerate(zip(files, result.probabilities, strict=True)):
        if place in result.rejected:
            predictions.append(Prediction(str(file), "", None, result.rejected[place]))
        else:
            best = int(row.argmax())
            predictions.append(Prediction(str(file), loaded.class_names[best], float(row[best]), ""))
    return predictions


def write_predictions(predictions: Sequence[Prediction], file: IO[str], *, json_lines: bool = False) -> None:
    """Write predictions as CSV with a header, or as one JSON object a line."""
    if json_lines:
        file.writelines(json.dumps(dataclasses.asdict(prediction)) + "\n" for prediction in predictions)
        return
    writer = TableWriter(file)
    writer.writerow(COLUMNS)
    for prediction in predictions:
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.6f}"
        writer.writerow((prediction.path, prediction.label, confidence, prediction.error))


def check_output(path: Path) -> None:
    """Make sure that predictions can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If the name promises another format, something else than a file stands there, or its folder cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(
            f"{path}: predictions are written as CSV or JSON lines. Give a name that ends in .csv or .jsonl.", wrong_value=True
        )
    with writing_to(path, "Give another --out."):
        check_file(path)


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
