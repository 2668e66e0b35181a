"""An evaluation of several labels, or of numbers, as files in a folder."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featx.report.files.folder import REMEDY, keep_earlier_page, write_csv, writing_together
from featx.report.files.names import NAMES, PAGE_NAME
from featx.system.durable import delete
from featx.system.files import writing_to
from featx.system.home import without_home
from featx.system.progress import Progress
from featx.system.results import Result
from featx.verbs.evaluate import LabelMeasures, LabelsEvaluation, NumbersEvaluation, TargetMeasures


@dataclasses.dataclass(frozen=True, repr=False)
class ColumnFiles(Result):
    """Where the parts of a report of labels or numbers lie; ``page`` is None if left out, ``history`` without epochs."""

    folder: Path
    page: Path | None
    metrics: Path
    per_column: Path
    predictions: Path
    history: Path | None


def write_column_report(
    evaluation: LabelsEvaluation | NumbersEvaluation, folder: Path, *, page: bool, progress: Progress | None
) -> ColumnFiles:
    """Write ``metrics.json``, ``labels.csv`` or ``targets.csv``, ``predictions.csv``, ``history.csv`` of epochs, and the page.

    The folder is one that a report may be written to; see ``write_report``.
    """
    history = evaluation.model.history
    labels = isinstance(evaluation, LabelsEvaluation)
    files = ColumnFiles(
        folder=folder,
        page=folder / PAGE_NAME if page else None,
        metrics=folder / "metrics.json",
        per_column=folder / ("labels.csv" if labels else "targets.csv"),
        predictions=folder / "predictions.csv",
        history=folder / "history.csv" if history.get("loss") else None,
    )
    figures = {
        "model": without_home(str(evaluation.model_path)),
        "split": evaluation.split,
        "images": len(evaluation.paths),
        **column_figures(evaluation),
        "rejected": evaluation.rejected,
        "notes": [without_home(note) for note in evaluation.notes],
        "recipe": evaluation.model.recipe.to_dict(),
        "head": {"name": evaluation.model.head_name, "settings": evaluation.model.head.settings()},
    }
    with writing_together(folder) as write:
        write(files.metrics, lambda path: path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8"))
        write_csv(write, files.per_column, *_per_column(evaluation))
        write_csv(write, files.predictions, *_predictions(evaluation))
        if files.history:
            epochs = [[number + 1, *values] for number, values in enumerate(zip(*history.values(), strict=True))]
            write_csv(write, files.history, ("epoch", *history), epochs)
        if files.page:
            from featx.report.page.columns import column_page  # here, not above: it loads Jinja

            beside = [path.name for path in (files.metrics, files.per_column, files.predictions, files.history) if path]
            text = column_page(evaluation, files.page, beside, progress=progress)
            write(files.page, lambda path: path.write_bytes(text.encode()))
        else:
            keep_earlier_page(folder / PAGE_NAME)
    written = {path.name for path in vars(files).values() if path is not None}
    with writing_to(folder, REMEDY):  # those of another task, from an earlier report in this folder
        delete(*(folder / name for name in NAMES if name not in written and name != PAGE_NAME))
    return files


def column_figures(evaluation: LabelsEvaluation | NumbersEvaluation) -> dict[str, Any]:
    """Return the figures as JSON has them: on the command line and in ``metrics.json``."""
    common = {"task": evaluation.model.task.to_dict(), "counts": evaluation.counts, "cautions": evaluation.cautions}
    if isinstance(evaluation, NumbersEvaluation):
        return common | {
            "per_target": [dataclasses.asdict(one) for one in evaluation.per_target],
            "bounds": [dataclasses.asdict(one) for one in evaluation.bounds],
        }
    figures = evaluation.figures
    names = ("mean_average_precision", "macro_f1", "micro_f1", "subset_accuracy", "log_loss", "complete", "intervals")
    return common | {
        **{name: getattr(figures, name) for name in names},
        "per_label": [dataclasses.asdict(one) for one in figures.per_label],
        "pairs": [dataclasses.asdict(one) for one in figures.pairs],
    }


def _per_column(evaluation: LabelsEvaluation | NumbersEvaluation) -> tuple[list[str], list[list[object]]]:
    """Return header and rows of the measures, an interval in two columns."""
    if isinstance(evaluation, LabelsEvaluation):
        plain = [field.name for field in dataclasses.fields(LabelMeasures) if not field.name.endswith("_interval")]
        spread = ("f1_interval", "average_precision_interval")
        rows = [
            [*(getattr(one, name) for name in plain), *(end for name in spread for end in getattr(one, name) or ("", ""))]
            for one in evaluation.figures.per_label
        ]
        header = [*plain, *(f"{name.removesuffix('_interval')}_{end}" for name in spread for end in ("low", "high"))]
        return ["label", *header[1:]], rows
    plain = [field.name for field in dataclasses.fields(TargetMeasures) if field.name != "intervals"]
    measures = ("mae", "rmse", "r2", "spearman", "bias")
    rows = [
        [*(getattr(one, name) for name in plain), *(end for name in measures for end in one.intervals.get(name, ("", "")))]
        for one in evaluation.per_target
    ]
    return ["target", *plain[1:], *(f"{name}_{end}" for name in measures for end in ("low", "high"))], rows


def _predictions(evaluation: LabelsEvaluation | NumbersEvaluation) -> tuple[list[str], list[Sequence[object]]]:
    """Return header and rows: of each image what is known, empty for what is not, and what the model gives."""
    columns = [_cells(evaluation.targets)]
    if isinstance(evaluation, LabelsEvaluation):
        kinds = ["true", "called", "p"]
        columns += [evaluation.called.astype(int).astype(str), _cells(evaluation.probabilities)]
    else:
        kinds = ["true", "value"]
        columns.append(_cells(evaluation.predicted))
        if evaluation.low is not None and evaluation.high is not None:
            kinds += ["low", "high"]
            columns += [_cells(evaluation.low), _cells(evaluation.high)]
    names = evaluation.model.column_names
    header = ["path", *(f"{kind}({name})" for name in names for kind in kinds)]
    rows = np.stack(columns, axis=2).reshape(len(evaluation.paths), -1)
    return header, [(path, *row) for path, row in zip(evaluation.paths, rows.tolist(), strict=True)]


def _cells(values: Any) -> Any:
    """Return numbers as texts of seven digits, empty where there is none."""
    return np.vectorize(lambda value: "" if np.isnan(value) else f"{value:.7g}", otypes=[object])(values)
