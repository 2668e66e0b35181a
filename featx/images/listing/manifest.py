"""A CSV manifest (``path,label[,split]``): what each row says, in the order of the file."""

import codecs
import csv
import io
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from featx.errors import ImageListError, OutputError
from featx.images.listing.walk import real_path
from featx.system.files import is_foreign, reading_from, replacing_text, writing_to

_WANTED = "path,label or path,label,split"

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}

_SAVE_AS_UTF8 = 'Save it as "CSV UTF-8".'

# No class has such a name; an unclosed quote that swallows a part of the file makes one.
_LONGEST_LABEL = 1000


class Manifest(NamedTuple):
    """The rows of a manifest, column by column.

    Parameters
    ----------
    root : Path
        Absolute folder that ``paths`` are relative to.
    paths : list of str
        Relative, with ``/``, without ``.`` and ``..``.
    labels : list of str
        Class names, NFC-normalised; empty where there is none.
    splits : list of str
        Values of ``split_names``; empty where none is given or it is unknown.
    reasons : list of str
        Why a row is rejected, else empty.
    """

    root: Path
    paths: list[str]
    labels: list[str]
    splits: list[str]
    reasons: list[str]


def read_manifest(path: Path, split_names: Mapping[str, str]) -> Manifest:
    """Read a manifest; whether its files exist is not looked at.

    Parameters
    ----------
    path : Path
        CSV file in UTF-8 with a header; columns other than ``path``, ``label`` and ``split`` are passed over.
    split_names : mapping of str to str
        How a split may be called, in lower case, to split.

    Returns
    -------
    manifest : Manifest
        Every row, blank lines apart. ``root`` is the folder of the file, or where a path is absolute or leads out of it,
        the deepest folder that all images lie in.

    Raises
    ------
    ImageListError
        If the file cannot be read, is no such table, or gives no image a label. The message names the line.

    References
    ----------
    RFC 4180, Common Format and MIME Type for Comma-Separated Values (CSV) Files.
    """
    written, labels, splits = _read_columns(path)
    root, paths = _relative_paths(real_path(path.parent), written)
    return Manifest(
        root=Path(root),
        paths=paths,
        labels=labels,
        splits=[split_names.get(split, "") for split in splits],
        reasons=_find_reasons(paths, labels, splits, split_names),
    )


