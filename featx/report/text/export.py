"""The result of ``featx export`` as text."""

from featx.report.text.words import join_lines
from featx.system.counts import number_of
from featx.verbs.export import ExportResult


def export_text(result: ExportResult) -> str:
    """Report what was written, and how near it is to featx's own predictions."""
    height, width = result.image_size
    lines = [f"{result.path}: {result.format}, {result.bytes / 1e6:.1f} MB, {result.seconds:.1f} s"]
    if result.format != "joblib":
        lines.append(f"  from uint8 RGB pixels of {height} x {width} px to {_what_comes_out(result)}")
    lines.append(f"  differs from featx by {result.largest_difference:.1e} at most, on {result.images} sample images")
    lines += [f"  {note}" for note in result.notes]
    return join_lines([*lines, f"  class names, image size and versions: {result.sidecar}"])


def _what_comes_out(result: ExportResult) -> str:
    if not result.task.has_probabilities:
        return number_of(len(result.task.names), "number")
    return f"the probabilities of {number_of(len(result.class_names), result.task.noun)}"
