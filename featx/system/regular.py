"""Opening files that somebody else may have put there: regular files alone, looked at before they are opened and after.

A pipe would block for ever, ``/dev/zero`` would fill the memory, and opening a device can set it going.
"""

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_MOST_LINKS = 40
"""In a row; Linux follows no more."""

# Windows has neither; there a pipe has no place in a folder, and making a link takes rights of its own.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
AS_BYTES = getattr(os, "O_BINARY", 0)  # which else would turn line ends


def kind_of(mode: int) -> str:
    """Name what stands at a path, from its mode."""
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")


def is_own(status: os.stat_result) -> bool:
    """Return whether a file is this user's. Windows numbers no users: there its own rights decide."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def open_regular(path: Path, flags: int = os.O_RDONLY, *, follow: bool = True, within: int | None = None) -> int:
    """Open a file that exists; return its descriptor.

    Parameters
    ----------
    path : Path
        The file.
    flags : int
        As for ``os.open``.
    follow : bool
        Whether a symbolic link at the end of the path is followed.
    within : int or None
        Descriptor of the folder that the path begins in.

    Raises
    ------
    OSError
        If it is anything but a regular file, or cannot be opened.
    """
    _check(path, os.stat(path, dir_fd=within, follow_symlinks=follow).st_mode)
    flags |= AS_BYTES | _NO_WAIT | getattr(os, "O_CLOEXEC", 0) | (0 if follow else NO_FOLLOW)
    descriptor = os.open(path, flags, dir_fd=within)
    try:
        _check(path, os.fstat(descriptor).st_mode)  # it may have been replaced since
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, *, follow: bool = True) -> bytes:
    """Return the content of a file; parameters and errors as for ``open_regular``."""
    with open(open_regular(path, follow=follow), "rb") as file:
        return file.read()


def read_at(descriptor: int, n_bytes: int, start: int) -> bytes:
    """Return bytes from a place in a file, fewer at its end; on Windows, which has no call for both, its position moves."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, n_bytes, start)
    os.lseek(descriptor, start, os.SEEK_SET)
    return os.read(descriptor, n_bytes)


def check_links(path: Path) -> None:
    """Follow the links at the end of a path as far as Linux would let a program that opens it (``fs.protected_symlinks``).

    Renaming opens nothing: through another user's link in ``/tmp`` it would replace a file of one's own.

    Raises
    ------
    PermissionError
        If another user has put one of the links into a folder that everybody may write.
    """
    shared = stat.S_ISVTX | stat.S_IWOTH
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            return
        folder, link = path.parent.stat(), path.lstat()
        if folder.st_mode & shared == shared and not is_own(link) and link.st_uid != folder.st_uid:
            raise PermissionError(errno.EACCES, "is another user's link in a folder that everybody may write", str(path))
        path = path.parent / path.readlink()


def _check(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"is {kind_of(mode)}, not a regular file", str(path))
