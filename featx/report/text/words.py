"""Words and tables that the texts share: sizes, counts with their noun, paths, parameters."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from featx.report.text.shares import interval_text, share_text
from featx.system.counts import number_of as number_of  # texts take both from here
from featx.system.counts import plural_of as plural_of
from featx.task import Task

_MOST_CLASSES = 40
_MOST_CLASSES_IN_LINE = 12
_MOST_NAMES = 20

FIGURES = {
    "mean_average_precision": "mean average precision",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "r2": "R²",
    "rmse": "RMSE",
    "mean_absolute_error": "mean absolute error",
    "quadratic_kappa": "quadratic kappa",
}


def join_lines(lines: Iterable[str]) -> str:
    r"""Return a text of these lines. The end of a line inside one stands as ``\n``: a name must not look like lines of ours."""
    return "\n".join(map(_one_line, lines))


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with aligned columns: the first to the left, the others to the right."""
    cells = [[_one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        blanks = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        others = (blank + cell for blank, cell in zip(blanks[1:], row[1:], strict=True))
        lines.append("  ".join([row[0] + blanks[0], *others]).rstrip())
    return lines


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes: a Chinese letter two, an accent that follows its letter none."""
    if text.isascii():
        return len(text)
    drawn = [letter for letter in text if unicodedata.category(letter) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in drawn)


def size_text(n_bytes: int) -> str:
    """Give bytes as people read them."""
    value = float(n_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def parameters_text(counts: dict[str, int]) -> str:
    """Give the counts of parameters; a head that only keeps its training rows has none."""
    if not counts["trainable"]:
        return f"parameters: {counts['total']:,} in total, all frozen"
    return f"parameters: {counts['total']:,} in total, {counts['trainable']:,} trainable, {counts['frozen']:,} frozen"


def beside_accuracy(interval: tuple[float, float] | None, baseline: float | None) -> str:
    """Give what stands beside an accuracy: its 95 % interval, and what always answering the largest class scores."""
    known = [interval_text(interval)] if interval else []
    known += [f"always the largest class: {share_text(baseline, 2)}"] if baseline is not None else []
    return f" ({'; '.join(known)})" if known else ""


def in_conflict(task: Task) -> str:
    """Give how the same image stands in a listing where that cannot be right."""
    return "in more than one class" if task.has_classes else f"with other {plural_of(task.noun)} too"


def some_of(names: Sequence[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")


def near_duplicate_lines(near: Sequence[str] | None) -> list[str]:
    """Return the note on val and test images that nearly stand in an earlier split; none without any."""
    if not near:
        return []
    are = "is a near duplicate" if len(near) == 1 else "are near duplicates"
    return [
        f"  note: {number_of(len(near), 'val or test image')} {are} of an image in an earlier split, "
        f"which flatters the accuracy there: {some_of(near)}. See featx audit"
    ]


def _time_text(seconds: float) -> str:
    """Give seconds as people read them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _value_text(value: Any) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
