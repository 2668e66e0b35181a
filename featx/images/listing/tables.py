"""Tables on disk, whatever program wrote them: CSV with any separator and UTF encoding, Excel, Parquet."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from featx.errors import ExtraMissing, ImageListError
from featx.system.files import reading_from
from featx.system.zipped import opened_zip

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".xlsx", ".parquet"})
"""Suffixes of files that are read as a manifest."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between the fields of a text table, in words."""

Rows = Iterator[tuple[int, list[str]]]
"""The line that a row begins on, and its fields."""

_LARGEST_WORKBOOK, _LARGEST_BESIDE = 100_000_000, 8_000_000
"""Bytes of the sheets and texts of a workbook, and of all else in it, unpacked. A row of three short cells takes a hundred."""

_MOST_EXCEL_ROWS, _MOST_CELLS = 1_048_576, 20_000_000
_MOST_ROWS, _ROWS_A_BYTE = 1_000_000, 4
_LONGEST_LINE = 10_000_000

_SAVE_AS_UTF8 = 'Save it as "CSV UTF-8".'


class Table(NamedTuple):
    """A table whose rows can be read more than once.

    Parameters
    ----------
    line : int
        Of the header.
    header : list of str
        Names of the columns, as they are written.
    rows : callable
        Returns an iterator over the rows after the header: of each the line that it begins on, and its fields. Called with
        some columns' places, it may leave the fields of the others empty.
    notes : list of str
        What of the file was left unread.
    """

    line: int
    header: list[str]
    rows: Callable[[frozenset[int] | None], Rows]
    notes: list[str]


_LARGEST = 1_000_000_000
"""Bytes of a manifest; it is read whole."""


def open_table(path: Path, fits: Callable[[list[str]], bool]) -> Table:
    """Open a table.

    Parameters
    ----------
    path : Path
        ``.xlsx``, ``.parquet``, or text in UTF-8 or, with a byte order mark, UTF-16.
    fits : callable
        Tells whether a header has the columns that are wanted: this finds the separator of a text table.

    Raises
    ------
    ImageListError
        If the file cannot be read, is too large or is no such table; the message names the line.
    ExtraMissing
        If an optional library is needed for it.
    """
    suffix = path.suffix.lower()
    with reading_from(path, "Make it readable or give another manifest.", ImageListError):
        if (size := path.stat().st_size) > _LARGEST:
            raise ImageListError(
                f"{path}: has {size / 1e9:.1f} GB, and a manifest at most {_LARGEST / 1e9:.0f} GB: one of a million images has "
                "0.1 GB. Give another manifest, or extract it in parts and merge them."
            )
        if suffix == ".xlsx":
            return _open_excel(path)
        return _open_parquet(path) if suffix == ".parquet" else _open_text(path, fits)


def _open_text(path: Path, fits: Callable[[list[str]], bool]) -> Table:
    data = _read_utf8(path)
    first = re.match(rb"\s*sep=(.)\r?[\r\n]", data)  # Excel's own way to say so
    separators = [first[1].decode()] if first and first[1].isascii() else list(SEPARATORS)
    if path.suffix.lower() == ".tsv" and "\t" in separators:
        separators.sort(key=lambda mark: mark != "\t")
    skipped = 1 if first else 0
    opened = []
    for mark in separators:
        rows = _text_rows(path, data, mark)
        line, header = next(_after(rows, skipped), (1, []))
        opened.append(Table(line, header, _reread(path, data, mark, skipped + 1), []))
        if fits(header):
            return opened[-1]
    return opened[0]


def _reread(path: Path, data: bytes, mark: str, skipped: int) -> Callable[[frozenset[int] | None], Rows]:
    return lambda wanted: _after(_text_rows(path, data, mark), skipped)


def _after(rows: Rows, skipped: int) -> Rows:
    for _ in range(skipped):
        next(rows, None)
    return rows


def _text_rows(path: Path, data: bytes, separator: str) -> Rows:
    """Yield the rows; those without anything in them, as spreadsheets leave them at the end, are passed over."""
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    reader = csv.reader(_lines(text), strict=True, delimiter=separator)
    line = 1
    try:
        for fields in reader:
            if any(fields) and (len(fields) > 1 or fields[0].strip()):
                yield line, fields
            # A quoted field may go over several lines.
            line = reader.line_num + 1
    except csv.Error as error:
        raise ImageListError(
            f"{path}, line {line}: the row that begins there is no CSV: {error}. "
            'Close every quote, and write a quote inside quotes twice: "12"" disc.png",record'
        ) from None


def _lines(text: IO[str]) -> Iterator[str]:
    """Yield the lines of a text; of a line's fields, the reader makes an object each."""
    for line in text:
        if len(line) > _LONGEST_LINE:
            raise csv.Error(f"a line of {len(line):,} characters")
        yield line


