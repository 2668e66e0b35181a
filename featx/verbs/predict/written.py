"""Predictions as a table or as JSON lines, and where they may be written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from featx.errors import OutputError
from featx.system.cells import TableWriter
from featx.system.durable import make_folder
from featx.system.files import replacing_text, writing_to
from featx.system.outputs import Kind, check_result_file, refuse_address
from featx.verbs.predict.column_predictions import ColumnPredictions
from featx.verbs.predict.prediction import COLUMNS, Prediction

# No suffix is the user's choice; a spreadsheet's or a picture's would promise what the file does not hold.
_SUFFIXES = ("", ".csv", ".txt", ".jsonl", ".json")
_BEGINNINGS = (b"path,label,confidence,error", b"path,labels,error,unfamiliar", b"path,value(", b'path,"value(', b'{"path": ')
_KIND = Kind("earlier predictions", "does not hold predictions", _BEGINNINGS, or_empty=True)


def joined(names: Sequence[str]) -> str:
    """Return names in one cell, with ``|`` between them; one within a name, and a backslash, stands behind a backslash."""
    return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in names)


def write_predictions(
    predictions: Sequence[Prediction] | ColumnPredictions, file: IO[str], *, json_lines: bool = False
) -> None:
    """Write predictions as CSV with a header, or as one JSON object a line.

    Behind the columns that every table has come ``set``, ``label_1``, ``confidence_1`` … and a column for each class, where
    they were asked for. Labels and numbers have the columns of ``ColumnPredictions.header``.
    """
    if json_lines:
        file.writelines(json.dumps(prediction.as_json()) + "\n" for prediction in predictions)
        return
    writer = TableWriter(file)
    if isinstance(predictions, ColumnPredictions):
        writer.writerow(predictions.header)
        writer.writerows([_cell(value) for value in predictions.row(one)] for one in predictions)
        return
    with_sets = any(prediction.set is not None for prediction in predictions)
    n_top = getattr(predictions, "n_top", 0) or max((len(one.top or ()) for one in predictions), default=0)
    classes = _classes(predictions)
    further = [f"{name}_{rank}" for rank in range(1, n_top + 1) for name in ("label", "confidence")]
    writer.writerow([*COLUMNS, *(["set"] if with_sets else []), *further, *map(probability_column, classes)])
    for prediction in predictions:
        row = [prediction.path, prediction.label, _number(prediction.confidence), prediction.error]
        row += [_number(prediction.unfamiliar), *([joined(prediction.set or ())] if with_sets else [])]
        ranked = [cell for label, share in prediction.top or () for cell in (label, _number(share))]
        row += ranked + [""] * (2 * n_top - len(ranked))
        writer.writerow(row + [_number((prediction.probabilities or {}).get(name)) for name in classes])


def _classes(predictions: Sequence[Prediction]) -> Sequence[str]:
    """Return the classes that have a column each, also where no image has any probabilities."""
    if all(one.probabilities is None for one in predictions):
        return ()
    found = next((tuple(one.probabilities) for one in predictions if one.probabilities), ())
    return found or getattr(predictions, "class_names", ())


def probability_column(class_name: str) -> str:
    """Return the name of the column of a class's probability: ``p(cat)``.

    No other column is called so, whatever the class is called, and no two classes share one.
    """
    return f"p({class_name})"


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return joined(value)
    return f"{value:.7g}" if isinstance(value, float) else "" if value is None else value


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def check_output(path: Path) -> None:
    """Make sure that predictions can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If the name promises another format, something else than predictions stands there, or its folder cannot be written.
    """
    refuse_address(path)  # whose name may have any ending
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(
            f"{path}: predictions are written as CSV or JSON lines. Give a name that ends in .csv or .jsonl.", wrong_value=True
        )
    check_result_file(path, _KIND, "--out")


def save_predictions(predictions: Sequence[Prediction] | ColumnPredictions, path: Path) -> None:
    """Write predictions to a file, atomically: JSON lines for ``.jsonl`` and ``.json``, else CSV; errors: ``check_output``."""
    check_output(path)
    with writing_to(path, "Give another --out."):
        make_folder(path.parent)
        with replacing_text(path) as file:
            write_predictions(predictions, file, json_lines=path.suffix.lower() in (".jsonl", ".json"))
