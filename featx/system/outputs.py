"""Where results go: an earlier result of the same kind is replaced, and that is told; no other file ever is."""

import contextlib
import contextvars
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from featx.errors import OutputError
from featx.system.addresses import address_of, how_to_write
from featx.system.files import check_file, check_folder, final_file, writing_to
from featx.system.paths import StrPath, as_path_or_none

Tell = Callable[[str], None]
"""Takes a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """Files of one kind that featx writes, and how one is told from all other files.

    Parameters
    ----------
    name : str
        With its article, of one that is replaced: ``"an earlier model"``. Empty where nothing is to be told of it.
    foreign : str
        What any other file is: ``"is not a featx model"``.
    beginnings : sequence of bytes
        How files of the kind begin, each in one of these ways.
    is_one : callable or None
        Tells whether a file is of the kind, where beginnings do not.
    or_empty : bool
        Whether an empty file may be replaced too: nothing is in it.
    """

    name: str
    foreign: str
    beginnings: Sequence[bytes] = ()
    is_one: Callable[[Path], bool] | None = None
    or_empty: bool = False

    def has(self, path: Path) -> bool:
        """Tell whether a file that exists may be replaced by one of this kind."""
        if self.is_one:
            return self.is_one(path)
        with path.open("rb") as file:
            found = file.read(max(map(len, self.beginnings)))
        return found.startswith(tuple(self.beginnings)) or (self.or_empty and not found)


_teller: contextvars.ContextVar[Tell | None] = contextvars.ContextVar("teller", default=None)


@contextlib.contextmanager
def telling(tell: Tell) -> Iterator[None]:
    """Have it told what is replaced, each once, for as long as the block runs."""
    told = set()

    def tell_once(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    token = _teller.set(tell_once)
    try:
        yield
    finally:
        _teller.reset(token)


def tell_replaced(text: str) -> None:
    """Tell, where somebody listens, that something of featx' own is replaced or moved."""
    if tell := _teller.get():
        tell(text)


def as_result_path(name: str, value: object, inside: str, wanted: str = "a path, or None") -> Path | None:
    """Return the file for an output that was asked for; None for None and an empty text.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
        A path. Of a folder, one that is there or a text that ends in a slash, it is a file inside.
    inside : str
        The name of that file.
    wanted : str
        What the value may be, for the message.

    Raises
    ------
    OutputError
        If it is no path.
    """
    path = as_path_or_none(name, value, OutputError, wanted)
    if path is None:
        return None
    of_folder = isinstance(value, str) and value.endswith(("/", os.sep)) and path != Path(path.anchor)
    # os.path: a name that is too long is no folder.
    return path / inside if of_folder or os.path.isdir(path) else path  # noqa: PTH112


def check_result_file(path: Path, kind: Kind, option: str) -> None:
    """Make sure, without leaving anything behind, that a file can be written, and that what it replaces is an earlier one.

    A file of another kind must not be lost to a slip of the fingers. It is cheap, to be asked before the work.

    Parameters
    ----------
    path : Path
        The file.
    kind : Kind
        What is to be written.
    option : str
        Where the user gives another path: ``--log``.

    Raises
    ------
    OutputError
        If it cannot be written, or a file of another kind stands there.
    """
    refuse_address(path)
    with writing_to(path, f"Give another {option}."):
        check_file(path)
        stands = path.exists()
        is_foreign = stands and not kind.has(path)
        is_empty = stands and not path.stat().st_size
    if is_foreign:
        raise OutputError(f"{path}: exists and {kind.foreign}. Give another {option}, or delete it.")
    if stands and not is_empty and kind.name:
        tell_replaced(f"will replace {path}, {kind.name}")


def refuse_address(path: StrPath) -> None:
    """Refuse to write to an address: a folder ``s3:`` would be made.

    Raises
    ------
    OutputError
        With what to do instead.
    """
    if address := address_of(os.fspath(path)):
        raise OutputError(f"{address}: {how_to_write(address)}", wrong_value=True)


_SUFFIXES_OF_FILES = (".html", ".htm", ".csv", ".json", ".png", ".pdf", ".txt")


def check_result_folder(
    folder: Path, names: Sequence[str], marker: str, what: str, kinds: Sequence[tuple[str, Kind]] = ()
) -> None:
    """Make sure that files of these names can be written to a folder; cheap, so that it can be asked before the work.

    Parameters
    ----------
    folder : Path
        It need not exist. Whatever else is in it is left alone.
    names : sequence of str
        Of the files.
    marker : str
        Name of the file that says: those of these names are featx' own.
    what : str
        What they come from, for messages: ``"a featx report"``.
    kinds : sequence of (str, Kind)
        Files that are to be of a kind, marker or not.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or holds a file of such a name that is not featx' own, or a link.
    """
    remedy = "Give another --out."
    refuse_address(folder)
    if folder.suffix.lower() in _SUFFIXES_OF_FILES and not os.path.lexists(folder):
        raise OutputError(
            f"{folder}: is the name of a file; {what} is a folder of several. Give --out {folder.with_suffix('')}, say.",
            wrong_value=True,
        )
    with writing_to(folder, remedy):
        check_folder(folder)
    standing = [folder / name for name in names if os.path.lexists(folder / name)]
    marked = (folder / marker).is_file()
    for place in (folder / name for name in names):
        with writing_to(place, remedy):
            if place in standing and not marked:
                raise OutputError(f"{place}: exists and is not from {what}. {remedy}")
            final_file(place)
    for place in (folder / name for name in (*names, marker)):
        if place.is_symlink():  # a marked folder of somebody else's could lead to any file of the user's
            raise OutputError(f"{place}: is a link; files of {what} are written in their own folder alone. {remedy}")
    for name, kind in kinds:
        with writing_to(folder / name, remedy):
            if folder / name in standing and not kind.has(folder / name):
                raise OutputError(f"{folder / name}: exists and {kind.foreign}. {remedy}")
    if standing:
        tell_replaced(f"will replace the files of an earlier run in {folder}")
