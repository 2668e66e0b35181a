"""The figures of ``featx evaluate`` as text: of several labels, of numbers, and what grades have besides."""

from collections.abc import Mapping
from pathlib import Path

from featx.report.text.shares import interval_text, share_text
from featx.report.text.words import join_lines, number_of, table
from featx.system.paths import near_path
from featx.verbs.evaluate import (
    AnyEvaluation,
    BoundMeasures,
    GradeMeasures,
    LabelPair,
    LabelsEvaluation,
    NumbersEvaluation,
)

_MOST_LABELS, _WORST = 30, 20
"""Up to so many labels are all in the table; of more, so many: the worst."""

_MOST_PAIRS = 5
_TOGETHER = 0.3
"""A correlation of two labels that is worth a line."""


def number_text(value: float) -> str:
    """Give a number of a target with four digits that mean something."""
    return f"{value:.4g}"


def range_of(interval: tuple[float, float] | None) -> str:
    """Give an interval of such numbers: "0.12 to 0.15"; empty without one."""
    return f"{number_text(interval[0])} to {number_text(interval[1])}" if interval else ""


def labels_text(evaluation: LabelsEvaluation, whole_table: Path | None = None) -> str:
    """Give the table of labels and the headline figures; ``whole_table`` is where all labels are, should these be some."""
    figures, shown = evaluation.figures, evaluation.figures.per_label
    if len(shown) > _MOST_LABELS:
        shown = sorted((one for one in shown if one.average_precision is not None), key=lambda one: one.average_precision or 0)
        shown = shown[:_WORST]
    rows = [
        (
            one.name,
            "-" if one.average_precision is None else share_text(one.average_precision),
            *(map(share_text, (one.precision, one.recall, one.f1)) if one.images else "---"),
            f"{one.threshold:.3f}",
            f"{one.images:,}",
            f"{one.known:,}",
        )
        for one in shown
    ]
    lines = table(("label", "average precision", "precision", "recall", "F1", "threshold", "images", "known"), rows)
    if len(shown) < len(figures.per_label):
        where = f", all in {whole_table}" if whole_table else ""
        rest = len(figures.per_label) - len(shown)
        lines.append(f"… the worst {len(shown)} by average precision, and {rest:,} more labels{where}")
    mean = "-" if figures.mean_average_precision is None else share_text(figures.mean_average_precision)
    lines += [
        "",
        f"{evaluation.split} mean average precision {mean}{_beside(figures.intervals, 'mean_average_precision')} on "
        f"{number_of(len(evaluation.paths), 'image')}, {number_of(len(figures.per_label), 'label')}",
        f"macro F1 {share_text(figures.macro_f1)}{_beside(figures.intervals, 'macro_f1')}   "
        f"micro F1 {share_text(figures.micro_f1)}{_beside(figures.intervals, 'micro_f1')}   log loss {figures.log_loss:.3f}",
    ]
    if figures.subset_accuracy is not None:
        lines.append(
            f"every label right: {share_text(figures.subset_accuracy)}{_beside(figures.intervals, 'subset_accuracy')} of "
            f"{number_of(figures.complete, 'image')} whose labels are all known"
        )
    together = [pair for pair in figures.pairs if abs(pair.correlation) >= _TOGETHER][:_MOST_PAIRS]
    return join_lines([*lines, *map(pair_text, together), *_ending(evaluation)])


def pair_text(pair: LabelPair) -> str:
    """Say of two labels whether they go together."""
    way = "go together" if pair.correlation > 0 else "keep apart"
    return (
        f"{pair.first!r} and {pair.second!r} {way}: {number_of(pair.images, 'image')} of both, {pair.expected:.1f} by chance; "
        f"called both {pair.called:,}"
    )


def numbers_text(evaluation: NumbersEvaluation) -> str:
    """Give a table of the targets, and how often their bounds hold."""
    lines = []
    for one in evaluation.per_target:
        r2 = "-" if one.r2 is None else f"{one.r2:.3f}"
        rank = "-" if one.spearman is None else f"{one.spearman:.3f}"
        lines += [
            f"{one.name}: mean absolute error {number_text(one.mae)}{_within(one.intervals, 'mae')} on "
            f"{number_of(one.images, evaluation.split + ' image')}; always the median: {number_text(one.baseline_mae)}",
            f"  RMSE {number_text(one.rmse)}{_within(one.intervals, 'rmse')}   R² {r2}{_beside(one.intervals, 'r2')}   "
            f"Spearman {rank}{_beside(one.intervals, 'spearman')}   bias {one.bias:+.3g}",
        ]
        lines += [f"  {bounds_text(bounds)}" for bounds in evaluation.bounds if bounds.name == one.name]
    return join_lines([*lines, *_ending(evaluation)])


def bounds_text(found: BoundMeasures) -> str:
    """Say whether bounds keep their promise."""
    return (
        f"bounds at {found.level:g}: {share_text(found.coverage)} hold the number ({interval_text(found.interval)}), "
        f"{number_text(found.mean_width)} wide on average"
    )


def grades_line(found: GradeMeasures) -> str:
    """Give quadratic kappa, and how many grades the answers are off."""
    kappa = "-" if found.kappa is None else f"{found.kappa:.3f}"
    return (
        f"quadratic kappa {kappa}{_beside(found.intervals, 'kappa')}   off by {found.mae:.3f} grades on average"
        f"{_beside(found.intervals, 'mae')}   within one grade {share_text(found.within_one)}"
    )


def headline(evaluation: AnyEvaluation) -> str:
    """Give the one figure that stands for all."""
    if isinstance(evaluation, LabelsEvaluation):
        mean = evaluation.mean_average_precision
        return "no average precision" if mean is None else f"mean average precision {share_text(mean)}"
    if isinstance(evaluation, NumbersEvaluation):
        return ", ".join(f"{one.name}: mean absolute error {number_text(one.mae)}" for one in evaluation.per_target[:3])
    return f"accuracy {share_text(evaluation.accuracy)}"


def _beside(intervals: Mapping[str, tuple[float, float]], name: str) -> str:
    return f" ({interval_text(intervals[name])})" if name in intervals else ""


def _within(intervals: Mapping[str, tuple[float, float]], name: str) -> str:
    return f" ({range_of(intervals[name])})" if name in intervals else ""


def _ending(evaluation: LabelsEvaluation | NumbersEvaluation) -> list[str]:
    return [
        f"images of {near_path(evaluation.source)}",
        *(f"rejected {path}: {reason}" for path, reason in list(evaluation.rejected.items())[:10]),
        *(f"note: {note}" for note in evaluation.notes),
    ]
