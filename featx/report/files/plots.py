"""Plots as PNG files."""

import contextlib
import os
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.system.counts import number_of

# A notebook names its own way to show figures in MPLBACKEND, and the processes that it starts inherit it: where Matplotlib
# does not know that backend, importing it fails. Files need none; later code that uses pyplot gets its backend all the same.
_shown_by = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
    from matplotlib.figure import Figure

    from featx.report.files.fonts import fallback_families

    if _shown_by:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = _shown_by
finally:
    if _shown_by is not None:
        os.environ["MPLBACKEND"] = _shown_by

_MOST_NUMBERS = 25
"""Cells of a larger confusion matrix are too small to write into."""


_MOST_NAMES, _MOST_CELLS = 200, 1000


def plot_confusion(confusion: NDArray[np.int64], class_names: tuple[str, ...], title: str, path: Path) -> None:
    """Draw a confusion matrix: rows true, columns predicted; colour is the share of the row, numbers are images.

    A name in letters that no installed font has is drawn as the number of its row, and the picture says so.
    """
    n = len(class_names)
    side = min(5 + 0.45 * n, 24)
    # Figure, not pyplot: no global state, no window, nothing to close.
    figure = Figure(figsize=(side, side * 0.9), layout="constrained", dpi=110)
    axes = figure.add_subplot()
    shares = _drawable(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))
    edges = (-0.5, n - 0.5, n - 0.5, -0.5)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, extent=edges)
    if n <= _MOST_NUMBERS:
        for row, column in np.ndindex(n, n):
            if confusion[row, column]:
                colour = _readable_on(image.cmap(image.norm(shares[row, column])))
                axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour)
    names = [_plain(name, 30) for name in class_names] if n <= _MOST_NAMES else []
    families, missing = fallback_families([*names, title])
    if names:  # more cannot be read; the axes then count the classes
        unknown = [number for number, name in enumerate(names) if missing & set(name)]
        for number in unknown:
            names[number] = f"#{number + 1}"
        axes.set_xticks(
            range(n), names, rotation=45 if n <= _MOST_NUMBERS else 90, ha="right", rotation_mode="anchor", family=families
        )
        axes.set_yticks(range(n), names, family=families)
        if unknown:
            figure.supxlabel(_about_unknown(unknown), fontsize="medium")
    axes.set(xlabel="predicted", ylabel="true")
    shown = "".join(_escaped(letter) if letter in missing else letter for letter in _plain(title, 300))
    axes.set_title(shown, family=families)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    _save(figure, path)


def _about_unknown(unknown: list[int]) -> str:
    """Say which classes have a number in place of their name."""
    some = ", ".join(f"#{number + 1}" for number in unknown[:3]) + (", …" if len(unknown) > 3 else "")
    is_row = "is that row" if len(unknown) == 1 else "are those rows"
    return f"No installed font has the letters of {number_of(len(unknown), 'name')}: {some} {is_row} of confusion_matrix.csv."


def _drawable(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix of at most so many cells a side as can be drawn, each the largest of those that it stands for."""
    step = -(-len(shares) // _MOST_CELLS)
    starts = np.arange(0, len(shares), step)
    larger: NDArray[np.float64] = np.maximum.reduceat(np.maximum.reduceat(shares, starts, axis=0), starts, axis=1)
    return larger


def plot_curves(history: dict[str, list[float]], best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy by epoch, training and validation, and mark the epoch that was kept."""
    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=110)
    for axes, measure in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for name, label, style in ((measure, "train", "--"), (f"val_{measure}", "validation", "-")):
            if values := history.get(name):
                axes.plot(range(1, len(values) + 1), values, style, marker=".", label=label)
        axes.axvline(best_epoch, color="grey", linestyle=":", label="kept")
        axes.set(xlabel="epoch", ylabel=measure)
        axes.set_ylim(
            bottom=0, top=1.02 if measure == "accuracy" else None
        )  # the whole scale: nothing looks steeper than it is
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    _save(figure, path)


def _readable_on(colour: Any) -> str:
    """Return black or white, whichever stands out more from a colour (WCAG 2): one of the two by 4.5 to 1 at least."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in map(float, colour[:3])]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"


def _escaped(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode() if ord(letter) > 0x7F else f"\\x{ord(letter):02x}"


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # An accent or a joiner may lack a shape of its own in the font that has the letters around it: nothing to be told.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(path)


def _plain(name: str, longest: int) -> str:
    """Keep matplotlib from reading a name as a formula, and the plot from being pushed away by it."""
    # The name of a file or folder need not be UTF-8; matplotlib refuses text that is not. A tab has no shape.
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(_escaped(letter) if unicodedata.category(letter) == "Cc" else letter for letter in text)
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return shown.replace("$", r"\$")
