"""Text in the cells of tables that people open in a spreadsheet, where a text can be a formula."""

import contextlib
import contextvars
import csv
import re
from collections.abc import Iterable, Iterator
from typing import IO

# What a spreadsheet takes for a formula; behind an apostrophe it is text. More apostrophes in front, so that it can be undone.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")

_NEGATIVE = re.compile(r"-(\d+(\.\d*)?(e[+-]\d+)?|inf)")

_raw = contextvars.ContextVar("raw cells", default=False)


@contextlib.contextmanager
def raw_cells() -> Iterator[None]:
    """Write texts into tables as they are, for as long as the block runs: for programs that do not know of formulas."""
    token = _raw.set(True)
    try:
        yield
    finally:
        _raw.reset(token)


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that could be, with an apostrophe in front.

    Negative numbers stay as they are. ``unguarded`` undoes it.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NEGATIVE.fullmatch(text) else text


def unguarded(text: str) -> str:
    """Return the text that ``guarded`` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class TableWriter:
    """Writes CSV in which no text is a formula, unless the block is one of ``raw_cells``.

    Parameters
    ----------
    file : text file
        Opened with ``newline=""``.
    lineterminator : str
        End of each row.
    always : bool
        Guard texts inside ``raw_cells`` too: for tables whose reader undoes it.
    """

    def __init__(self, file: IO[str], lineterminator: str = "\n", *, always: bool = False) -> None:
        self._raw = _raw.get() and not always
        self._plain = csv.writer(file, lineterminator=lineterminator)
        self._quoting = csv.writer(file, lineterminator=lineterminator, quoting=csv.QUOTE_ALL)

    def writerow(self, cells: Iterable[object]) -> None:
        """Write one row; texts are guarded."""
        row = [guarded(cell) if isinstance(cell, str) and not self._raw else cell for cell in cells]
        # Python's own writer takes a bare carriage return for no end of a row; every reader does.
        writer = self._quoting if any(isinstance(cell, str) and "\r" in cell for cell in row) else self._plain
        writer.writerow(row)

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write several rows."""
        for row in rows:
            self.writerow(row)
