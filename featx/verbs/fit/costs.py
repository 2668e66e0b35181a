"""What mistakes cost, as a table that a user writes."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.system.kinds import shown
from featx.system.regular import read_regular

_LARGEST_TABLE = 1_000_000
LABEL_FORM = 'a header and a row for each label: "label,false_alarm,missed", "cat,1,5"'
FORM = 'a header of classes and a row for each true class: "true,cat,dog", "cat,0,1", "dog,5,0"'


def read_costs(path: Path, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Read what it costs to call an image of one class another.

    Parameters
    ----------
    path : Path
        A CSV file: a header with the classes that images are called, a row for each class that they are of.
    class_names : sequence of str
        The model's classes.

    Returns
    -------
    costs : ndarray of shape (n_classes, n_classes)
        Rows true, columns called, both in the order of ``class_names``.

    Raises
    ------
    HeadError
        If there is no such file, its classes are others, a cost is no number, or being right costs as much as being wrong.
    """
    rows = _rows(path)
    header, body = [name.strip() for name in rows[0][1:]], rows[1:]
    given = [row[0].strip() for row in body]
    if sorted(header) != sorted(class_names) or sorted(given) != sorted(class_names):
        raise HeadError(
            f"{path}: has costs of {shown(given)} as rows and {shown(header)} as columns, but the classes are "
            f"{shown(list(class_names))}. Write {FORM}.",
            wrong_value=True,
        )
    costs = np.zeros((len(class_names),) * 2)
    for row in body:
        if len(row) != len(header) + 1:
            raise HeadError(f"{path}: row {row[0]!r} has {len(row) - 1} costs, wanted {len(header)}.", wrong_value=True)
        for called, text in zip(header, row[1:], strict=True):
            costs[class_names.index(row[0].strip()), class_names.index(called)] = _cost(path, row[0], called, text)
    right = np.diagonal(costs)[:, None]
    if (costs < right).any() or (costs <= right).all():
        raise HeadError(
            f"{path}: calling an image of a class by its name must cost less than calling it another. "
            f"Received: {shown(costs.tolist())}.",
            wrong_value=True,
        )
    return costs


def read_label_costs(path: Path, labels: Sequence[str]) -> tuple[NDArray[np.float64], ...]:
    """Read what it costs, label by label, to call it where it is not, and to miss it where it is.

    Parameters
    ----------
    path : Path
        A CSV file with the columns ``label``, ``false_alarm`` and ``missed``, and a row for each label.
    labels : sequence of str
        The model's.

    Returns
    -------
    costs : tuple of ndarray of shape (2, 2)
        In the order of ``labels``. Rows: not there, there; columns: not called, called.

    Raises
    ------
    HeadError
        If there is no such file, its labels are others, or a cost is no number or not above 0.
    """
    rows = _rows(path, LABEL_FORM)
    header = [name.strip() for name in rows[0]]
    given = [row[0].strip() for row in rows[1:]]
    if header != ["label", "false_alarm", "missed"] or sorted(given) != sorted(labels) or any(len(row) != 3 for row in rows):
        raise HeadError(
            f"{path}: has the columns {shown(header)} and costs of {shown(given)}, but the labels are {shown(list(labels))}. "
            f"Write {LABEL_FORM}.",
            wrong_value=True,
        )
    found = {}
    for name, row in zip(given, rows[1:], strict=True):
        false_alarm, missed = (_cost(path, name, which, text) for which, text in zip(header[1:], row[1:], strict=True))
        if false_alarm <= 0 or missed <= 0:
            raise HeadError(f"{path}: costs must be above 0. Received: {row[1]}, {row[2]} of {name!r}.", wrong_value=True)
        found[name] = np.array([[0.0, false_alarm], [missed, 0.0]])
    return tuple(found[name] for name in labels)


def _rows(path: Path, form: str = FORM) -> list[list[str]]:
    try:
        if path.stat().st_size > _LARGEST_TABLE:
            raise HeadError(
                f"{path}: is no table of costs: it has {path.stat().st_size:,} bytes. Write {form}.", wrong_value=True
            )
        lines = read_regular(path).decode("utf-8-sig").splitlines()
        rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise HeadError(f"{path}: cannot be read: {error.strerror}. Give a CSV file of costs.", wrong_value=True) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise HeadError(f"{path}: is no CSV file: {error}. Write {form}.", wrong_value=True) from None
    if len(rows) < 2:
        raise HeadError(f"{path}: has {len(rows)} rows. Write {form}.", wrong_value=True)
    return rows


def _cost(path: Path, true: str, called: str, text: str) -> float:
    try:
        cost = float(text)
    except ValueError:
        cost = math.nan
    if not math.isfinite(cost):
        raise HeadError(f"{path}: the cost of calling {true!r} {called!r} is {text!r}, wanted a number.", wrong_value=True)
    return cost
