"""The confusion matrix of an evaluation's page: on a screen as cells that open their images, on paper as tables of numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.verbs.evaluate import Evaluation

MOST_ON_SCREEN = 40
"""Classes: a larger matrix fits no screen, its largest confusions are listed instead."""

MOST_ON_PAPER = 100
"""Classes: a larger matrix would take dozens of sheets, which nobody lays side by side."""

MOST_CONFUSIONS = 200

# Of a sheet of A4 within margins of 12 mm, less a little for the borders [mm].
_PORTRAIT, _LANDSCAPE = 184.0, 270.0

_NAMES = 46.0
"""Column of the class names [mm]."""

_DIGIT, _BESIDE = 1.45, 1.6
"""Width of a digit of 7.5 points, and what is free beside a number [mm]."""

_NARROWEST, _WIDEST = 5.2, 13.0
"""Columns [mm]: a rotated name of 7.5 points needs the one, and past the other a number stands lost."""


def screen_matrix(evaluation: Evaluation) -> list[dict[str, Any]] | None:
    """Return the rows of the matrix that opens images; None for too many classes."""
    if len(evaluation.confusion) > MOST_ON_SCREEN:
        return None
    return [{"counts": row.tolist(), "total": int(row.sum())} for row in evaluation.confusion]


def paper_matrix(confusion: NDArray[np.int64]) -> dict[str, Any] | None:
    """Return the matrix as it is printed; None for too many classes.

    All columns stand on one sheet while each has room for its numbers: upright, else across. Of more classes the columns are
    cut into blocks of equal width, each with all rows and their names.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes), int64
        Rows true, columns predicted.

    Returns
    -------
    paper : dict or None
        ``across``, whether the sheets lie on their side; ``blocks``, each with its ``columns``; widths of the ``names`` and of
        each ``column`` [mm]; and the ``rows``.
    """
    n_classes = len(confusion)
    if n_classes > MOST_ON_PAPER:
        return None
    column = max(_NARROWEST, len(str(int(confusion.max()))) * _DIGIT + _BESIDE)
    across = n_classes * column > _PORTRAIT - _NAMES
    room = (_LANDSCAPE if across else _PORTRAIT) - _NAMES
    n_blocks = -(-n_classes // int(room // column))
    blocks = [part.tolist() for part in np.array_split(np.arange(n_classes), n_blocks)]
    return {
        "across": across,
        "blocks": [{"columns": columns, "first": columns[0] + 1, "last": columns[-1] + 1} for columns in blocks],
        "names": _NAMES,
        "column": round(min(_WIDEST, room / len(blocks[0])), 2),
        "rows": [{"counts": row.tolist(), "total": int(row.sum())} for row in confusion],
    }


def confusions(evaluation: Evaluation) -> list[dict[str, int]]:
    """Return the most frequent confusions, these first."""
    others = evaluation.confusion * ~np.eye(len(evaluation.confusion), dtype=bool)
    pairs = np.argwhere(others)
    order = np.argsort(-others[tuple(pairs.T)], kind="stable")[:MOST_CONFUSIONS]
    return [
        {"true": int(true), "predicted": int(predicted), "images": int(others[true, predicted])}
        for true, predicted in pairs[order]
    ]
