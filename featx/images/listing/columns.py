"""Which columns of a table are the path, the class and the split, under the names that people give them."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from featx.errors import ImageListError
from featx.images.listing.names import KNOWN_SPLITS, splits_called
from featx.images.listing.options import ManifestOptions
from featx.images.listing.tables import SEPARATORS, Table
from featx.images.listing.walk import IMAGE_SUFFIXES

FLAGS = "audit_flags"
"""Column of a manifest that featx has written, by which it is known again."""

WANTED = "path,label or path,label,split"

# The first that is there is taken. Compared in lower case, without spaces, "_" and "-".
_PATH_NAMES = (
    *("path", "filename", "filepath", "file", "imagepath", "imgpath", "imagefile", "imagefilename", "image", "imagename"),
    *("img", "imgname", "fname", "picture", "photo", "images", "imageid", "imgid", "id"),
)
_LABEL_NAMES = (
    *("label", "class", "classname", "labelname", "category", "categoryname", "target", "labels", "species", "diagnosis"),
    *("dx", "y", "classid"),
)
_SPLIT_NAMES = ("split", "subset", "partition", "dataset", "set", "usage", "mluse", "phase")

# Pictures of one of these show the same thing.
_GROUP_NAMES = (
    *("group", "groups", "groupid", "patient", "patientid", "subject", "subjectid", "individual", "individualid", "animalid"),
    *("lesionid", "productid"),
)

_WEIGHT_NAMES = ("weight", "weights", "sampleweight", "sampleweights")

BESIDE = {"group": _GROUP_NAMES, "weight": _WEIGHT_NAMES}
"""Names under which columns that say more of an image are found, the first before the others."""

_GROUPS = frozenset(_GROUP_NAMES)

# Columns that say how images belong apart, which a manifest of featx has no use for.
_UNUSED = frozenset({"isvalid", "isval", "istest", "istrain", "fold", "kfold"})

_ONES = frozenset({"1", "1.0", "true"})
_ZEROS = frozenset({"0", "0.0", "false", ""})


class Columns(NamedTuple):
    """Where the columns are.

    Parameters
    ----------
    path, label : int
        ``label`` is -1 where there is no such column: the classes are columns of their own, or labels or numbers are.
    split, group, weight : int or None
        None where there is none.
    classes : dict of int to str
        Of one-hot columns: each one's place and name.
    values : list of int
        Of labels or numbers that are columns: their places, in the order asked for.
    notes : list of str
        Which columns were taken, where that is not plain, and which were not.
    """

    path: int
    label: int
    split: int | None
    group: int | None
    weight: int | None
    classes: dict[int, str]
    values: list[int]
    notes: list[str]

    @property
    def wanted(self) -> frozenset[int]:
        """Places of all columns that are read."""
        places = {self.path, self.label, self.split, self.group, self.weight, *self.classes, *self.values}
        return frozenset(place for place in places if place not in (None, -1))


def has_columns(header: Sequence[str], options: ManifestOptions) -> bool:
    """Tell whether a header has a path, and a label, the columns asked for or several that may be classes."""
    if options.value_columns:
        found = [_place(header, name, ()) for name in options.value_columns]
        return None not in found and _place(header, options.path_column, _PATH_NAMES) is not None
    label = _place(header, options.label_column, _LABEL_NAMES)
    return _place(header, options.path_column, _PATH_NAMES) is not None and (label is not None or len(header) > 2)


def find_columns(path: Path, table: Table, options: ManifestOptions) -> Columns:
    """Find the columns.

    Raises
    ------
    ImageListError
        If there is no such column, or more than one.
    """
    header = table.header
    if not header:
        raise ImageListError(
            f"{path}, line {table.line}: the file is empty. Write the header, {WANTED}, and one row for each image."
        )
    places: dict[str, int | None] = {}
    kinds = {"path": _PATH_NAMES, "label": _LABEL_NAMES, "split": _SPLIT_NAMES, "group": _GROUP_NAMES, "weight": _WEIGHT_NAMES}
    values = _values(path, table, options)
    for kind, names in kinds.items():
        if kind == "label" and values:
            places[kind] = None
            continue
        asked = getattr(options, f"{kind}_column")
        places[kind] = _place(header, asked, names, () if kind in ("path", "label") else (*values, *places.values()))
        if places[kind] is None and asked == "none" and kind in ("split", "group", "weight"):
            continue
        if asked is not None and places[kind] is None:
            raise ImageListError(
                f"{path}, line {table.line}: no column {asked!r}, which --{kind}-column asks for. "
                f"The columns are: {_shown(header)}.",
                wrong_value=True,
            )
        _refuse_twice(path, table, places[kind])
    path_at, label_at, split_at, group_at, weight_at = places.values()
    if split_at is not None and options.split_column is None and _plain(header[split_at]) != "split":
        # A column "dataset" may also say where an image comes from.
        found = {fields[split_at].strip().lower() for _, fields in table.rows(frozenset([split_at])) if len(fields) > split_at}
        if found - {""} - splits_called(found).keys():
            split_at = None
    if path_at is None:
        raise _no_column(path, table, "path")
    classes: dict[int, str] = {}
    if label_at is None and not values:
        classes = _one_hot(path, table, {path_at, split_at, group_at, weight_at})
        if not classes or options.label_separator is not None:
            raise _no_column(path, table, "label")
    if path_at in values or (split_at in values and options.split_column is not None):
        raise _no_column(path, table, "path") if path_at in values else _twice(path, table, header[split_at or 0])
    if group_at in (path_at, label_at, split_at, *values):
        group_at = None
    if weight_at in (path_at, label_at, split_at, group_at, *values):
        weight_at = None
    taken = {"path": path_at, "label": label_at, "split": split_at, "group": group_at, "weight": weight_at}
    unusual = [
        f"{kind} is {header[at].strip()!r}"
        for kind, at in taken.items()
        if at is not None and header[at].strip().lower() != kind and getattr(options, f"{kind}_column") is None
    ]
    notes = [f"columns: {', '.join(unusual)}"] if unusual else []
    if classes:
        notes.append(f"the classes are one-hot columns: {_shown(list(classes.values()))}")
    used = {*taken.values(), *values}
    unused = [name.strip() for at, name in enumerate(header) if _plain(name) in _UNUSED | _GROUPS and at not in used]
    if unused:
        notes.append(
            f"columns that are not used: {_shown(unused)}. Splits are read from a column 'split' of train, val and test, "
            "or that of --split-column; groups from 'group', or that of --group-column"
        )
    return Columns(path_at, -1 if label_at is None else label_at, split_at, group_at, weight_at, classes, values, notes)


def _values(path: Path, table: Table, options: ManifestOptions) -> list[int]:
    """Return the places of the columns of labels or numbers that were asked for.

    Raises
    ------
    ImageListError
        If there is no such column, or more than one.
    """
    option = "--target" if options.target is not None else "--label-columns"
    places = []
    for name in options.value_columns:
        at = _place(table.header, name, ())
        if at is None:
            raise ImageListError(
                f"{path}, line {table.line}: no column {name!r}, which {option} asks for. "
                f"The columns are: {_shown(table.header)}.",
                wrong_value=True,
            )
        _refuse_twice(path, table, at)
        if at in places:
            raise _twice(path, table, table.header[at])
        places.append(at)
    return places


def _twice(path: Path, table: Table, name: str) -> ImageListError:
    return ImageListError(
        f"{path}, line {table.line}: column {name.strip()!r} is asked for twice, and means one thing.", wrong_value=True
    )


def _plain(name: str) -> str:
    return "".join(name.lower().replace("_", " ").replace("-", " ").split())


def _place(header: Sequence[str], asked: str | None, usual: Sequence[str], taken: Sequence[int | None] = ()) -> int | None:
    """Return where a column is; of those that are usual, and not taken, the name which stands first in their list."""
    if asked is not None:
        # A Mac writes the same "é" in other bytes.
        header, asked = [unicodedata.normalize("NFC", name) for name in header], unicodedata.normalize("NFC", asked)
        for same in (str, str.strip, lambda name: name.strip().lower()):
            names = [same(name) for name in header]
            if same(asked) in names:
                return names.index(same(asked))
        return None
    plain = ["" if at in taken else _plain(name) for at, name in enumerate(header)]
    return next((plain.index(name) for name in usual if name in plain), None)


def _refuse_twice(path: Path, table: Table, at: int | None) -> None:
    """Refuse a header that names a column twice: which is meant nobody can say."""
    names = [name.strip().lower() for name in table.header]
    if at is not None and names.count(names[at]) > 1:
        raise ImageListError(
            f"{path}, line {table.line}: column {names[at]!r} is named {names.count(names[at])} times in the header "
            f"{_header_text(table)}, wanted once. Rename the others."
        )


def _header_text(table: Table) -> str:
    text = ",".join(table.header)
    return repr(text if len(text) <= 100 else text[:100] + "…")


def _no_column(path: Path, table: Table, name: str) -> ImageListError:
    joined = "".join(table.header)
    mark = next((word for mark, word in SEPARATORS.items() if mark in joined), "")
    advice = f"It looks separated by {mark}: save it separated by commas." if mark else "Write the header."
    if any(field.lower().endswith(IMAGE_SUFFIXES) for field in table.header):
        advice += " The first line is an image's."
    elif not mark and len(table.header) > 1:
        advice += f" Or name the column: --{name}-column."
    return ImageListError(
        f"{path}, line {table.line}: no column {name!r} in the header {_header_text(table)}, wanted {WANTED}. {advice}"
    )


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return shown + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")


def _one_hot(path: Path, table: Table, others: set[int | None]) -> dict[int, str]:
    """Return the columns of nothing but 0 and 1, if each row has a single 1 or none; no columns if there are fewer than two.

    Raises
    ------
    ImageListError
        If a row has several: an image has one class here.
    """
    header = table.header
    places = [
        at for at, name in enumerate(header) if at not in others and name.strip() and _plain(name) not in _UNUSED | _GROUPS
    ]
    known = _ONES | _ZEROS
    for _, fields in table.rows(None):
        if len(fields) == len(header):
            places = [at for at in places if fields[at].strip().lower() in known]
    if len(places) < 2:
        return {}
    seen: set[int] = set()
    for line, fields in table.rows(None):
        ones = [at for at in places if len(fields) == len(header) and fields[at].strip().lower() in _ONES]
        if len(ones) > 1:
            raise ImageListError(
                f"{path}, line {line}: columns {_shown([header[at] for at in ones])} are all 1, but an image has one class. "
                "Give --label-columns with their names if an image has several labels; else leave those rows out, or write one "
                "column 'label'."
            )
        seen.update(ones)
    return {at: header[at].strip() for at in places} if seen else {}


def one_hot_label(fields: Sequence[str], classes: dict[int, str]) -> str:
    """Return the class of a row, empty where no column says so."""
    return next((name for at, name in classes.items() if fields[at].strip().lower() in _ONES), "")


def describe_unknown_splits(counts: dict[str, int]) -> str:
    """Name the values of the split column that are none of a split."""
    shown = ", ".join(f"{value!r} ({count:,} rows)" for value, count in list(counts.items())[:10])
    return f"unknown split {shown}. Known are {KNOWN_SPLITS}; an empty one is drawn."
