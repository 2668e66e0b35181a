"""Zips of stored members, written by featx and read from anywhere: nothing is unpacked, so nothing can grow."""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from featx.system.durable import make_folder
from featx.system.files import replacing

# A fixed date: the same members give the same file.
_DATE = (1980, 1, 1, 0, 0, 0)

_LOCAL_HEADER = 30  # bytes before a member's name

# What zipfile raises, beside OSError, for bytes that are no zip or a zip that it cannot read.
_NO_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OverflowError, MemoryError, struct.error)


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


def read_members(path: Path | IO[bytes], most: int, largest: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Read all members of a zip such as ``write_members`` makes; they take no more memory than the file has bytes.

    Parameters
    ----------
    path : Path or binary file
        The file.
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
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > most or len({info.filename for info in infos}) != len(infos):
                raise ValueError("it has too many members, or one twice")
            _check_places(infos, archive.start_dir)
            for name, limit in (largest or {}).items():
                if any(info.filename == name and info.file_size > limit for info in infos):
                    raise ValueError(f"its {name} is far larger than featx writes")
            return {info.filename: archive.read(info) for info in infos}
    except _NO_ZIP as error:
        raise ValueError(str(error) or type(error).__name__) from error


def has_member(path: Path, name: str) -> bool:
    """Tell whether a file is a zip with such a member, even one that ``read_members`` would refuse."""
    try:
        with zipfile.ZipFile(path) as archive:
            return name in archive.namelist()
    except (OSError, ValueError, *_NO_ZIP):
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
