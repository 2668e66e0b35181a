"""What a result may replace: an earlier one of its own kind, and no other file."""

from collections.abc import Sequence
from pathlib import Path

from featx.errors import OutputError
from featx.system.files import check_file, writing_to


def check_replaced(path: Path, beginnings: Sequence[bytes], what: str, option: str, *, empty: bool = False) -> None:
    """Make sure, without leaving anything behind, that a file can be written, and that what it replaces is an earlier one.

    A file of another kind must not be lost to a slip of the fingers.

    Parameters
    ----------
    path : Path
        The file.
    beginnings : sequence of bytes
        How files of that kind begin, each in one of these ways.
    what : str
        What a file that begins otherwise is: ``"is not a log of featx"``.
    option : str
        Where the user gives another path: ``--log``.
    empty : bool
        Whether an empty file is replaced too.

    Raises
    ------
    OutputError
        If it cannot be written, or a file stands there that begins otherwise.
    """
    with writing_to(path, f"Give another {option}."):
        check_file(path)
        found = _begins(path, max(map(len, beginnings))) if path.exists() else None
    foreign = found is not None and not found.startswith(tuple(beginnings)) and not (empty and not found)
    if foreign:
        raise OutputError(f"{path}: exists and {what}. Give another {option}, or delete it.")


def _begins(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)
