"""Files that are whole or absent: atomic replace, fsync, advisory lock, content digest."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from featx.errors import FeatxError, OutputError
from featx.system.regular import check_links, open_regular

DIGEST_BYTES = 32
"""Length of a content digest (SHA-256) [bytes]."""

TEMPORARY_PREFIX = ".tmp-"
"""Every unfinished file starts with this, which distinguishes it from a finished file and lets it be swept."""

_FORSAKEN_SECONDS = 86_400.0
"""A temporary file that was not written to for so long is nobody's, also where its writer may run on another machine."""

_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})

# Windows opens no folder, and forces to the disk only what is open for writing.
_OPENS_FOLDERS = hasattr(os, "O_DIRECTORY")
_TO_SYNC = os.O_RDONLY if _OPENS_FOLDERS else os.O_RDWR


@contextlib.contextmanager
def writing_to(path: Path, remedy: str, error: type[FeatxError] = OutputError) -> Iterator[None]:
    """Turn the system's refusal to write into an error of the given type.

    Parameters
    ----------
    path : Path
        The file or folder, as the user knows it.
    remedy : str
        What to do, a sentence or two.
    error : type
        Type of the error to raise.

    Raises
    ------
    FeatxError
        Of that type, for any ``OSError`` inside the block.
    """
    with _refusal_named(path, "written", remedy, error):
        yield


@contextlib.contextmanager
def reading_from(path: Path, remedy: str, error: type[FeatxError]) -> Iterator[None]:
    """Turn the system's refusal to read into an error of the given type; parameters and errors as for ``writing_to``."""
    with _refusal_named(path, "read", remedy, error):
        yield


@contextlib.contextmanager
def _refusal_named(path: Path, done: str, remedy: str, error: type[FeatxError]) -> Iterator[None]:
    try:
        yield
    except OSError as refusal:
        raise error(f"{path}: cannot be {done}: {refusal.strerror or refusal}. {remedy}") from refusal


def content_digest(data: bytes | memoryview) -> bytes:
    """Return the SHA-256 of the bytes of a file: 32 bytes, the identity of an image."""
    return hashlib.sha256(data).digest()


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file without holding it in memory.

    Raises
    ------
    OSError
        If it cannot be read, or is a pipe or a device, which might never end.
    """
    with open(open_regular(path), "rb") as file:  # noqa: PTH123 - of a descriptor
        return hashlib.file_digest(file, "sha256").digest()


def sync_file(path: Path) -> None:
    """Force a file's bytes to the disk."""
    descriptor = os.open(path, _TO_SYNC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk: a rename is durable only after this, where the system can do it at all."""
    if not _OPENS_FOLDERS:
        return  # Windows keeps a log of its entries
    try:
        sync_file(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def temporary_sibling(path: Path) -> Path:
    """Return an unused name beside ``path``, on the same file system, so that a rename is atomic."""
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(4).hex()}{path.suffix}")


def is_temporary(name: str) -> bool:
    """Return whether a name is one that ``temporary_sibling`` gives."""
    return re.fullmatch(re.escape(TEMPORARY_PREFIX) + r"\d+-[0-9a-f]{8}(\..*)?", name) is not None


def publish(temporary: Path, final: Path) -> None:
    """Give a finished temporary file its final name, durably.

    A final name therefore always means a whole file: either the old file or the new file, never a mix.
    """
    sync_file(temporary)
    temporary.replace(final)
    sync_folder(final.parent)


def final_file(path: Path) -> Path:
    """Return the file that a write to ``path`` makes or replaces: ``path`` itself, or what it links to.

    Raises
    ------
    OSError
        If a folder, a device or anything else but a regular file stands there, or a link that another user has put into a
        folder that everybody may write, such as ``/tmp``.
    """
    check_links(path)
    with contextlib.suppress(FileNotFoundError):
        # Asked of the path as given, not of where it leads: /dev/stdout leads to a name that only the kernel can open.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return Path(os.path.realpath(path))


def check_folder(folder: Path) -> None:
    """Make sure, without leaving anything behind, that files can be made in a folder, which need not exist yet.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    nearest = folder.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    # Trying beats asking for permission: only a try knows of read-only and full disks. The file has no name and goes at once.
    with tempfile.TemporaryFile(dir=nearest):
        pass


def check_file(path: Path) -> None:
    """Make sure, without leaving anything behind, that `replacing` can write ``path`` once its folder has been made.

    Raises
    ------
    OSError
        If its folder cannot be made or written, or something else than a regular file stands there.
    """
    check_folder(final_file(path).parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name; it takes its place only if the block ends without error.

    It has the mode of the file that it replaces, from its first byte on, and its owner and group where the system lets us.

    Yields
    ------
    temporary : Path
        Where the block writes.

    Raises
    ------
    OSError
        If a folder, a device or anything else but a regular file stands there. A link is followed.
    """
    final = final_file(path)
    temporary = temporary_sibling(final)
    before = final.stat() if final.exists() else None
    try:
        if before:
            _begin_as(before, temporary)
        yield temporary
        if before and temporary.stat().st_mtime_ns == 0:
            temporary.unlink()  # nothing was written: an error, and no empty file in the place of what was there
        elif before:
            keep_owner_and_mode(before, temporary)
        publish(temporary, final)
        _sweep_forsaken(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep_forsaken(folder: Path) -> None:
    """Delete what killed writers left in a folder that has no lock, as it may hold anything: packed files are large."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not is_temporary(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            found = entry.stat(follow_symlinks=False)
            untouched = time.time() - max(found.st_mtime, found.st_ctime)
            if untouched > _FORSAKEN_SECONDS and not _runs(int(entry.name.split("-")[1])):
                Path(entry.path).unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Tell whether a process of that number runs here."""
    if os.name == "nt":
        return True  # to ask there is to end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


@contextlib.contextmanager
def replacing_text(path: Path) -> Iterator[IO[str]]:
    """Yield a UTF-8 text file for ``csv`` and its like, which replaces ``path`` as ``replacing`` does.

    What is no text, such as the bytes of a file name, is written as escapes.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        yield file


def _begin_as(before: os.stat_result, temporary: Path) -> None:
    """Make an empty file with owner, group and mode of the one that it is to replace; its mtime is 0 until it is written."""
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    keep_owner_and_mode(before, temporary)
    temporary.chmod(temporary.stat().st_mode | stat.S_IWUSR)  # a file that may only be read can be replaced, too
    os.utime(temporary, (0, 0))


def keep_owner_and_mode(before: os.stat_result, new: Path) -> None:
    """Give a new file or folder owner, group and mode of what it replaces; owner and group where the system lets us."""
    found, mode = new.stat(), stat.S_IMODE(before.st_mode)
    if (found.st_uid, found.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.chown(new, before.st_uid, before.st_gid)
        except OSError:
            with contextlib.suppress(OSError):  # giving a file away takes root; a group of one's own does not
                os.chown(new, -1, before.st_gid)
        if new.stat().st_gid != before.st_gid:
            mode &= ~0o070 | (mode & 0o007) << 3  # what the group could do, another one may only as far as everybody
    new.chmod(mode)


def sweep_temporaries(folder: Path) -> None:
    """Delete the unfinished files of dead writers, not folders of such a name. Call it only while holding the folder's lock."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if leftover.is_symlink() or not leftover.is_dir():
            leftover.unlink(missing_ok=True)
