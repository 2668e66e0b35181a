"""The figures of ``featx evaluate`` as text."""

from pathlib import Path

from featx.report.text.columns import grades_line, labels_text, numbers_text
from featx.report.text.confidence import confidence_lines
from featx.report.text.shares import share_text
from featx.report.text.strangers import strangers_text
from featx.report.text.words import beside_accuracy, join_lines, number_of, table
from featx.system.paths import near_path
from featx.verbs.evaluate import AnyEvaluation, Evaluation, LabelsEvaluation, NumbersEvaluation

_MOST_CLASSES, _WORST = 30, 20
"""Up to so many classes are all in the table; of more, so many: the worst."""


def measured_text(evaluation: AnyEvaluation, whole_table: Path | None = None) -> str:
    """Give the figures of an evaluation of whichever task; ``whole_table`` is where all classes or labels are."""
    if isinstance(evaluation, LabelsEvaluation):
        return labels_text(evaluation, whole_table)
    return numbers_text(evaluation) if isinstance(evaluation, NumbersEvaluation) else evaluation_text(evaluation, whole_table)


def evaluation_text(evaluation: Evaluation, whole_table: Path | None = None) -> str:
    """Give the per-class table and the headline figures.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    whole_table : Path or None
        Where all classes are, should the table here be of some.
    """
    shown = evaluation.per_class
    if len(shown) > _MOST_CLASSES:
        shown = sorted((m for m in shown if m.images), key=lambda m: (m.f1, m.class_name))[:_WORST]
    rows = [
        # A class without images here has no recall, and its F1 would be a figure about nothing.
        (m.class_name, *(map(share_text, (m.precision, m.recall, m.f1)) if m.images else "---"), f"{m.images:,}")
        for m in shown
    ]
    lines = table(("class", "precision", "recall", "F1", "images"), rows)
    if len(shown) < len(evaluation.per_class):
        where = f", all in {whole_table}" if whole_table else ""
        lines.append(f"… the worst {len(shown)} by F1, and {len(evaluation.per_class) - len(shown):,} more classes{where}")
    beside = beside_accuracy(evaluation.intervals.get("accuracy"), evaluation.baseline[1])
    lines += [
        "",
        f"{evaluation.split} accuracy {share_text(evaluation.accuracy)} on {number_of(len(evaluation.y), 'image')}{beside}",
        f"balanced accuracy {share_text(evaluation.balanced_accuracy)}   macro F1 {share_text(evaluation.macro_f1)}   "
        f"log loss {evaluation.log_loss:.3f}",
    ]
    lines += [grades_line(evaluation.grades)] if evaluation.grades else []
    lines += confidence_lines(evaluation)
    lines += strangers_text(evaluation)
    lines.append(f"images of {near_path(evaluation.source)}")
    lines += [f"rejected {path}: {reason}" for path, reason in list(evaluation.rejected.items())[:10]]
    lines += [f"note: {note}" for note in evaluation.notes]
    return join_lines(lines)
