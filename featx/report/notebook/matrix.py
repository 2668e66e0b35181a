"""A confusion matrix, and a map of cells, as pictures that suit a light and a dark notebook."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.report.notebook.blocks import Picture, Square, short

MOST_DRAWN = 30
"""Classes whose cells are drawn one by one; of more, a PNG of at most ``_MOST_PIXELS`` a side."""

_MOST_PIXELS = 300
_RIGHT, _WRONG = (0x33, 0x66, 0xBB), (0xDD, 0x77, 0x22)
"""Blue and orange: apart for every kind of eye, and visible on white and on black."""


def confusion_picture(confusion: NDArray[np.int64], class_names: Sequence[str]) -> Picture:
    """Return a confusion matrix: rows true, columns predicted; colour is the share of the row, numbers are images."""
    n = len(class_names)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    caption = "rows true, columns predicted; colour is the share of the true class"
    if n > MOST_DRAWN:
        return Picture(f"{caption}; {n:,} classes, errors in orange", (n, n), png=_png(shares))
    names = [short(name) for name in class_names]
    squares = [
        Square(
            row=row,
            column=column,
            strength=float(shares[row, column]),
            is_right=row == column,
            text=f"{confusion[row, column]:,}",
            hint=f"{names[row]} taken for {names[column]}: {confusion[row, column]:,} ({shares[row, column]:.0%})",
        )
        for row, column in np.argwhere(confusion).tolist()
    ]
    return Picture(caption, (n, n), squares, names, names)


def cells_picture(cells: NDArray[np.float64], label: str, other: str) -> Picture:
    """Return the cells of an explanation: blue spoke for the class, orange for the other."""
    strengths = cells / max(float(np.abs(cells).max()), 1e-300)
    caption = f"blue spoke for {short(label)}, orange for {short(other)}"
    height, width = cells.shape
    if max(height, width) > MOST_DRAWN:
        return Picture(caption, (height, width), png=_png(np.abs(strengths), cells > 0))
    squares = [
        Square(row, column, float(abs(strengths[row, column])), bool(cells[row, column] > 0), "", f"{cells[row, column]:+.2f}")
        for row, column in np.ndindex(height, width)
    ]
    return Picture(caption, (height, width), squares)


def _png(strengths: NDArray[np.float64], is_right: NDArray[np.bool_] | None = None) -> str:
    """Return a PNG whose pixels are opaque as the cells are strong; each is the strongest of those that it stands for."""
    from matplotlib.image import imsave  # here, not above: a small matrix does without

    from featx.report.page.render import data_uri

    right = np.eye(*strengths.shape, dtype=np.bool_) if is_right is None else is_right
    pixels = np.zeros((*map(len, map(_starts, strengths.shape)), 4), np.uint8)
    levels = [_strongest(np.where(mask, strengths, 0)) for mask in (right, ~right)]
    for colour, level, others in zip((_RIGHT, _WRONG), levels, levels[::-1], strict=True):
        chosen = (level > 0) & (level >= others)
        # The weakest is seen, too: one image of a thousand is an error.
        pixels[chosen] = np.stack([np.full(chosen.sum(), part) for part in colour] + [100 + 155 * level[chosen]], axis=1)
    file = io.BytesIO()
    imsave(file, pixels, format="png")
    return data_uri(file.getvalue(), "image/png")


def _strongest(strengths: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.maximum.reduceat(strengths, _starts(strengths.shape[0]), axis=0)
    strongest: NDArray[np.float64] = np.maximum.reduceat(rows, _starts(strengths.shape[1]), axis=1)
    return strongest


def _starts(side: int) -> NDArray[np.intp]:
    """Return where the cells begin that a pixel stands for."""
    return np.arange(0, side, -(-side // _MOST_PIXELS))
