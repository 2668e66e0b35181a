"""The files that locks are held on: made for the whole group, opened so that no link of another user's leads astray."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from featx.errors import CacheLocked, CacheUnsafe, CacheWriteError
from featx.system.locks import holding
from featx.system.regular import AS_BYTES, NO_FOLLOW, is_own, kind_of, open_regular


def open_lock(path: Path) -> int:
    """Open a lock's file for writing, or for reading where it is another user's, which will do; return its descriptor.

    It is made, where there is none, for everybody whom the umask lets in.

    Raises
    ------
    CacheUnsafe
        If something else than a regular file stands there.
    CacheWriteError
        If it belongs to a user who lets nobody else in.
    OSError
        If it cannot be made or opened for another reason.
    """
    with contextlib.suppress(FileExistsError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | AS_BYTES | NO_FOLLOW, 0o666)
    if not stat.S_ISREG(mode := path.lstat().st_mode):
        raise CacheUnsafe(f"{path}: is {kind_of(mode)}, and no lock that featx made. Do not use what it stands in.")
    # Without O_CREAT: in shared folders the kernel refuses that for another user's file.
    with contextlib.suppress(PermissionError):
        return open_regular(path, os.O_RDWR, follow=False)
    try:
        return open_regular(path, follow=False)
    except PermissionError as error:
        raise closed_to_others(path.parent) from error


@contextlib.contextmanager
def taking(path: Path) -> Iterator[None]:
    """Hold a lock that a process of this user's has left; nothing is made or written, so it may be tried in a shared folder.

    Raises
    ------
    CacheLocked
        If a process holds it.
    OSError
        If no file of this user's stands there.
    """
    with contextlib.ExitStack() as stack:
        descriptor = open_regular(path, follow=False)
        stack.callback(os.close, descriptor)
        if not is_own(os.fstat(descriptor)):
            raise PermissionError(errno.EPERM, "belongs to another user", str(path))
        try:
            stack.enter_context(holding(path, descriptor, shared=False, wait=False))
        except BlockingIOError:
            raise CacheLocked(f"{path.parent}: is in use by another process.") from None
        yield


def closed_to_others(folder: Path) -> CacheWriteError:
    """Return the error for a folder that another user made, and that this one may not write."""
    owner = folder.stat().st_uid
    name = str(owner)
    with contextlib.suppress(KeyError, ImportError):  # a user of another machine; Windows
        import pwd

        name = pwd.getpwuid(owner).pw_name
    return CacheWriteError(
        f"{folder}: belongs to user {name}, and not all of it can be written by you. Have that user run: "
        f"chmod -R g+rwX {folder} (and umask 002 before the next featx), or give another --cache."
    )
