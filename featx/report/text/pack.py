"""The result of ``featx pack`` as text."""

from featx.report.text.words import join_lines
from featx.verbs.pack import PackResult


def pack_text(result: PackResult) -> str:
    """Return a line: how many images are in which file."""
    return join_lines([f"{result.images} images, {result.bytes / 1e6:.1f} MB: {result.path}"])
