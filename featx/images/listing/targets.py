"""What is to be learned of each row of a manifest where it is no class: several labels, numbers, or grades."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.listing.names import some_of
from featx.images.listing.options import ManifestOptions
from featx.images.listing.walk import natural_key
from featx.system.kinds import shown
from featx.task import LARGEST_NUMBER, LEAST_SPREAD, Task

_THERE = dict.fromkeys(("1", "1.0", "true", "yes"), 1.0)
_ABSENT = dict.fromkeys(("0", "0.0", "false", "no"), 0.0)
_UNKNOWN = dict.fromkeys(("", "nan", "na", "n/a", "<na>", "none", "null", "#n/a", "?", "-"), math.nan)
_CELLS = _THERE | _ABSENT | _UNKNOWN

_MOST_LABELS = 10_000
"""Different labels of one table: more are a text that is split by mistake."""


class Learned(NamedTuple):
    """What is to be learned of the rows of a table.

    Parameters
    ----------
    task : Task
        Its kind and names.
    labels : list of str
        Of classes and grades, the class of each row; of all else, what its cells say, to compare rows by.
    targets : ndarray of shape (n_rows, n_names), float64, or None
        Of labels and numbers; NaN for what is not known.
    unnamed : float
        What a label is to a row where the table does not name it at all: 0, or NaN for not known.
    notes, faults : list of str
        What a reader should know, and what no head could learn from.
    """

    task: Task
    labels: list[str]
    targets: NDArray[np.float64] | None
    unnamed: float
    notes: list[str]
    faults: list[str]


def learn_from_cells(
    path: Path, lines: Sequence[int], labels: list[str], cells: Sequence[Sequence[str]], options: ManifestOptions
) -> Learned:
    """Make the task and its targets of what was read.

    Parameters
    ----------
    path : Path
        Of the table.
    lines : sequence of int
        Where each row begins.
    labels : list of str
        Its cell of the label column, if there is one.
    cells : sequence of sequence of str
        Its cells of ``options.value_columns``.
    options : ManifestOptions
        What is wanted.

    Raises
    ------
    ImageListError
        If a cell is of another kind; the message names its line.
    """
    if options.label_separator is not None:
        return _separated(path, labels, options.label_separator)
    if options.value_columns:
        read = _read_number if options.target is not None else _read_label
        names = options.value_columns
        rows = [
            [read(path, line, name, cell) for name, cell in zip(names, row, strict=True)]
            for line, row in zip(lines, cells, strict=True)
        ]
        task = Task("numbers" if options.target is not None else "labels", names)
        said = ["|".join(text.strip() for text in row) for row in cells]
        return Learned(task, said, np.array(rows, np.float64).reshape(len(rows), len(names)), math.nan, _unknown(rows), [])
    return Learned(Task(), labels, None, math.nan, [], [])


def _separated(path: Path, labels: Sequence[str], separator: str) -> Learned:
    """Split each cell at the separator."""
    found = [tuple(dict.fromkeys(part.strip() for part in cell.split(separator) if part.strip())) for cell in labels]
    names = tuple(sorted({name for row in found for name in row}, key=natural_key))
    if not names:
        raise ImageListError(
            f"{path}: no cell of the label column names a label. Write the labels with {separator!r} between them."
        )
    if len(names) > _MOST_LABELS:
        raise ImageListError(
            f"{path}: {len(names):,} different labels, wanted at most {_MOST_LABELS:,}. Is {separator!r} what stands between "
            "labels, and --label-column their column?"
        )
    column_of = {name: column for column, name in enumerate(names)}
    targets = np.zeros((len(labels), len(names)))
    for row, those in enumerate(found):
        targets[row, [column_of[name] for name in those]] = 1
    targets[[not cell.strip() for cell in labels]] = math.nan
    never = not any(separator in cell for cell in labels)
    faults = (
        [
            f"--label-separator {separator!r} occurs in no cell of the label column, such as {shown(max(labels, key=len))}. "
            "Give what stands between the labels, or leave it out where an image has one class."
        ]
        if never
        else []
    )
    said = [separator.join(sorted(row)) if cell.strip() else "" for row, cell in zip(found, labels, strict=True)]
    return Learned(Task("labels", names), said, targets, 0.0, _unknown(targets.tolist()), faults)


def _unknown(rows: Sequence[Sequence[float]]) -> list[str]:
    blank = sum(all(math.isnan(value) for value in row) for row in rows)
    if not blank:
        return []
    return [f"{blank:,} of {len(rows):,} rows say nothing that is to be learned: neither learned from nor measured"]


def _read_label(path: Path, line: int, name: str, cell: str) -> float:
    value = _CELLS.get(cell.strip().lower())
    if value is None:
        raise ImageListError(
            f"{path}, line {line}: column {name!r} is {shown(cell.strip())}, wanted 1 where the label is there, 0 where it is "
            "not, or nothing where that is not known."
        )
    return value


def _read_number(path: Path, line: int, name: str, cell: str) -> float:
    text = cell.strip()
    if text.lower() in _UNKNOWN:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if abs(number) <= LARGEST_NUMBER:
        return number
    if math.isfinite(number):
        raise ImageListError(
            f"{path}, line {line}: target {name!r} is {shown(text)}, wanted a number from {-LARGEST_NUMBER:g} to "
            f"{LARGEST_NUMBER:g}, or nothing where it is not known. Give it in a larger unit."
        )
    comma = "Write it with a full stop, 2.5 for 2,5." if text.replace(",", ".", 1) != text and _is_number(text) else ""
    raise ImageListError(
        f"{path}, line {line}: target {name!r} is {shown(text)}, wanted a number, or nothing where it is not known. "
        + (comma or f"If the column names classes, give --label-column {name} instead of --target.")
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ".", 1))
    except ValueError:
        return False
    return True


def as_grades(where: Path, labels: Sequence[str], grades: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the grade of each image, and faults: a class that is the same number as a grade is that grade.

    Raises
    ------
    ImageListError
        If a class is no grade.
    """
    number_of = {float(grade): grade for grade in grades if _is_plain(grade)}
    grade_of = {grade: grade for grade in grades} | {"": ""}
    for label in set(labels) - grade_of.keys():
        if _is_plain(label) and float(label) in number_of:
            grade_of[label] = number_of[float(label)]
    others = sorted(set(labels) - grade_of.keys(), key=natural_key)
    if others:
        raise ImageListError(
            f"{where}: there are classes that are none of --ordinal {','.join(grades)}: {some_of(map(repr, others))}. Name all "
            "grades, from the lowest to the highest.",
            wrong_value=True,
        )
    found = [grade_of[label] for label in labels]
    absent = [grade for grade in grades if grade not in found]
    return found, [f"no image has the grade {some_of(map(repr, absent))}. Leave it out of --ordinal."] if absent else []


