"""What a file is by its first bytes, of the kinds that are no images: arrays, archives, tables, documents."""

import contextlib
import dataclasses
import gzip
import shlex
import zipfile
from pathlib import Path
from typing import Literal

from featx.system.regular import open_regular
from featx.system.zipped import opened_zip

LFS_POINTER = b"version https://git-lfs."
"""How the small text begins that Git leaves in a file's place where Git LFS has not fetched the file."""

What = Literal["pointer", "empty", "cut short", "array", "archive", "list", "workbook", "network", "hdf5", "document", "model"]

_BEGINNING = 512

_MAGIC: tuple[tuple[int, bytes, What, str], ...] = (
    (0, LFS_POINTER, "pointer", "a pointer of Git LFS"),
    (0, b"\x93NUMPY", "array", "a NumPy array (.npy)"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 file"),
    (0, b"PAR1", "list", "a Parquet table"),
    (257, b"ustar", "archive", "a tar archive"),
    (0, b"BZh", "archive", "a bzip2 file"),
    (0, b"\xfd7zXZ\0", "archive", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "archive", "a Zstandard file"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "archive", "a RAR archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document", "a file of an old Office (.xls, .doc)"),
    (0, b"%PDF", "document", "a PDF file"),
    (4, b"TFL3", "network", "a TensorFlow Lite network"),
)

# Of zips: the member that tells, and what it tells. The first that fits counts.
_IN_ZIPS: tuple[tuple[str, What, str], ...] = (
    ("model.json", "model", "a model"),
    ("model.weights.h5", "network", "a Keras network"),
    ("xl/workbook.xml", "workbook", "an Excel workbook"),
    ("word/document.xml", "document", "a Word document"),
    ("content.xml", "document", "an OpenDocument file"),
    ("data.pkl", "network", "a PyTorch file"),
)

_LISTS = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")


@dataclasses.dataclass(frozen=True)
class Container:
    """What a file is.

    Parameters
    ----------
    kind : str
        One word for what can be done with it.
    name : str
        What it is, with its article.
    unpack : str
        Of an archive: the command that unpacks it, for a shell.
    inside : str
        Of an archive: the file or folder that the command makes.
    """

    kind: What
    name: str
    unpack: str = ""
    inside: str = ""


def container_of(path: Path) -> Container | None:
    """Tell what a regular file is by its first bytes, and a zip by its members; None for anything else.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with open(open_regular(path), "rb") as file:  # noqa: PTH123 - of a descriptor
        head = file.read(_BEGINNING)
    if not head:
        return Container("empty", "empty")
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _zip_of(path)
    if head.startswith(b"\x1f\x8b"):
        return _gzip_of(path)
    for at, magic, kind, name in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return Container(kind, name, *(_how_to_unpack(path, name) if kind == "archive" else ()))
    return None


def _zip_of(path: Path) -> Container:
    if not zipfile.is_zipfile(path):
        return Container("cut short", "a model" if path.suffix == ".featx" else "a zip archive")
    names: list[str] = []
    with contextlib.suppress(OSError, ValueError), opened_zip(path) as archive:  # a list that is too long: of many images
        names = archive.namelist()
    for member, kind, name in _IN_ZIPS:
        if member in names:
            return Container(kind, name)
    if names and all(name.endswith(".npy") for name in names):
        return Container("array", "a file of NumPy arrays (.npz)")
    source = shlex.quote(str(path))
    if len(names) == 1 and names[0].lower().endswith(_LISTS):
        return Container("archive", "a zipped list", f"unzip {source}", names[0])
    folder = _unused(path.with_suffix(""))
    return Container("archive", "a zip archive", f"unzip {source} -d {shlex.quote(folder)}", folder)


def _gzip_of(path: Path) -> Container:
    with contextlib.suppress(OSError, EOFError), gzip.open(path) as file:
        if file.read(_BEGINNING)[257:262] == b"ustar":
            return Container("archive", "a tar archive", *_how_to_unpack(path, "a tar archive"))
    # Not with_suffix: of list.csv.gz the list is list.csv, of list.gz it is list.
    return Container("archive", "a gzip file", f"gunzip --keep {shlex.quote(str(path))}", str(path.with_suffix("")))


def _how_to_unpack(path: Path, name: str) -> tuple[str, str]:
    """Return the command that unpacks an archive, and what it makes."""
    source = shlex.quote(str(path))
    stem = path.with_suffix("")
    is_tar = name == "a tar archive" or stem.suffix == ".tar" or path.suffix in (".tbz2", ".txz")
    folder = _unused(stem.with_suffix("") if stem.suffix == ".tar" else stem)
    target = shlex.quote(folder)
    if is_tar:
        return f"mkdir {target} && tar -xf {source} -C {target}", folder
    if name == "a 7z archive":
        return f"7z x {source} -o{target}", folder
    if name == "a RAR archive":
        return f"unrar x {source} {target}/", folder
    tool = {"a bzip2 file": "bunzip2", "an xz file": "unxz", "a Zstandard file": "unzstd"}[name]
    return f"{tool} --keep {source}", str(stem)


def _unused(folder: Path) -> str:
    """Return a name to unpack into: not that of a folder that has files of its own."""
    return f"{folder}-unpacked" if folder.exists() else str(folder)
