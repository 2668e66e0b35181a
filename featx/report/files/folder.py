"""Folders of reports: which files in such a folder are featx's own."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from featx.images import REPORT_MARKER
from featx.report.page.place import PAGE
from featx.system.cells import TableWriter
from featx.system.durable import make_folder, move
from featx.system.files import replacing, writing_to
from featx.system.outputs import check_result_folder, tell_replaced

REMEDY = "Give another --out."
"""What to do where a folder or a file in it cannot be written."""

Write = Callable[[Path, Callable[[Path], object]], None]
"""Takes a file of a folder, and what writes it to the path that it is called with."""


def check_report_files(folder: Path, names: Sequence[str], origin: str, page: str) -> None:
    """Make sure that the files of a report can be written to a folder; cheap, so that it can be asked before the work.

    Parameters
    ----------
    folder : Path
        It need not exist.
    names : sequence of str
        Of the files.
    origin : str
        What they come from, for messages.
    page : str
        Which of them is the page.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or holds a file of such a name that is not featx' own, or a link.
    """
    pages = [(name, PAGE) for name in (page, earlier(page))]
    check_result_folder(folder, (*names, earlier(page)), REPORT_MARKER, origin, pages)


def earlier(page: str) -> str:
    """Return the name that a page has once the files beside it are of another run."""
    return f"{page.removesuffix('.html')}-earlier.html"


def keep_earlier_page(path: Path) -> None:
    """Give a page of an earlier run another name, so that nobody takes it for that of the figures that come beside it.

    Raises
    ------
    OutputError
        If it cannot be renamed.
    """
    if path.exists():
        kept = path.with_name(earlier(path.name))
        with writing_to(path, REMEDY):
            move(path, kept)
        tell_replaced(f"{path} shows an earlier run and no page was asked for: kept as {kept.name}")


@contextlib.contextmanager
def writing_together(folder: Path) -> Iterator[Write]:
    """Write several files of a folder under temporary names; they take their places only if the block ends without error.

    So a disk that is full before the last file leaves an earlier report whole, not the tables of one and the page of another.
    The marker comes first and the first file last: a run that is killed between two of them can be repeated.

    Parameters
    ----------
    folder : Path
        Made if absent, and marked as featx's.

    Yields
    ------
    write : callable
        Writes one file.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    with writing_to(folder, REMEDY), contextlib.ExitStack() as places:
        make_folder(folder)

        def write(path: Path, writer: Callable[[Path], object]) -> None:
            with writing_to(path, REMEDY):
                writer(places.enter_context(replacing(path)))

        yield write
        about = "featx replaces the files of the report in this folder.\n"
        write(folder / REPORT_MARKER, lambda path: path.write_text(about, "utf-8"))


def write_csv(write: Write, path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table with a header."""

    def write_table(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = TableWriter(file)
            writer.writerow(header)
            writer.writerows(rows)

    write(path, write_table)
