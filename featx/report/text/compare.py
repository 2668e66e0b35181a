"""The table of ``featx compare``."""

from featx.report.text.shares import interval_text, range_text, share_text
from featx.report.text.words import join_lines, number_of, table
from featx.task import Task
from featx.verbs.compare import ComparedHead, Comparison

MEASURES = {
    "classes": "accuracy",
    "grades": "quadratic kappa",
    "labels": "mean average precision",
    "numbers": "R²",
}
"""What heads are ranked by, by kind of task."""


def loss_name(task: Task) -> str:
    """Return what is lost, as a column names it: of numbers there are no probabilities."""
    return "log loss" if task.has_probabilities else "RMSE"


def head_name(head: ComparedHead, comparison: Comparison) -> str:
    """Name a head by its pooling, and by its layer where several are compared."""
    several = len({one.layer for one in comparison.heads}) > 1
    return f"{head.head} {head.pooling}{f' {head.layer}' if several else ''}"


def head_figures(head: ComparedHead) -> tuple[str, str, str]:
    """Give the figure that a head is ranked by, its 95 % interval, and its log loss or RMSE."""
    score = head.accuracy if head.measure == "accuracy" else head.score
    loss = head.figures.get("rmse") if head.log_loss is None else head.log_loss
    return (
        "" if score is None else share_text(score),
        interval_text((head.low, head.high)),
        "" if loss is None else f"{loss:.3f}",
    )


def comparison_text(comparison: Comparison) -> str:
    """Give the table of a comparison, the best first."""
    rows = [
        (
            head_name(head, comparison),
            *head_figures(head),
            f"{head.seconds:.2f}",
            "best" if head is comparison.best else f"{head.difference:+.3f}",
            "" if head is comparison.best else f"{head.difference_low:+.3f} to {head.difference_high:+.3f}",
        )
        for head in comparison.heads
    ]
    baseline = "" if comparison.baseline is None else f"; always the largest class: {share_text(comparison.baseline, 2)}"
    task = comparison.task
    what = number_of(comparison.classes, "class") if task.kind == "classes" else task.describe()
    further = ("fit s", "difference", "95 %")
    lines = [
        f"{number_of(comparison.images, 'training image')}, {what}, "
        f"{comparison.folds} folds: each image judged by the fit that it was left out of{baseline}",
        "",
        *table(("head", MEASURES[task.kind], "95 %", loss_name(task), *further), rows),
    ]
    if comparison.withheld:
        lines += ["", *_withheld_text(comparison)]
    lines += ["", *(f"note: {note}" for note in comparison.notes)] if comparison.notes else []
    near = [head for head in comparison.heads[1:] if head.difference_high >= 0]
    if near:
        names = ", ".join(head_name(head, comparison) for head in near)
        lines += ["", f"note: within what {number_of(comparison.images, 'image')} can tell, as good as the best: {names}"]
    return join_lines(lines)


def _withheld_text(comparison: Comparison) -> list[str]:
    rows = [
        (
            f"{head.head} {head.pooling}",
            f"{head.auroc:.3f}",
            f"{head.spread:.3f}",
            range_text(head.low, head.high, 3),
            f"{head.auroc_of_confidence:.3f}",
            f"{head.caught:.3f}",
            f"{head.false_alarms:.3f}",
        )
        for head in comparison.withheld
    ]
    columns = ("head", "AUROC", "spread", "draws", "of confidence", "caught", "false alarms")
    return [
        "images of withheld classes against others that the fit has not seen, classes drawn anew for each fit; "
        "caught and false alarms with --unknown 0.05",
        "",
        *table(columns, rows),
    ]
