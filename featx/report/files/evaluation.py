"""An evaluation as files in a folder."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import FeatxError, OutputError
from featx.report.files.columns import write_column_report
from featx.report.files.folder import REMEDY, check_report_files, keep_earlier_page, write_csv, writing_together
from featx.report.files.names import NAMES, PAGE_NAME
from featx.report.page.exhibits import exhibits_of
from featx.report.text.shares import share_text
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.durable import delete
from featx.system.files import writing_to
from featx.system.home import without_home
from featx.system.kinds import check_kind
from featx.system.paths import StrPath, as_path
from featx.system.results import Result
from featx.verbs.evaluate import ClassMeasures, Evaluation, LabelsEvaluation, NumbersEvaluation, check_map

MOST_IN_FULL = 300
"""Classes: of more, the confusion matrix is mostly zeros, and by far the largest part of a report."""

_PER_CLASS = tuple("class" if field.name == "class_name" else field.name for field in dataclasses.fields(ClassMeasures))


@dataclasses.dataclass(frozen=True, repr=False)
class ReportFiles(Result):
    """Where the parts of a report lie; ``curves`` and ``history`` are None for heads without epochs, ``page`` if left out."""

    folder: Path
    page: Path | None
    metrics: Path
    per_class: Path
    predictions: Path
    confusion_table: Path
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
    check_report_files(folder, NAMES, "a featx report", PAGE_NAME)


@closing_bars()
def write_report(
    evaluation: Evaluation | LabelsEvaluation | NumbersEvaluation,
    folder: StrPath,
    *,
    page: bool = True,
    map: str = "auto",  # noqa: A002 - the option's name
    progress: ProgressOption = None,
) -> ReportFiles | Any:
    """Write the figures as plain files, then ``report.html``, one page that needs none of them.

    The plain files are ``metrics.json``, ``classification_report.csv``, ``confusion_matrix.csv`` and ``.png``,
    ``predictions.csv`` and, with epochs, ``history.csv`` and ``curves.png``. Of labels ``labels.csv``, and of numbers
    ``targets.csv``, is there in place of the report and the matrix; what is returned is ``ColumnFiles`` then.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    folder : Path or str
        Made if absent, and marked; files of an earlier report are replaced, others left alone.
    page : bool
        Write the page. Its images are read for their thumbnails, where they still are.
    map : str
        How the page lays the features out: ``auto``, ``pca``, ``tsne`` or ``none``.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds a file of a report's name that is not an earlier report's.
    FeatxError
        If ``evaluation`` is none.

    Examples
    --------
    >>> evaluation = featx.evaluate_model("models/photos-logreg.featx")
    >>> files = featx.write_report(evaluation, "reports/photos", map="none")
    >>> files.page.name, files.metrics.name
    ('report.html', 'metrics.json')
    """
    progress = as_progress(progress)
    kinds = (Evaluation, LabelsEvaluation, NumbersEvaluation)
    check_kind("evaluation", evaluation, kinds, "what evaluate_model returns", FeatxError)
    check_map(map)
    folder = as_path("folder", folder, OutputError)
    check_report_folder(folder)
    if isinstance(evaluation, LabelsEvaluation | NumbersEvaluation):
        return write_column_report(evaluation, folder, page=page, progress=progress)
    from featx.report.files.plots import plot_confusion, plot_curves  # here, not above: matplotlib takes half a second

    history = evaluation.model.history
    has_epochs = bool(history.get("loss"))
    files = ReportFiles(
        folder=folder,
        page=folder / PAGE_NAME if page else None,
        metrics=folder / "metrics.json",
        per_class=folder / "classification_report.csv",
        predictions=folder / "predictions.csv",
        confusion_table=folder / "confusion_matrix.csv",
        confusion=folder / "confusion_matrix.png",
        curves=folder / "curves.png" if has_epochs else None,
        history=folder / "history.csv" if has_epochs else None,
    )
    title = (
        f"{evaluation.model_path.stem}, {evaluation.split}: accuracy {share_text(evaluation.accuracy)}, n = {len(evaluation.y)}"
    )
    with writing_together(folder) as write:
        write(files.metrics, lambda path: path.write_text(json.dumps(_metrics(evaluation), indent=2) + "\n", "utf-8"))
        write_csv(write, files.per_class, _PER_CLASS, [dataclasses.astuple(measures) for measures in evaluation.per_class])
        names = evaluation.model.class_names
        write_csv(write, files.confusion_table, *_confusion_table(names, evaluation.confusion))
        write_csv(write, files.predictions, ("path", "label", "predicted", "confidence", "correct"), _predictions(evaluation))
        write(files.confusion, lambda path: plot_confusion(evaluation.confusion, evaluation.model.class_names, title, path))
        if files.curves and files.history:
            write(files.curves, lambda path: plot_curves(history, evaluation.model.best_epoch, path))
            epochs = [[number + 1, *values] for number, values in enumerate(zip(*history.values(), strict=True))]
            write_csv(write, files.history, ("epoch", *history), epochs)
        if files.page:
            from featx.report.page.evaluation import evaluation_page  # here, not above: it loads Jinja

            parts = (getattr(files, field.name) for field in dataclasses.fields(files) if field.name != "folder")
            beside = [part.name for part in parts if part and part != files.page]
            text = evaluation_page(evaluation, exhibits_of(evaluation, map=map, progress=progress), files.page, beside)
            write(files.page, lambda path: path.write_bytes(text.encode()))
        else:
            keep_earlier_page(folder / PAGE_NAME)
    if not has_epochs:  # those of another head, from an earlier report in this folder, would be mistaken for this one's
        with writing_to(folder, REMEDY):
            delete(folder / "curves.png", folder / "history.csv")
    with writing_to(folder, REMEDY):
        delete(folder / "labels.csv", folder / "targets.csv")
    return files


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "model": without_home(str(evaluation.model_path)),
        "split": evaluation.split,
        "images": len(evaluation.y),
        "accuracy": evaluation.accuracy,
        "balanced_accuracy": evaluation.balanced_accuracy,
        "macro_f1": evaluation.macro_f1,
        "log_loss": evaluation.log_loss,
        "top3_accuracy": evaluation.top3_accuracy,
        "intervals": evaluation.intervals,
        "baseline": dict(zip(("class_name", "accuracy"), evaluation.baseline, strict=True)),
        "calibration": _calibration(evaluation),
        "sets": dataclasses.asdict(evaluation.sets) if evaluation.sets else None,
        "surest": dataclasses.asdict(evaluation.surest) if evaluation.surest else None,
        "counts": evaluation.counts,
        "accuracy_without_near_duplicates": evaluation.accuracy_without_near_duplicates,
        "strangers": _strangers(evaluation),
        "task": evaluation.model.task.to_dict(),
        "grades": dataclasses.asdict(evaluation.grades) if evaluation.grades else None,
        "operating_point": dataclasses.asdict(evaluation.operating) if evaluation.operating else None,
        "per_class": [dataclasses.asdict(measures) for measures in evaluation.per_class],
        "confusion": _confusion(evaluation),
        "rejected": evaluation.rejected,
        "notes": [without_home(note) for note in evaluation.notes],
        "cautions": evaluation.cautions,
        "recipe": evaluation.model.recipe.to_dict(),
        "head": {"name": evaluation.model.head_name, "settings": evaluation.model.head.settings()},
    }


def _strangers(evaluation: Evaluation) -> dict[str, Any] | None:
    found = evaluation.strangers
    return dataclasses.asdict(found) | {"source": without_home(str(found.source))} if found else None


def _confusion(evaluation: Evaluation) -> dict[str, Any]:
    names = evaluation.model.class_names
    few = len(names) <= MOST_IN_FULL
    where = {} if few else {"file": "confusion_matrix.csv"}
    return {"class_names": list(names), "rows_true": evaluation.confusion.tolist() if few else None, **where}


def _confusion_table(names: Sequence[str], confusion: NDArray[np.int64]) -> tuple[tuple[str, ...], list[Sequence[object]]]:
    """Return header and rows: the whole matrix, or of very many classes the cells that are not empty."""
    if len(names) <= MOST_IN_FULL:
        return ("true \\ predicted", *names), [[name, *row] for name, row in zip(names, confusion.tolist(), strict=True)]
    true, predicted = np.nonzero(confusion)
    cells = zip(true.tolist(), predicted.tolist(), confusion[true, predicted].tolist(), strict=True)
    return ("true", "predicted", "images"), [(names[row], names[column], count) for row, column, count in cells]


def _calibration(evaluation: Evaluation) -> dict[str, Any]:
    now, before = evaluation.confidence, evaluation.uncalibrated
    return {
        "kind": evaluation.model.calibration.kind,
        "temperature": evaluation.model.temperature,
        "ece": now.ece if now else None,
        "ece_interval": now.interval if now else None,
        "ece_by_chance": now.by_chance if now else None,
        "mean_confidence": now.mean if now else None,
        "gap_interval": now.gap_interval if now else None,
        "ece_before": before.ece if before else None,
        "log_loss_before": before.log_loss if before else None,
        "bins": [dataclasses.asdict(bin_) for bin_ in now.bins] if now else [],
    }


def _predictions(evaluation: Evaluation) -> list[Sequence[object]]:
    names = evaluation.model.class_names
    predicted = evaluation.predicted
    return [
        (path, names[true], names[best], f"{row[best]:.6f}", int(true == best))
        for path, true, best, row in zip(evaluation.paths, evaluation.y, predicted, evaluation.probabilities, strict=True)
    ]
