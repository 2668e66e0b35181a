"""What may stand where a path is wanted: one rule for every function that takes a file or a folder."""

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from featx.errors import FeatxError
from featx.system.kinds import plain, shown

StrPath = str | os.PathLike[str]
"""A path: text, ``Path``, or a result or object that stands for the file or folder that it came from."""

MODEL = "a model file's path, a Model, or the result of a fit"
CACHE = "a cache's path, a FeatureCache, or the result of an extract"
WEIGHTS = "a path, or imagenet, random or random:SEED"

_LONGEST_NAME = 80
"""No file system refuses a shorter one: 255 bytes of a name, of which a letter takes up to three."""


def as_path(name: str, value: object, error: type[FeatxError], wanted: str = "a path") -> Path:
    """Return a path for what was given for an argument.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : object
        Text, a ``Path``, or anything that knows its path: a model, a cache, the result of a fit or of an extract.
    error : type of FeatxError
        What to raise.
    wanted : str
        What it may be, for the message.

    Raises
    ------
    FeatxError
        Of that type, with the argument's name and what was received.
    """
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str) and path:  # an empty one would be the current folder
            if fault := _fault(path):
                raise error(f"{name} {shown(path)}: {fault}.", wrong_value=True)
            if _is_too_long(path):
                said = f"{path[:_LONGEST_NAME]}…: {os.strerror(errno.ENAMETOOLONG)}, given for {name}"
                raise error(f"{said}. Give another {name.upper()}.")
            return Path(path)
    raise error(f"{name} must be {wanted}. Received: {shown(value)}.", wrong_value=True)


def _fault(path: str) -> str:
    """Say why nothing can have a path anywhere."""
    try:
        return "holds a NUL, which no path can" if b"\0" in os.fsencode(path) else ""
    except UnicodeEncodeError:
        return "holds characters that no path can"


def _is_too_long(path: str) -> bool:
    """Return whether the system takes no such path, which every call that is given it would say in its own words."""
    if len(path) <= _LONGEST_NAME:
        return False
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def as_path_or_none(name: str, value: object, error: type[FeatxError], wanted: str = "a path, or None") -> Path | None:
    """Return what ``as_path`` does, and None for None and an empty text."""
    if value is None or (isinstance(value, str) and not value):
        return None
    return as_path(name, value, error, wanted)


def as_paths(name: str, value: object, error: type[FeatxError], hint: str = "") -> list[Path]:
    """Return the paths for an argument that takes one or many; parameters and errors as for ``as_path``.

    Parameters
    ----------
    hint : str
        A sentence behind the message: what to do with something else.
    """
    value = plain(value)
    if isinstance(value, str | os.PathLike):
        return [as_path(name, value, error)]
    if isinstance(value, bytes | bytearray | memoryview | Mapping) or not isinstance(value, Iterable):
        raise error(f"{name} must be a path, or several. Received: {shown(value)}.{hint}", wrong_value=True)
    found = []
    for place, one in enumerate(value):
        if not isinstance(one, str | os.PathLike):
            raise error(f"{name}[{place}] must be a path. Received: {shown(one)}.{hint}", wrong_value=True)
        found.append(as_path(f"{name}[{place}]", one, error))
    return found


def near_path(path: str) -> str:
    """Return a path as the user would type it: from the current folder, if it lies below that; that itself as it is called."""
    with contextlib.suppress(ValueError, OSError):
        near = str(Path(path).relative_to(Path.cwd()))
        return path if near == "." else near
    return path
