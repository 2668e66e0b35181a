"""Changes to folders that outlive a power cut: each is forced to the disk before the call returns.

A file comes by `featx.system.files.replacing`: temporary sibling, fsync, rename, fsync of the folder. Whatever else happens to
names, a new folder, a mark, a move, a deletion, happens here: nothing else in featx calls the system for it.
"""

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from featx.system.files import sync_folder


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing; force each new entry, up to the first folder that was there.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    missing = []
    above = folder.absolute()
    while not above.exists():
        missing.append(above)
        above = above.parent
    folder.mkdir(parents=True, exist_ok=True)  # raises where a file stands in the way
    for made in missing:
        sync_folder(made.parent)


def put_mark(path: Path) -> None:
    """Make an empty file, if there is none, whose presence says something.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    path.touch()
    sync_folder(path.parent)


def delete(*paths: Path) -> None:
    """Delete files, those of them that are there.

    Raises
    ------
    OSError
        If one cannot be deleted; those before it are gone.
    """
    _remove(paths, Path.unlink)


def delete_empty(folder: Path) -> None:
    """Delete a folder if it is there and empty."""
    with contextlib.suppress(OSError):  # somebody keeps files in it
        _remove([folder], Path.rmdir)


def _remove(paths: Iterable[Path], how: Callable[[Path], None]) -> None:
    changed = []
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                how(path)
                changed.append(path.parent)
    finally:
        for folder in dict.fromkeys(changed):
            sync_folder(folder)


def move(path: Path, target: Path) -> None:
    """Give a file or folder another name on the same file system; a file that has that name is replaced.

    Raises
    ------
    OSError
        If it cannot be moved.
    """
    path.replace(target)
    # The new name first: with only the old one's going forced, a power cut would leave none.
    for folder in dict.fromkeys((target.parent, path.parent)):
        sync_folder(folder)


def exchange(new: Path, place: Path, kept: Path) -> None:
    """Put a file or folder in place of another, which is kept under a third name, all on one file system.

    On Linux a file or a folder stands at ``place`` at every instant. Where names cannot be exchanged, that holds for files; a
    folder that cannot even be renamed is copied to the third name, and then deleted.

    Raises
    ------
    OSError
        If it cannot be done.
    """
    if _exchanged(new, place):
        try:
            new.rename(kept)
        except BaseException:  # Ctrl-C too: what stood there must not be taken for the new one, and deleted as such
            _exchanged(new, place)
            raise
    elif place.is_dir() or new.is_dir():
        _set_aside(place, kept)
        new.rename(place)
    else:
        os.link(place, kept)
        new.replace(place)
    for folder in dict.fromkeys((place.parent, kept.parent, new.parent)):
        sync_folder(folder)


def _set_aside(place: Path, kept: Path) -> None:
    """Rename a file or folder; overlayfs refuses that for folders of the layers below, as of a container's image."""
    try:
        place.rename(kept)
    except OSError as error:
        if error.errno != errno.EXDEV or not place.is_dir():
            raise
        shutil.copytree(place, kept, symlinks=True)
        shutil.rmtree(place)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two names change places in one step; return whether the system can."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), both) == 0


def link(path: Path, target: Path) -> None:
    """Give a file a second name.

    Raises
    ------
    OSError
        If that name is taken, or the file system refuses.
    """
    os.link(path, target)
    sync_folder(target.parent)


def discard(path: Path) -> None:
    """Delete a temporary file or folder, if it is there; unforced, for what comes back is swept by the next writer."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
