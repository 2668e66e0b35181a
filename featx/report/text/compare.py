"""The table of ``featx compare``."""

from featx.report.text.words import number_of, table
from featx.verbs.compare import Comparison


def comparison_text(comparison: Comparison) -> str:
    """Give the table of a comparison, the best first."""
    rows = [
        (
            f"{one.head} {one.pooling}",
            f"{one.accuracy:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
            f"{one.log_loss:.3f}",
            f"{one.seconds:.2f}",
            "best" if one is comparison.best else f"{one.difference:+.3f}",
            "" if one is comparison.best else f"{one.difference_low:+.3f} to {one.difference_high:+.3f}",
        )
        for one in comparison.heads
    ]
    lines = [
        f"{number_of(comparison.images, 'training image')}, {number_of(comparison.classes, 'class')}, "
        f"{comparison.folds} folds: each image judged by the fit that it was left out of",
        "",
        table(("head", "accuracy", "95 %", "log loss", "fit s", "difference", "95 %"), rows),
    ]
    near = [one for one in comparison.heads[1:] if one.difference_high >= 0]
    if near:
        names = ", ".join(f"{one.head} {one.pooling}" for one in near)
        lines += ["", f"note: within what {comparison.images:,} images can tell, as good as the best: {names}"]
    return "\n".join(lines)
