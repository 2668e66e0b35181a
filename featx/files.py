"""Files that are whole or absent: atomic replace, fsync, advisory lock, content digest."""

import contextlib
import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from featx.errors import CacheLocked

DIGEST_BYTES = 32
"""Length of a content digest (SHA-256) [bytes]."""

TEMPORARY_PREFIX = ".tmp-"
"""Every unfinished file starts with this, so that it can be told from a finished one and swept."""


def content_digest(data: bytes) -> bytes:
    """Return the SHA-256 of the bytes of a file: 32 bytes, the identity of an image."""
    return hashlib.sha256(data).digest()


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file without holding it in memory.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def sync_file(path: Path) -> None:
    """Force a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk: a rename is durable only after this."""
    sync_file(folder)


def temporary_sibling(path: Path) -> Path:
    """Return an unused name beside ``path``, on the same file system, so that a rename is atomic."""
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(4).hex()}{path.suffix}")


def publish(temporary: Path, final: Path) -> None:
    """Give a finished temporary file its final name, durably.

    A final name therefore always means a whole file: either the old one or the new one, never a mix.
    """
    sync_file(temporary)
    temporary.replace(final)
    sync_folder(final.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name; it takes its place only if the block ends without error.

    Yields
    ------
    temporary : Path
        Where the block writes.
    """
    temporary = temporary_sibling(path)
    try:
        yield temporary
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep_temporaries(folder: Path) -> None:
    """Delete the unfinished files of dead writers. Call it only while holding the folder's lock."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold an advisory lock on a file; the kernel drops it when the process dies, however it dies.

    Parameters
    ----------
    path : Path
        The lock file, made if absent. It stays: deleting it would let two writers in.
    wait : bool
        Wait for the holder instead of raising.

    Raises
    ------
    CacheLocked
        If another process holds it and ``wait`` is false.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "another process"
            raise CacheLocked(f"{path.parent}: is being written by {holder}. Wait for it to end, or give --wait.") from None
        os.ftruncate(descriptor, 0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {started}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
