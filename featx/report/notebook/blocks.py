"""What a result in a notebook is made of: figures, tables, a picture, notes."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

MOST_ROWS = 20
"""Rows of a table: a notebook keeps its outputs, and whoever wants all asks for ``to_frame``."""

_LONGEST = 80


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under a header; ``more`` says what was left out, and where it is."""

    header: Sequence[str]
    rows: list[list[str]]
    more: str = ""


@dataclasses.dataclass(frozen=True)
class Square:
    """A cell of a picture: where it is, how strong its colour is from 0 to 1, the text in it and what it says on hover."""

    row: int
    column: int
    strength: float
    is_right: bool
    text: str
    hint: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """Cells in rows and columns, drawn as SVG in the text's own colour; or a PNG where they are too many.

    Parameters
    ----------
    caption : str
        What it shows.
    size : (int, int)
        Rows and columns.
    squares : list of Square
        Those that are not empty.
    rows, columns : sequence of str
        Names of both; empty for none.
    png : str
        A data URI in place of the squares; empty for none.
    """

    caption: str
    size: tuple[int, int]
    squares: list[Square] = dataclasses.field(default_factory=list)
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    png: str = ""


@dataclasses.dataclass(frozen=True)
class Shown:
    """A result in a notebook.

    Parameters
    ----------
    title : str
        What it is, in a line.
    figures : dict of str to str
        The most important values by their names.
    tables : list of Table
    picture : Picture or None
    notes : list of str
        Remarks, and where files are.
    """

    title: str
    figures: dict[str, str] = dataclasses.field(default_factory=dict)
    tables: list[Table] = dataclasses.field(default_factory=list)
    picture: Picture | None = None
    notes: list[str] = dataclasses.field(default_factory=list)


def short(value: object) -> str:
    """Return a value as text of bounded length."""
    text = value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def bounded(header: Sequence[str], rows: Iterable[Sequence[Any]], n_rows: int, rest: str) -> Table:
    """Return a table of the first rows.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequence
        As many as there are, or more than ``MOST_ROWS``.
    n_rows : int
        How many there are.
    rest : str
        What the others are and where, after their number: "more images: to_frame() has all".
    """
    first = [[short(cell) for cell in row] for row, _ in zip(rows, range(MOST_ROWS), strict=False)]
    more = f"… and {n_rows - len(first):,} {rest}" if n_rows > len(first) else ""
    return Table(header, first, more)


def some_notes(notes: Iterable[str], most: int = 10) -> list[str]:
    """Return the first notes, each of bounded length."""
    listed = list(notes)
    shown = [note if len(note) <= 400 else note[:399] + "…" for note in listed[:most]]
    return shown + ([f"… and {len(listed) - most:,} more"] if len(listed) > most else [])
