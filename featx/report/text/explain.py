"""Explanations of ``featx explain`` as text."""

from collections.abc import Sequence

from featx.report.text.shares import share_text
from featx.report.text.words import join_lines, number_of
from featx.verbs.explain import Explanation

_MOST = 20


def explanation_text(explanations: Sequence[Explanation]) -> str:
    """Give of each image class, runner-up, what spoke for and against, and the strongest cells."""
    lines: list[str] = []
    for one in explanations[:_MOST]:
        if one.cells is None:
            lines.append(f"rejected {one.path}: {one.error}")
            continue
        bias = "" if one.bias is None else f", bias {one.bias:+.2f}"
        counting = [(row, column, value) for row, column, value in one.strongest() if value]
        strongest = ", ".join(f"({row + 1}, {column + 1}) {value:+.2f}" for row, column, value in counting) or "none counts"
        height, width = one.cells.shape
        sure, less = share_text(one.confidence or 0.0), share_text(one.other_confidence or 0.0)
        lines += [
            f"{one.path}: {one.label} {sure} against {one.other} {less}",
            f"  margin {one.margin:+.2f} ({one.quantity}): "
            f"for {one.speaking_for:+.2f}, against {one.speaking_against:+.2f}{bias}",
            f"  strongest of {height} x {width} cells (row, column): {strongest}",
        ]
    if len(explanations) > _MOST:
        lines.append(f"… and {number_of(len(explanations) - _MOST, 'more image')}, in --json and --out")
    return join_lines(lines)
