"""The figures of ``featx evaluate`` as text."""

from featx.report.text.confidence import confidence_lines
from featx.report.text.strangers import strangers_text
from featx.report.text.words import _MOST_CLASSES, join_lines, near_path, number_of, table
from featx.verbs.evaluate import Evaluation


def evaluation_text(evaluation: Evaluation) -> str:
    """Give the per-class table and the headline figures."""
    rows = [
        # A class without images here has no recall, and its F1 would be a figure about nothing.
        (m.class_name, *((f"{m.precision:.3f}", f"{m.recall:.3f}", f"{m.f1:.3f}") if m.images else "---"), f"{m.images:,}")
        for m in evaluation.per_class[:_MOST_CLASSES]
    ]
    lines = table(("class", "precision", "recall", "F1", "images"), rows)
    if len(evaluation.per_class) > _MOST_CLASSES:
        lines.append(f"… and {len(evaluation.per_class) - _MOST_CLASSES} more classes, in metrics.json")
    lines += [
        "",
        f"{evaluation.split} accuracy {evaluation.accuracy:.3f} on {number_of(len(evaluation.y), 'image')}   "
        f"balanced accuracy {evaluation.balanced_accuracy:.3f}   macro F1 {evaluation.macro_f1:.3f}   "
        f"log loss {evaluation.log_loss:.3f}",
    ]
    lines += confidence_lines(evaluation)
    lines += strangers_text(evaluation)
    lines.append(f"images of {near_path(evaluation.source)}")
    lines += [f"rejected {path}: {reason}" for path, reason in list(evaluation.rejected.items())[:10]]
    lines += [f"note: {note}" for note in evaluation.notes]
    return join_lines(lines)
