"""The files that locks are held on: made for the whole group, opened so that no link of another user's leads astray."""

import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from featx.errors import CacheLocked, CacheUnsafe, CacheWriteError
from featx.system.locks import holding
from featx.system.regular import AS_BYTES, NO_FOLLOW, is_own, kind_of, open_regular

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


@contextlib.contextmanager
def locked(path: Path, wait: bool = False, shared_by: str = "") -> Iterator[None]:
    """Hold an advisory lock on a file; the kernel drops it when the process dies, however it dies.

    Parameters
    ----------
    path : Path
        The lock file, made if absent. It stays: deleting it would let two writers in.
    wait : bool
        Wait for the holder instead of raising.
    shared_by : str
        Share the lock with others that share it, and keep out those that do not; the text names what they all are. Where the
        file system has no locks, go on without: a holder of a shared lock must do nothing that other holders could spoil.

    Raises
    ------
    CacheLocked
        If another process holds it and ``wait`` is false.
    CacheWriteError
        If the file system has no locks and the lock is not to be shared, or the lock belongs to a user who keeps it.
    CacheUnsafe
        If something else than a regular file stands there.
    """
    with contextlib.ExitStack() as stack:
        descriptor = open_lock(path)
        stack.callback(os.close, descriptor)
        try:
            stack.enter_context(holding(path, descriptor, shared=bool(shared_by), wait=wait))
        except BlockingIOError:
            noted = os.read(descriptor, 300).decode("utf-8", "replace")
            holder = noted.partition("\n")[0].strip() or "another process"
            raise CacheLocked(f"{path.parent}: is being written by {holder}. Wait for it to end, or give --wait.") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            if not shared_by:
                raise CacheWriteError(
                    f"{path.parent}: its file system has no locks ({error.strerror}), which keep two writers apart. "
                    "Give a --cache on another one; parts that were extracted here, featx merge joins there."
                ) from None
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        own = f"process {os.getpid()} on {socket.gethostname()} since {started}"
        text = f"{shared_by}, the last to start being {own}" if shared_by else own
        # A file with a second name may be somebody's own; one of another user may be readable alone.
        if os.fstat(descriptor).st_nlink == 1:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                with open(descriptor, "wb", buffering=0, closefd=False) as file:
                    file.write(f"{text}\n".encode())
        yield


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