def _read_utf8(path: Path) -> bytes:
    """Return the file's bytes in UTF-8 after making sure that they are text, without the byte order mark."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError as error:
            raise ImageListError(f"{path}: is no UTF-16, though it begins like it: {error}. {_SAVE_AS_UTF8}") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ImageListError(f"{path}, line {_line_of(data, error.start)}: {found}. {_SAVE_AS_UTF8}") from None
    null = data.find(b"\0")
    if null >= 0:
        raise ImageListError(f"{path}, line {_line_of(data, null)}: a NUL byte, which no text contains. {_SAVE_AS_UTF8}")
    return data


def _line_of(data: bytes, position: int) -> int:
    """Return the number of the line that a byte is on, counted as the CSV reader counts."""
    return 1 + len(re.findall(rb"\r\n|\r|\n", data[:position]))


def _extra_missing(path: Path, package: str) -> ExtraMissing:
    return ExtraMissing(
        f"{path}: to be read needs {package}, which is not installed. Install it with: pip install 'featx[tables]'; "
        "or save the table as CSV."
    )


def _open_excel(path: Path) -> Table:
    """Open the sheet that is shown first."""
    try:
        import openpyxl  # an extra
    except ImportError:
        raise _extra_missing(path, "openpyxl") from None
    try:
        _check_workbook(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet, others = book.active, [name for name in book.sheetnames if name != book.active.title]
        table = list(_sheet_rows(sheet))
        book.close()
    except OSError:
        raise
    except Exception as error:  # a damaged workbook gives errors of zip, XML and openpyxl
        raise ImageListError(f"{path}: is no Excel workbook that can be read: {error}. Save it as CSV UTF-8.") from None
    width = max((len(row) for _, row in table), default=0)
    full = [(line, row + [""] * (width - len(row))) for line, row in table]
    notes = [f"sheet {sheet.title!r} is read; {len(others)} other sheets are not: {', '.join(others[:5])}"] if others else []
    line, header = full[0] if full else (1, [])
    return Table(line, header, lambda wanted: iter(full[1:]), notes)


def _check_workbook(path: Path) -> None:
    """Refuse a workbook that would grow: it is a zip of XML, and openpyxl makes objects of that."""
    with opened_zip(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    beside = {name: size for name, size in sizes.items() if not re.search("worksheets|sharedStrings|media", name)}
    if sum(sizes.values()) > _LARGEST_WORKBOOK + path.stat().st_size or sum(beside.values()) > _LARGEST_BESIDE:
        raise ValueError(f"it unpacks to {sum(sizes.values()):,} bytes")


def _sheet_rows(sheet: Any) -> Rows:
    """Yield the rows of a sheet that have anything in them, as far as they have it."""
    n_cells = 0
    for line, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        n_cells += len(cells)
        if line > _MOST_EXCEL_ROWS or n_cells > _MOST_CELLS:
            raise ValueError(f"it has more than {_MOST_EXCEL_ROWS:,} rows or {_MOST_CELLS:,} cells")
        row = [_cell_text(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        if row:
            yield line, row


def _open_parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet  # an extra
    except ImportError:
        raise _extra_missing(path, "pyarrow") from None
    try:
        file = parquet.ParquetFile(path)
    except OSError:
        raise
    except Exception as error:
        raise ImageListError(f"{path}: is no Parquet file that can be read: {error}. Save it as CSV UTF-8.") from None
    if file.metadata.num_rows > _MOST_ROWS + _ROWS_A_BYTE * path.stat().st_size:
        raise ImageListError(f"{path}: has {file.metadata.num_rows:,} rows in so few bytes, which no list of images has.")
    names = [str(name) for name in file.schema_arrow.names]

    def rows(wanted: frozenset[int] | None) -> Rows:
        places = range(len(names)) if wanted is None else sorted(wanted)
        nested = [names[at] for at in places if file.schema_arrow.field(at).type.num_fields]
        if nested:
            raise ImageListError(
                f"{path}: column {nested[0]!r} holds {file.schema_arrow.field(nested[0]).type}, wanted text. Write the images "
                "into files and their paths into a column."
            )
        row, fields = 1, [""] * len(names)
        for batch in file.iter_batches(columns=[names[at] for at in places]):
            columns = [map(_cell_text, column.to_pylist()) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                row += 1
                for at, text in zip(places, cells, strict=True):
                    fields[at] = text
                if any(cells):
                    yield row, list(fields)

    return Table(1, names, rows, [])


def _cell_text(value: object) -> str:
    """Return a cell as a CSV file would have it: a whole number without its ``.0``, nothing for nothing."""
    if value is None or value != value:  # NaN is how tables of numbers say so
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
