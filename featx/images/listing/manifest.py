"""A manifest (``path,label[,split]``, as CSV or another table): what each row says, in the order of the file."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from types import ModuleType
from typing import NamedTuple

from featx.errors import ImageListError
from featx.images.listing.columns import (
    FLAGS,
    describe_unknown_splits,
    find_columns,
    has_columns,
    one_hot_label,
)
from featx.images.listing.names import some_of, splits_called
from featx.images.listing.options import ManifestOptions
from featx.images.listing.spelling import spell_as_on_disk
from featx.images.listing.tables import Table, open_table
from featx.images.listing.targets import Learned, learn_from_cells
from featx.images.listing.walk import below, real_path
from featx.system.cells import unguarded
from featx.system.kinds import shown

_HEAVIEST = 1e12

# No class has such a name; an unclosed quote that swallows a part of the file makes one.
_LONGEST_LABEL = 1000


class Manifest(NamedTuple):
    """The rows of a manifest, column by column.

    Parameters
    ----------
    base : Path
        Absolute folder that the paths are relative to as they are written.
    root : Path
        Absolute folder that ``paths`` are relative to.
    paths : list of str
        Relative, with ``/``, without ``.`` and ``..``; their accents as the disk writes them.
    labels : list of str
        Class names, NFC-normalised; empty where there is none. Of labels and numbers, what their cells say.
    splits : list of str
        ``train``, ``val`` or ``test``; empty where none is given or it is unknown.
    groups : list of str
        The group of each, NFC-normalised, empty for none; no entries where there is no such column.
    weights : list of float
        How much each counts; no entries where there is no such column.
    reasons : list of str
        Why a row is rejected, else empty.
    notes : list of str
        What a reader should know of how the table was read.
    learned : Learned
        Task, and targets where it has any.
    """

    base: Path
    root: Path
    paths: list[str]
    labels: list[str]
    splits: list[str]
    groups: list[str]
    weights: list[float]
    reasons: list[str]
    notes: list[str]
    learned: Learned


def read_manifest(path: Path, options: ManifestOptions) -> Manifest:
    """Read a manifest; whether its files exist is not looked at, but for how the disk writes their accents.

    Parameters
    ----------
    path : Path
        A table with a header: text in UTF-8 or UTF-16 with commas, semicolons, tabs or bars, ``.xlsx`` or ``.parquet``.
    options : ManifestOptions
        What the table does not say itself.

    Returns
    -------
    manifest : Manifest
        Every row, empty ones apart. ``root`` is the folder of the file or the one that was given, or where a path is
        absolute or leads out of it, the deepest folder that all images lie in.

    Raises
    ------
    ImageListError
        If the file cannot be read, is no such table, or gives no image a label or a known split. The message names the line.
    ExtraMissing
        If an optional library is needed to read it.

    References
    ----------
    RFC 4180, Common Format and MIME Type for Comma-Separated Values (CSV) Files.
    """
    table = open_table(path, lambda header: has_columns(header, options))
    if FLAGS in table.header:  # featx audit has written it, as `write_manifest` does
        table = table._replace(header=[unguarded(name) for name in table.header])
    written, learned, said, groups, weights, notes = _read_columns(path, table, options)
    if options.suffix:
        suffix = options.suffix
        written = [name if name.lower().endswith(suffix.lower()) else name + suffix for name in written]
    base = real_path(options.root if options.root is not None else path.parent)
    try:
        root, paths = relative_paths(base, written)
    except ValueError:
        raise ImageListError(
            f"{path}: names images on several disks, which no folder is above. Write one manifest for each disk."
        ) from None
    paths = spell_as_on_disk(root, paths)
    split_of = splits_called(set(said)) | {"": ""}
    unknown = Counter(split for split in said if split not in split_of)
    if unknown:
        notes = [*notes, describe_unknown_splits(unknown)]
        if unknown.total() == len(said):
            raise ImageListError(f"{path}: {notes[-1]}")
    return Manifest(
        base=Path(base),
        root=Path(root),
        paths=paths,
        labels=learned.labels,
        splits=[split_of.get(split, "") for split in said],
        groups=groups,
        weights=weights,
        reasons=_find_reasons(paths, learned, said, split_of),
        notes=notes,
        learned=learned,
    )


class _Read(NamedTuple):
    """Paths as they are written, labels and groups stripped and normalised, splits stripped and in lower case; and notes."""

    written: list[str]
    learned: Learned
    splits: list[str]
    groups: list[str]
    weights: list[float]
    notes: list[str]


def _read_columns(path: Path, table: Table, options: ManifestOptions) -> _Read:
    columns = find_columns(path, table, options)
    path_at, label_at, split_at, group_at, weight_at, classes, values, notes = columns
    n_fields, line = len(table.header), table.line
    restored = unguarded if FLAGS in table.header else str
    paths: list[str] = []
    labels: list[str] = []
    lines: list[int] = []
    cells: list[list[str]] = []
    splits: list[str] = []
    groups: list[str] = []
    weights: list[float] = []
    for line, fields in table.rows(columns.wanted):
        if len(fields) != n_fields:
            raise ImageListError(
                f"{path}, line {line}: number of fields is {len(fields)}, but {n_fields} in the header. "
                'Put a path or label with a comma in it between quotes: "a, b.png",cat'
            )
        if not fields[path_at]:
            raise ImageListError(f"{path}, line {line}: the path is empty. Write the image's path, or delete the row.")
        if "\0" in fields[path_at]:
            raise ImageListError(f"{path}, line {line}: a NUL byte in the path, which no name contains. Delete the row.")
        label = one_hot_label(fields, classes) if classes else "" if values else fields[label_at]
        if len(label) > _LONGEST_LABEL:
            raise ImageListError(
                f"{path}, line {line}: the label has {len(label):,} characters, wanted at most {_LONGEST_LABEL:,}. "
                "Look for a quote that is never closed there."
            )
        paths.append(fields[path_at])
        if values:
            lines.append(line)
            cells.append([fields[at] for at in values])
        labels.append(unicodedata.normalize("NFC", restored(label.strip())))
        splits.append(fields[split_at].strip().lower() if split_at is not None else "")
        if group_at is not None:
            groups.append(unicodedata.normalize("NFC", restored(fields[group_at].strip())))
        if weight_at is not None:
            weights.append(_weight(path, line, fields[weight_at]))
    if not paths:
        raise ImageListError(f"{path}, line {line}: no rows after the header. Write one row for each image.")
    learned = learn_from_cells(path, lines, labels, cells, options)
    if not any(learned.labels):
        if values:
            names = some_of(map(repr, options.value_columns))
            raise ImageListError(f"{path}: none of its {len(paths):,} rows has anything in {names}. Fill the cells in.")
        raise ImageListError(f"{path}: none of its {len(paths):,} rows has a label. Write the class into the label column.")
    if set(weights) <= {1.0}:
        weights = []
    if weights:
        notes = [*notes, f"images count as much as their weight says: from {min(weights):g} to {max(weights):g}"]
    notes = [*table.notes, *notes, *learned.notes]
    return _Read(paths, learned, splits, groups if any(groups) else [], weights, notes)


def _weight(path: Path, line: int, text: str) -> float:
    """Read how much an image counts; an empty cell is 1.

    Raises
    ------
    ImageListError
        If it is no finite number from 0.
    """
    try:
        weight = float(text.strip() or 1)
    except ValueError:
        weight = -1.0
    if not 0 <= weight < _HEAVIEST:
        raise ImageListError(
            f"{path}, line {line}: the weight is {shown(text.strip())}, wanted a number from 0 to {_HEAVIEST:g}, or "
            "nothing for 1. If the column means something else, name it otherwise."
        )
    return weight


def relative_paths(folder: str, written: Sequence[str], system: ModuleType = os.path) -> tuple[str, list[str]]:
    """Return the root and the paths below it, with ``/``, for paths that are relative to a folder or absolute.

    Parameters
    ----------
    folder : str
        Absolute, as the system writes it.
    written : sequence of str
        As the table has them: with ``/``, and on Windows with backslashes and drive letters.
    system : module
        ``ntpath`` on Windows, else ``posixpath``.

    Raises
    ------
    ValueError
        If they are on several disks of Windows.
    """
    windows = system.sep != "/"
    paths = [system.normpath(path) for path in written]
    outside = (system.sep, f"..{system.sep}")
    if not any(path.startswith(outside) or path == ".." or (windows and path[1:2] == ":") for path in paths):
        return folder, [path.replace(system.sep, "/") for path in paths] if windows else paths
    paths = [system.normpath(system.join(folder, path)) for path in paths]
    if not windows:  # two slashes at the start are a path of their own to POSIX, and the same as one to Linux and macOS
        paths = ["/" + path.lstrip("/") for path in paths]
    root = system.commonpath({system.dirname(path) for path in paths})
    return real_path(root) if system is os.path else root, [path or "." for path in below(PurePath(root), paths, system)]


def _find_reasons(paths: list[str], learned: Learned, splits: list[str], split_of: dict[str, str]) -> list[str]:
    """Say of each row why it is rejected; of several rows with one path the first stands."""
    reasons: list[str] = []
    label_of: dict[str, str] = {}
    labels, may_be_unknown = learned.labels, learned.task.has_targets
    for path, label, split in zip(paths, labels, splits, strict=True):
        first = label_of.get(path)
        if first is None:
            label_of[path] = label
        if not label and not may_be_unknown:
            reason = "no label in the manifest"
        elif first is not None:
            reason = "listed before in the manifest" + ("" if label == first else " with another label")
        elif split not in split_of:
            reason = "unknown split in the manifest"
        else:
            reason = ""
        reasons.append(reason)
    return reasons
