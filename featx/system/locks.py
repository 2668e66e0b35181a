"""Locks on files, which the system drops when the process that holds one dies, however it dies."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# SQLite waits in one call, which Ctrl-C does not end.
_ONE_WAIT_SECONDS = 0.5


@contextlib.contextmanager
def holding(path: Path, descriptor: int, *, shared: bool, wait: bool) -> Iterator[None]:
    """Hold a lock on an open file.

    The lock is ``flock`` where the system has it. Elsewhere it is an SQLite database beside the file, ``<name>.db``, locked
    through filelock: Windows would keep others from reading a locked file, and so from learning who holds it. The two know
    nothing of each other: one cache must not be written from Windows and from another system at once.

    Parameters
    ----------
    path : Path
        The file.
    descriptor : int
        Of the file, open for reading and writing. Closing it drops the lock.
    shared : bool
        Share the lock with others who share it.
    wait : bool
        Wait for the holder.

    Raises
    ------
    BlockingIOError
        If another process holds the lock and ``wait`` is false.
    OSError
        If there are no locks here: ``ENOLCK``, ``ENOSYS``, ``EOPNOTSUPP``.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    else:
        with _database(path.with_name(f"{path.name}.db"), shared, wait):
            yield


@contextlib.contextmanager
def _database(path: Path, shared: bool, wait: bool) -> Iterator[None]:
    try:
        import sqlite3

        from filelock import ReadWriteLock, Timeout
    except ImportError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(path)) from None
    lock = ReadWriteLock(path, is_singleton=False)
    acquire = lock.acquire_read if shared else lock.acquire_write
    try:
        while True:
            try:
                acquire(_ONE_WAIT_SECONDS, blocking=wait)
                break
            except Timeout:
                if not wait:
                    raise BlockingIOError(errno.EAGAIN, "held by another process", str(path)) from None
            except (sqlite3.Error, ValueError) as error:  # the file system has no locks, or the file is no such database
                raise OSError(errno.ENOLCK, f"no lock can be had: {error}", str(path)) from error
        yield
    finally:
        lock.close()
