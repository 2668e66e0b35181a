"""Answers of models of labels and of numbers, file by file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.models import FileProbabilities, Model, bounds_of, check_bounds
from featx.verbs.predict.column_predictions import ColumnPredictions, LabelsPrediction, NumbersPrediction


def check_asked(
    model: Model,
    path: Path,
    *,
    sets: float | None,
    set_method: str | None,
    unknown: float | None,
    top: int | None,
    probabilities: bool,
) -> None:
    """Refuse what does not go with labels or numbers, before anything is computed.

    Raises
    ------
    TaskError
        By the option's name.
    HeadError, ModelError
        If there are no bounds of numbers at this level.
    """
    task = model.task
    asked = [("--unknown", unknown is not None), ("--top", top is not None)]
    asked += [("--probabilities", probabilities)] if not task.has_probabilities else []
    for option, given in asked:
        if given and (error := task.refuse_option(option, ("classes", "grades"), path)):
            raise error
    check_bounds(model, path, sets, set_method)


def predict_columns(
    model: Model, files: Sequence[Path], result: FileProbabilities, shares: NDArray[np.float64] | None, level: float | None
) -> ColumnPredictions:
    """Return a prediction for each file.

    Parameters
    ----------
    model : Model
        Of labels or of numbers.
    files : sequence of Path
        The images.
    result : FileProbabilities
        What the model gives for them.
    shares : ndarray of shape (n_files,) or None
        How unfamiliar each is.
    level : float or None
        Of the bounds of numbers.
    """
    found, names = ColumnPredictions(), model.column_names
    found.task = model.task
    outputs = result.probabilities
    bounds = bounds_of(model, outputs, level) if model.task.kind == "numbers" else None
    found.has_bounds = bounds is not None
    called = model.called(outputs) if model.task.kind == "labels" else None
    for place, file in enumerate(files):
        error = result.rejected.get(place, "")
        unfamiliar = None if shares is None or error else float(shares[place])
        given = {} if error else dict(zip(names, outputs[place].tolist(), strict=True))
        if called is not None:
            said = () if error else tuple(name for name, has in zip(names, called[place].tolist(), strict=True) if has)
            found.append(LabelsPrediction(str(file), said, given, error, unfamiliar))
            continue
        low, high = (
            dict(zip(names, end[place].tolist(), strict=True)) if bounds is not None and not error else {}
            for end in (bounds or (outputs, outputs))
        )
        found.append(NumbersPrediction(str(file), given, low, high, error, unfamiliar))
    if model.task.kind == "labels" and model.points:
        said_at = ", ".join(f"{name!r} {threshold:.3f}" for name, threshold in zip(names, model.thresholds, strict=True))
        found.notes = (f"an image is said to have a label from a probability on: {said_at}",)
    return found
