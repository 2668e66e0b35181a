"""An evaluation as files in a folder."""

import csv
import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from featx.errors import OutputError
from featx.evaluate import Evaluation
from featx.files import check_folder, final_file, replacing
from featx.images import REPORT_MARKER, REPORT_PLOTS

# A folder with the marker holds a report: what is in it under one of these names is featx's own, to replace and delete.
NAMES = ("metrics.json", "predictions.csv", "history.csv", *REPORT_PLOTS)
"""Every file that a report may have."""


@dataclasses.dataclass(frozen=True)
class ReportFiles:
    """Where the parts of a report lie; ``curves`` and ``history`` are None for heads without epochs."""

    folder: Path
    metrics: Path
    predictions: Path
    confusion: Path
    curves: Path | None
    history: Path | None


def check_report_folder(folder: Path) -> None:
    """Make sure that a report can be written there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or holds a file of a report's name that is not an earlier report's.
    """
    place = folder
    try:
        check_folder(folder)
        for place in (folder / name for name in NAMES):
            if os.path.lexists(place) and not (folder / REPORT_MARKER).is_file():
                raise OutputError(f"{place}: exists and is not from a featx report. Give another --out.")
            final_file(place)
    except OSError as error:
        raise _refused(place, error) from error


def write_report(evaluation: Evaluation, folder: Path | str) -> ReportFiles:
    """Write ``metrics.json``, ``predictions.csv``, ``confusion_matrix.png`` and, with epochs, curves and history.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    folder : Path or str
        Made if absent, and marked; files of an earlier report are replaced, others left alone.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds a file of a report's name that is not an earlier report's.
    """
    from featx.report.plots import plot_confusion, plot_curves  # here, not above: matplotlib takes half a second

    folder = Path(folder)
    history = evaluation.model.history
    has_epochs = bool(history.get("loss"))
    files = ReportFiles(
        folder=folder,
        metrics=folder / "metrics.json",
        predictions=folder / "predictions.csv",
        confusion=folder / "confusion_matrix.png",
        curves=folder / "curves.png" if has_epochs else None,
        history=folder / "history.csv" if has_epochs else None,
    )
    title = f"{evaluation.model_path.stem}, {evaluation.split}: accuracy {evaluation.accuracy:.3f}, n = {len(evaluation.y)}"
    check_report_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (files.curves and files.history):
            # Those of another head, from an earlier report in this folder, would be taken for this one's.
            for name in ("curves.png", "history.csv"):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    # First of all: a report that was cut short is still known as one, and can be written again.
    _write(
        folder / REPORT_MARKER,
        lambda path: path.write_text("featx replaces the files of the report in this folder.\n", "utf-8"),
    )
    _write(files.metrics, lambda path: path.write_text(json.dumps(_metrics(evaluation), indent=2) + "\n", "utf-8"))
    _write_csv(files.predictions, ("path", "label", "predicted", "confidence", "correct"), _predictions(evaluation))
    _write(files.confusion, lambda path: plot_confusion(evaluation.confusion, evaluation.model.class_names, title, path))
    if files.curves and files.history:
        _write(files.curves, lambda path: plot_curves(history, evaluation.model.best_epoch, path))
        epochs = [[number + 1, *values] for number, values in enumerate(zip(*history.values(), strict=True))]
        _write_csv(files.history, ("epoch", *history), epochs)
    return files


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "model": str(evaluation.model_path),
        "split": evaluation.split,
        "images": len(evaluation.y),
        "accuracy": evaluation.accuracy,
        "balanced_accuracy": evaluation.balanced_accuracy,
        "macro_f1": evaluation.macro_f1,
        "log_loss": evaluation.log_loss,
        "per_class": [dataclasses.asdict(measures) for measures in evaluation.per_class],
        "confusion": {"class_names": list(evaluation.model.class_names), "rows_true": evaluation.confusion.tolist()},
        "rejected": evaluation.rejected,
        "notes": evaluation.notes,
        "recipe": evaluation.model.recipe.to_dict(),
        "head": {"name": evaluation.model.head_name, "settings": evaluation.model.head.settings()},
    }


def _predictions(evaluation: Evaluation) -> list[Sequence[object]]:
    names = evaluation.model.class_names
    predicted = evaluation.probabilities.argmax(axis=1)
    return [
        (path, names[true], names[best], f"{row[best]:.6f}", int(true == best))
        for path, true, best, row in zip(evaluation.paths, evaluation.y, predicted, evaluation.probabilities, strict=True)
    ]


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    _write(path, write)


def _write(path: Path, writer: Callable[[Path], object]) -> None:
    try:
        with replacing(path) as temporary:
            writer(temporary)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}. Give another --out.")
