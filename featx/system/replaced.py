"""What a result may replace: an earlier one of its own kind, and no other file."""

from pathlib import Path

from featx.errors import OutputError
from featx.system.files import check_file, writing_to


def check_replaced(path: Path, beginning: bytes, what: str, option: str) -> None:
    """Make sure, without leaving anything behind, that a file can be written, and that what it replaces is an earlier one.

    A file of another kind must not be lost to a slip of the fingers.

    Parameters
    ----------
    path : Path
        The file.
    beginning : bytes
        How every file of that kind begins.
    what : str
        What a file that begins otherwise is: ``"is not a log of featx"``.
    option : str
        Where the user gives another path: ``--log``.

    Raises
    ------
    OutputError
        If it cannot be written, or a file stands there that begins otherwise.
    """
    with writing_to(path, f"Give another {option}."):
        check_file(path)
        foreign = path.exists() and _begins(path, len(beginning)) != beginning
    if foreign:
        raise OutputError(f"{path}: exists and {what}. Give another {option}, or delete it.")


def _begins(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)
