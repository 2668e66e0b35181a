"""What a notebook shows of labels and of numbers: measured and predicted."""

from typing import Any

from featx.report.notebook.blocks import Shown, bounded, short, some_notes
from featx.report.text.columns import bounds_text, number_text
from featx.report.text.shares import interval_text, share_text
from featx.system.counts import number_of
from featx.system.paths import near_path
from featx.verbs.evaluate import LabelsEvaluation, NumbersEvaluation
from featx.verbs.predict import ColumnPrediction, ColumnPredictions


def show_labels(found: LabelsEvaluation) -> Shown:
    """Show the figures, and the labels, the worst first."""
    figures = found.figures
    means = {
        "mean average precision": figures.mean_average_precision,
        "macro F1": figures.macro_f1,
        "micro F1": figures.micro_f1,
        "subset accuracy": figures.subset_accuracy,
    }
    worst = sorted(figures.per_label, key=lambda one: (one.average_precision is None, one.average_precision or 0.0))
    rows = [
        (one.name, _share(one.average_precision), *map(_share, (one.precision, one.recall, one.f1)), one.images)
        for one in worst
    ]
    header = ("label", "average precision", "precision", "recall", "F1", "images")
    table = bounded(header, rows, len(rows), "more labels: to_frame('labels') has all")
    shown = {
        name: share_text(value) + _beside(figures.intervals, name.replace(" ", "_").lower())
        for name, value in means.items()
        if value is not None
    }
    return Shown(_lead(found), shown | {"rejected": f"{len(found.rejected):,}"}, [table], notes=some_notes(found.notes))


def show_numbers(found: NumbersEvaluation) -> Shown:
    """Show the measures of each target, and what their bounds hold."""
    rows = [
        (
            one.name,
            number_text(one.mae),
            number_text(one.rmse),
            "-" if one.r2 is None else f"{one.r2:.3f}",
            "-" if one.spearman is None else f"{one.spearman:.3f}",
            number_text(one.baseline_mae),
            one.images,
        )
        for one in found.per_target
    ]
    header = ("target", "mean absolute error", "RMSE", "R²", "Spearman", "error of the median", "images")
    table = bounded(header, rows, len(rows), "more targets: to_frame('targets') has all")
    notes = [f"{one.name}: {bounds_text(one)}" for one in found.bounds]
    return Shown(_lead(found), {"rejected": f"{len(found.rejected):,}"}, [table], notes=some_notes([*notes, *found.notes]))


def show_column_predictions(found: ColumnPredictions) -> Shown:
    """Show the first predictions."""
    rows = ([_cell(value) for value in found.row(one)] for one in found)
    table = bounded(found.header, rows, len(found), "more images: to_frame() has all")
    rejected = sum(1 for one in found if one.error)
    lead = number_of(len(found), "image") + (f", {rejected:,} rejected" if rejected else "")
    return Shown(lead, tables=[table], notes=some_notes(found.notes))


def show_column_prediction(one: ColumnPrediction) -> Shown:
    """Show one prediction."""
    values = one.as_json().get("probabilities") or getattr(one, "values", {})
    rows = [(name, _cell(value)) for name, value in values.items()]
    tables = [bounded(("", "predicted"), rows, len(rows), "more")] if rows else []
    return Shown(short(one.path), tables=tables, notes=[f"rejected: {one.error}"] if one.error else [])


def _lead(found: LabelsEvaluation | NumbersEvaluation) -> str:
    return f"{number_of(len(found.paths), found.split + ' image')} of {short(near_path(found.source))}"


def _share(value: float | None) -> str:
    return "-" if value is None else share_text(value)


def _beside(intervals: dict[str, tuple[float, float]], name: str) -> str:
    return f" ({interval_text(intervals[name])})" if name in intervals else ""


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else " | ".join(value) if isinstance(value, tuple) else str(value)
