"""Image files that a program names itself, as scikit-learn hands them over."""

from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import ImageListError
from featx.system.kinds import shown

_MOST_NAMED = 10
"""Rejected files that an error names."""


def paths_given(X: Any) -> list[Path]:
    """Turn what a program may hand over, a list, an array or a column of a table, into paths.

    Raises
    ------
    ImageListError
        If it is no list, no column or holds something else.
    """
    wanted = "Give a sequence of paths, or an array of shape (n_files,) or (n_files, 1)."
    try:
        # As objects: NumPy would turn a number among texts into a text.
        values = np.asarray(X, object)
    except ValueError as error:
        raise ImageListError(f"paths: cannot be laid out in a column: {error}. {wanted}") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        found = f"an array of shape {values.shape}" if values.ndim else shown(X)
        raise ImageListError(f"paths must be a list of files. Received: {found}. {wanted}")
    if not len(values):
        raise ImageListError(f"paths: there are none. {wanted}")
    for row, value in enumerate(values):
        if not isinstance(value, str | Path):
            raise ImageListError(f"paths must be str or Path. Received: {shown(value)} at row {row}. {wanted}")
    return [Path(value) for value in values]


def describe_rejected(paths: list[Path], reasons: dict[int, str]) -> str:
    """Say which files give no features and why, by their places in the list; up to ten are named."""
    named = [f"{paths[number]}: {reasons[number]}" for number in sorted(reasons)[:_MOST_NAMED]]
    more = len(reasons) - len(named)
    lines = "\n  ".join([*named, *([f"and {more} more"] if more else [])])
    return (
        f"{len(reasons)} of {len(paths)} files give no features, and a transformer must return a row for each. "
        f"Leave them out:\n  {lines}"
    )