def _read_columns(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Return paths as they are written, labels stripped and normalised, splits stripped and in lower case."""
    rows = _rows(path, _read_utf8(path))
    line, header = next(rows, (1, []))
    path_at, label_at, split_at = _find_columns(path, line, header)
    paths: list[str] = []
    labels: list[str] = []
    splits: list[str] = []
    for line, fields in rows:
        if len(fields) != len(header):
            raise ImageListError(
                f"{path}, line {line}: number of fields is {len(fields)}, but {len(header)} in the header. "
                'Put a path or label with a comma in it between quotes: "a, b.png",cat'
            )
        if not fields[path_at]:
            raise ImageListError(f"{path}, line {line}: the path is empty. Write the image's path, or delete the row.")
        if len(fields[label_at]) > _LONGEST_LABEL:
            raise ImageListError(
                f"{path}, line {line}: the label has {len(fields[label_at]):,} characters, wanted at most {_LONGEST_LABEL:,}. "
                "Look for a quote that is never closed there."
            )
        paths.append(fields[path_at])
        labels.append(unicodedata.normalize("NFC", fields[label_at].strip()))
        splits.append(fields[split_at].strip().lower() if split_at is not None else "")
    if not paths:
        raise ImageListError(f"{path}, line {line}: no rows after the header. Write one row for each image.")
    if not any(labels):
        raise ImageListError(f"{path}: none of its {len(paths):,} rows has a label. Write the class into the label column.")
    return paths, labels, splits


def _read_utf8(path: Path) -> bytes:
    """Return the file's bytes after making sure that they are text, without the byte order mark."""
    with reading_from(path, "Make it readable or give another manifest.", ImageListError):
        data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImageListError(f"{path}, line 1: the file is UTF-16, wanted UTF-8. {_SAVE_AS_UTF8}")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ImageListError(f"{path}, line {_line_of(data, error.start)}: {found}. {_SAVE_AS_UTF8}") from None
    null = data.find(b"\0")
    if null >= 0:
        raise ImageListError(f"{path}, line {_line_of(data, null)}: a NUL byte, which no text contains. {_SAVE_AS_UTF8}")
    return data


def _line_of(data: bytes, position: int) -> int:
    """Return the number of the line that a byte is on, counted as the CSV reader counts."""
    return 1 + len(re.findall(rb"\r\n|\r|\n", data[:position]))


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that a row begins on, and its fields; blank lines are passed over."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), strict=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield line, fields
            # A quoted field may go over several lines.
            line = reader.line_num + 1
    except csv.Error as error:
        raise ImageListError(
            f"{path}, line {line}: the row that begins there is no CSV: {error}. "
            'Close every quote, and write a quote inside quotes twice: "12"" disc.png",record'
        ) from None


def _find_columns(path: Path, line: int, header: list[str]) -> tuple[int, int, int | None]:
    """Return where path, label and split are."""
    if not header:
        raise ImageListError(f"{path}, line 1: the file is empty. Write the header, {_WANTED}, and one row for each image.")
    found = ",".join(header)
    found = repr(found if len(found) <= 100 else found[:100] + "…")
    names = [name.strip().lower() for name in header]
    for name in ("path", "label", "split"):
        if names.count(name) > 1:
            raise ImageListError(
                f"{path}, line {line}: column {name!r} is named {names.count(name)} times in the header {found}, wanted once. "
                "Rename the others."
            )
    for name in ("path", "label"):
        if name not in names:
            separator = next((word for mark, word in _OTHER_SEPARATORS.items() if mark in "".join(header)), "")
            advice = f"It looks separated by {separator}: save it separated by commas." if separator else "Write the header."
            raise ImageListError(f"{path}, line {line}: no column {name!r} in the header {found}, wanted {_WANTED}. {advice}")
    return names.index("path"), names.index("label"), names.index("split") if "split" in names else None


def _relative_paths(folder: str, written: list[str]) -> tuple[str, list[str]]:
    """Return the root and the paths below it, for paths that are relative to a folder or absolute."""
    paths = [posixpath.normpath(path) for path in written]
    if not any(path.startswith(("/", "../")) or path == ".." for path in paths):
        return folder, paths
    # Two slashes at the start are a path of their own to POSIX, and the same as one to Linux and macOS.
    paths = ["/" + posixpath.normpath(posixpath.join(folder, path)).lstrip("/") for path in paths]
    root = posixpath.commonpath({posixpath.dirname(path) for path in paths})
    start = len(root.rstrip("/")) + 1
    return real_path(root), [path[start:] or "." for path in paths]


def _find_reasons(paths: list[str], labels: list[str], splits: list[str], split_names: Mapping[str, str]) -> list[str]:
    """Say of each row why it is rejected; of several rows with one path the first stands."""
    reasons: list[str] = []
    label_of: dict[str, str] = {}
    for path, label, split in zip(paths, labels, splits, strict=True):
        first = label_of.get(path)
        if first is None:
            label_of[path] = label
        if not label:
            reason = "no label in the manifest"
        elif first is not None:
            reason = "listed before in the manifest" + ("" if label == first else " with another label")
        elif split and split not in split_names:
            reason = "unknown split in the manifest"
        else:
            reason = ""
        reasons.append(reason)
    return reasons


_WRITTEN = ("path", "label", "split", "audit_flags")


def check_manifest_path(path: Path) -> None:
    """Make sure that a manifest can be written there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If it cannot, or a file stands there that ``write_manifest`` did not write: a manifest of the user's is none of ours.
    """
    with writing_to(path, "Give another manifest."):
        foreign = is_foreign(path, ",".join(_WRITTEN).encode())
    if foreign:
        raise OutputError(f"{path}: exists and was not written by featx audit. Give another manifest, or delete it.")


def write_manifest(path: Path, root: Path, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Write a manifest that ``read_manifest`` reads, atomically.

    Parameters
    ----------
    path : Path
        The CSV file.
    root : Path
        Absolute folder that the rows' paths are relative to. Written are paths relative to the manifest where it lies above
        all images, else absolute ones.
    rows : sequence of (path, label, split, flags)
        In their order.

    Raises
    ------
    OutputError
        If it cannot be written, or a path is no text: a manifest cannot name it.
    """
    check_manifest_path(path)
    folder = Path(real_path(path.absolute().parent))
    within = folder == root or folder in root.parents
    with writing_to(path, "Give another manifest."):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_text(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_WRITTEN)
            for name, *others in rows:
                place = root / name
                written = str(place.relative_to(folder) if within else place)
                if not written.isascii():
                    _check_is_text(path, written)
                writer.writerow((written, *others))


def _check_is_text(path: Path, written: str) -> None:
    try:
        written.encode()
    except UnicodeEncodeError:
        shown = written.encode("utf-8", "backslashreplace").decode()
        raise OutputError(
            f"{path}: cannot name {shown!r}, whose name is not UTF-8. Rename that file and extract again."
        ) from None
