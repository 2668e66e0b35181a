"""Folders of reports: which files in such a folder are featx's own."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from featx.errors import OutputError
from featx.images import REPORT_MARKER
from featx.system.durable import make_folder
from featx.system.files import check_folder, final_file, replacing, writing_to

REMEDY = "Give another --out."
"""What to do where a folder or a file in it cannot be written."""

Write = Callable[[Path, Callable[[Path], object]], None]
"""Takes a file of a folder, and what writes it to the path that it is called with."""


def check_marked_folder(folder: Path, names: Sequence[str], origin: str) -> None:
    """Make sure that files of these names can be written to a folder; cheap, so that it can be asked before the work.

    Parameters
    ----------
    folder : Path
        It need not exist.
    names : sequence of str
        Of the files.
    origin : str
        What they come from, for messages.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or holds a file of such a name and no marker of featx's, or a link.
    """
    with writing_to(folder, REMEDY):
        check_folder(folder)
    for place in (folder / name for name in names):
        with writing_to(place, REMEDY):
            if os.path.lexists(place) and not (folder / REPORT_MARKER).is_file():
                raise OutputError(f"{place}: exists and is not from {origin}. {REMEDY}")
            final_file(place)
    for place in (folder / name for name in (*names, REPORT_MARKER)):
        if place.is_symlink():  # a marked folder of somebody else's could lead to any file of the user's
            raise OutputError(f"{place}: is a link; files of {origin} are written in their own folder alone. {REMEDY}")


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
