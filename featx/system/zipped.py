"""Zips of stored members, written by featx and read from anywhere: nothing is unpacked, so nothing can grow."""

import contextlib
import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from featx.system.durable import make_folder
from featx.system.files import replacing
from featx.system.regular import open_regular

# A fixed date: the same members give the same file.
_DATE = (1980, 1, 1, 0, 0, 0)

_LOCAL_HEADER = 30  # bytes before a member's name

# What zipfile raises, beside OSError, for bytes that are no zip or a zip that it cannot read.
_NO_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OverflowError, MemoryError, struct.error)


_LARGEST_DIRECTORY = 4_000_000
"""Bytes of a zip's list of members. In memory each takes some ten times as much; 5,000 take half a megabyte."""


class _Limited(io.BufferedReader):
    """A file of which no more than so many bytes are read at once: zipfile reads the list of members in one piece."""

    most: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as ever, or refuse to."""
        if self.most is not None and size is not None and size > self.most:
            raise ValueError("its list of members is far longer than featx writes")
        return super().read(size)


@contextlib.contextmanager
def opened_zip(file: Path | io.FileIO | io.BytesIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose list of members takes little memory.

    Parameters
    ----------
    file : Path or binary file
        A path; or a file of no buffer of its own, which is closed.

    Raises
    ------
    ValueError
        If it is no zip, or its list is longer than any that featx writes.
    OSError
        If it cannot be read.
    """
    raw = open(open_regular(file), "rb", buffering=0) if isinstance(file, Path) else file  # noqa: PTH123, SIM115
    with _Limited(raw) as limited:
        try:
            limited.most = _LARGEST_DIRECTORY
            with zipfile.ZipFile(limited) as archive:
                limited.most = None
                yield archive
        except _NO_ZIP as error:
            raise ValueError(str(error) or type(error).__name__) from error


def write_members(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip of stored members in their order, atomically; make its folder where there is none.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    make_folder(path.parent)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)


def read_members(path: Path | io.FileIO | io.BytesIO, most: int, largest: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Read all members of a zip such as ``write_members`` makes; they take no more memory than the file has bytes.

    Parameters
    ----------
    path : Path or binary file
        As for ``opened_zip``.
    most : int
        Number of members at most.
    largest : mapping of str to int or None
        Bytes that a member of this name may have at most.

    Raises
    ------
    ValueError
        If it is no such zip: compressed, encrypted or overlapping members, more bytes in them than in the file, a name twice,
        or a member whose checksum does not fit.
    OSError
        If it cannot be read.
    """
    with opened_zip(path) as archive:
        infos = archive.infolist()
        if len(infos) > most or len({info.filename for info in infos}) != len(infos):
            raise ValueError("it has too many members, or one twice")
        _check_places(infos, archive.start_dir)
        for name, limit in (largest or {}).items():
            if any(info.filename == name and info.file_size > limit for info in infos):
                raise ValueError(f"its {name} is far larger than featx writes")
        return {info.filename: archive.read(info) for info in infos}


def has_member(path: Path, name: str) -> bool:
    """Tell whether a file is a zip with such a member, even one that ``read_members`` would refuse."""
    try:
        with opened_zip(path) as archive:
            return name in archive.namelist()
    except (OSError, ValueError):
        return False


def _check_places(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Make sure that members are stored one after the other, each in bytes of its own.

    Of a stored member too zipfile believes the size that its entry gives, and makes room for it.
    """
    free = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        begins = info.header_offset
        fits = free <= begins and begins + _LOCAL_HEADER + info.file_size <= end
        if not stored or not fits or info.flag_bits & 1:
            raise ValueError(f"its member {info.filename!r} is compressed, encrypted, inside another or larger than the file")
        free = begins + _LOCAL_HEADER + info.file_size