def _is_plain(text: str) -> bool:
    return _is_number(text) and "," not in text and math.isfinite(float(text))


def target_faults(task: Task, targets: NDArray[np.float64] | None) -> list[str]:
    """Say which labels and numbers no head can learn: those that are the same of every image."""
    if targets is None:
        return []
    known = ~np.isnan(targets)
    least = np.where(known, targets, np.inf).min(axis=0, initial=np.inf)
    most = np.where(known, targets, -np.inf).max(axis=0, initial=-np.inf)
    names = np.array(task.names, object)
    never = names[~known.any(axis=0)].tolist()
    same = known.any(axis=0) & (most - least <= (LEAST_SPREAD if task.kind == "numbers" else 0))
    faults = []
    if never:
        faults.append(f"no image tells anything of {task.noun} {some_of(map(repr, never))}: its column is empty. Leave it out.")
    if task.kind == "numbers":
        constant = [f"{name!r} ({least[at]:g})" for at, name in enumerate(task.names) if same[at]]
        return faults + (
            [f"a target is the same number for every image: {some_of(constant)}. Leave it out."] if constant else []
        )
    for value, word in ((1, "has"), (0, "lacks")):
        those = names[same & (least == value)].tolist()
        if those:
            faults.append(
                f"every image whose label is known {word} {some_of(map(repr, those))}, so that nothing can be learned of it. "
                "Leave it out, or add images."
            )
    return faults


def aligned(targets: NDArray[np.float64], names: Sequence[str], wanted: Sequence[str], unnamed: float) -> NDArray[np.float64]:
    """Return targets with the columns of other names, in their order: ``unnamed`` where a name has no column.

    Parameters
    ----------
    targets : ndarray of shape (n, n_names), float64
        As they were read.
    names : sequence of str
        Of its columns.
    wanted : sequence of str
        Names of the columns that are returned, such as a model's.
    unnamed : float
        As of an ``ImageIndex``.
    """
    at = {name: column for column, name in enumerate(names)}
    columns = [targets[:, at[name]] if name in at else np.full(len(targets), unnamed) for name in wanted]
    found = np.stack(columns, axis=1) if columns else np.empty((len(targets), 0))
    found[np.isnan(targets).all(axis=1)] = math.nan
    return found
