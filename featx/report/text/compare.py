"""The table of ``featx compare``."""

from featx.report.text.shares import interval_text, range_text
from featx.report.text.words import join_lines, number_of, table
from featx.verbs.compare import ComparedHead, Comparison

_MEASURES = {
    "classes": "accuracy",
    "grades": "quadratic kappa",
    "labels": "mean average precision",
    "numbers": "R²",
}


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def comparison_text(comparison: Comparison) -> str:
    """Give the table of a comparison, the best first."""
    several = len({head.layer for head in comparison.heads}) > 1

    def name_of(head: ComparedHead) -> str:
        return f"{head.head} {head.pooling}{f' {head.layer}' if several else ''}"

    rows = [
        (
            name_of(head),
            _figure(head.accuracy if head.measure == "accuracy" else head.score),
            interval_text((head.low, head.high)),
            _figure(head.figures.get("rmse") if head.log_loss is None else head.log_loss),
            f"{head.seconds:.2f}",
            "best" if head is comparison.best else f"{head.difference:+.3f}",
            "" if head is comparison.best else f"{head.difference_low:+.3f} to {head.difference_high:+.3f}",
        )
        for head in comparison.heads
    ]
    baseline = "" if comparison.baseline is None else f"; always the largest class: {comparison.baseline:.2f}"
    task = comparison.task
    what = number_of(comparison.classes, "class") if task.kind == "classes" else task.describe()
    measure, further = _MEASURES[task.kind], ("fit s", "difference", "95 %")
    lines = [
        f"{number_of(comparison.images, 'training image')}, {what}, "
        f"{comparison.folds} folds: each image judged by the fit that it was left out of{baseline}",
        "",
        *table(("head", measure, "95 %", "log loss" if comparison.task.has_probabilities else "RMSE", *further), rows),
    ]
    if comparison.withheld:
        lines += ["", *_withheld_text(comparison)]
    near = [head for head in comparison.heads[1:] if head.difference_high >= 0]
    if near:
        names = ", ".join(map(name_of, near))
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
