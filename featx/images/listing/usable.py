"""What can be said of a listing before hours of work: whether any head could use it, and what looks like a slip."""

import errno
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.images.listing.index import ImageIndex
from featx.images.listing.members import members_of
from featx.images.listing.names import some_of, splits_called, written_alike
from featx.images.listing.passed import PICTURES, RAW_SUFFIXES
from featx.images.listing.targets import target_faults
from featx.images.sniff import SNIFF_BYTES, sniff_format
from featx.system.digests import Digests

_MISSING_VALUES = frozenset({"nan", "na", "n/a", "<na>", "none", "null", "#n/a", "?", "-"})

_NOT_FOUND = tuple(f"cannot be read: {os.strerror(code)}" for code in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG))

_LEAST_TO_SPLIT = 3  # see assign_splits


def missing_rows(index: ImageIndex, reasons: Sequence[str]) -> list[int]:
    """Return the rows of a manifest whose files are not there."""
    return [row for row, reason in enumerate(reasons) if reason in _NOT_FOUND] if index.manifest else []


def listing_faults(index: ImageIndex) -> list[str]:
    """Say why no head could use the images, whatever is in them: one class, or a class of formats that are not read."""
    faults = [*index.faults, *target_faults(index.task, index.targets)]
    if len(index.class_names) == 1 and any(_looks_like_image(index, row) for row in range(len(index.paths))):
        place = f"{index.root / index.class_names[0]}" if not index.manifest else ""
        inner = _folders_below(index).get(index.class_names[0], [])
        hint = (
            f" The folders in it look like classes or splits: {some_of(inner)}. Give {place} instead."
            if len(inner) > 1 and place
            else ""
        )
        faults.append(f"all images are of one class, {index.class_names[0]!r}; a head needs two.{hint}")
    unread = {
        folder: counts
        for folder, counts in index.empty_classes.items()
        if PICTURES & counts.keys() and Path(folder).name not in index.class_names
    }
    if unread:
        named = some_of(f"{folder} ({_counted(counts)})" for folder, counts in unread.items())
        faults.append(f"no image of a format that is read (JPEG, PNG, WebP, BMP, GIF, TIFF) in {named}. Convert them.")
    return faults


def listing_notes(index: ImageIndex) -> list[str]:
    """Say what of the listing looks like a slip, naming what looks right."""
    counts = {name: len(rows) for name, rows in members_of(index).items()} if index.task.has_probabilities else {}
    return [
        *index.notes,
        *_empty(index),
        *_alike(counts),
        *_numbers_alike(counts),
        *_missing(counts),
        *_levels(index),
        *_ranges(index),
    ]


def file_faults(
    index: ImageIndex, reasons: Sequence[str], digests: Digests, known: NDArray[np.bool_], *, splits_wanted: bool
) -> list[str]:
    """Say why no head could use the files that were found: a class without any image, or nothing to measure a head on.

    Nothing is said where no image can be used at all: that is an error of its own, when each has its reason.

    Parameters
    ----------
    index : ImageIndex
        The listing.
    reasons : sequence of str
        Of each row, why it is rejected, else empty.
    digests : ndarray of shape (n_images, 32), uint8
        Contents.
    known : ndarray of shape (n_images,), bool
        Which are known to be images: those that have features. Of a class without any, files are opened until one is.
    splits_wanted : bool
        Whether val or test are to be drawn where none is given.
    """
    usable = np.array([not reason for reason in reasons], np.bool_)
    faults, n_usable, noun = [], 0, index.task.noun
    for name, rows in members_of(index).items():
        found = rows[usable[rows]]
        if not len(rows):
            continue
        if not len(found):
            faults.append(f"{noun} {name!r} has no image that can be read: {_counted(Counter(reasons[row] for row in rows))}.")
        elif not known[found].any() and not any(_looks_like_image(index, row) for row in found):
            suffixes = Counter(Path(index.paths[row]).suffix.lower() or "no suffix" for row in found)
            faults.append(
                f"{noun} {name!r} has no image of a format that is read (JPEG, PNG, WebP, BMP, GIF, TIFF, PNM), "
                f"whatever the names say: {_counted(suffixes)}. Convert them."
            )
        else:
            n_usable += 1
    if not n_usable:
        return []  # then every single image is rejected, each with its reason
    given = {split for split, ok in zip(index.splits, usable, strict=True) if ok}
    if splits_wanted and not given & {"val", "test"} and not _enough_to_split(index, digests, usable):
        faults.append(
            f"val and test would both be empty: no {noun} has {_LEAST_TO_SPLIT} different images. "
            "Add images, or give the splits as folders or in a manifest."
        )
    return faults


def _looks_like_image(index: ImageIndex, row: int) -> bool:
    path = index.root / index.paths[row]
    try:
        with path.open("rb") as file:
            found = sniff_format(file.read(SNIFF_BYTES))
        return found not in (None, "RAW") and not (found == "TIFF" and path.suffix.lower() in RAW_SUFFIXES)
    except OSError:
        return True  # it was readable a moment ago; what it is will be said when it is decoded


def _enough_to_split(index: ImageIndex, digests: Digests, usable: NDArray[np.bool_]) -> bool:
    for rows in members_of(index).values():
        seen: set[bytes] = set()
        for row in rows[usable[rows]].tolist():
            seen.add(digests[row].tobytes())
            if len(seen) >= _LEAST_TO_SPLIT:
                return True
    return False


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1])[:10]) or "empty"


def _empty(index: ImageIndex) -> list[str]:
    listed = {f: c for f, c in index.empty_classes.items() if not (PICTURES & c.keys()) or Path(f).name in index.class_names}
    named = [f"{folder} ({_counted(counts)})" for folder, counts in listed.items()]
    return [f"folders without an image, which are no class: {some_of(named)}"] if named else []


def _alike(counts: dict[str, int]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(written_alike(name), []).append(name)
    notes = []
    for names in groups.values():
        if len(names) > 1:
            right = max(names, key=lambda name: (counts[name], name == " ".join(name.split())))
            listed = ", ".join(f"{name!r} ({counts[name]:,} images)" for name in names)
            notes.append(
                f"classes whose names differ only in case or spaces: {listed}. {right!r} looks right: rename the others"
            )
    return notes


def _numbers_alike(counts: dict[str, int]) -> list[str]:
    groups: dict[float, list[str]] = {}
    for name in counts:
        try:
            groups.setdefault(float(name), []).append(name)
        except ValueError:
            continue
    twice = [names for names in groups.values() if len(names) > 1]
    named = some_of(" and ".join(repr(name) for name in names) for names in twice)
    return [f"classes that are the same number: {named}. Write each one way"] if twice else []


def _missing(counts: dict[str, int]) -> list[str]:
    named = [f"{name!r} ({count:,} images)" for name, count in counts.items() if name.lower() in _MISSING_VALUES]
    if not named:
        return []
    return [f"{some_of(named)}: a class of that name, or a missing label? Leave the label empty where there is none"]


def _folders_below(index: ImageIndex) -> dict[str, list[str]]:
    """Return the folders right inside each class folder that holds nothing but folders."""
    found: dict[str, dict[str, None] | None] = {}
    for path, label, split in zip(index.paths, index.labels.tolist(), index.splits, strict=True):
        if label < 0:
            continue
        name = index.class_names[label]
        parts = path.split("/", 3)[bool(split) :]
        inner = found.setdefault(name, {})
        if len(parts) < 3:
            found[name] = None
        elif inner is not None:
            inner[parts[1]] = None
    return {name: list(inner) for name, inner in found.items() if inner}


def _ranges(index: ImageIndex) -> list[str]:
    """Say between which numbers targets are: a misread column, or a mark for what is missing such as -999, shows there."""
    if index.task.kind != "numbers" or index.targets is None:
        return []
    shown = []
    for name, values in zip(index.task.names, index.targets.T, strict=True):
        known = values[~np.isnan(values)]
        if len(known):
            shown.append(f"{name} from {known.min():g} to {known.max():g}, half of them below {np.median(known):g}")
    return [f"numbers: {some_of(shown)}"] if shown else []


def _levels(index: ImageIndex) -> list[str]:
    """Say so where the classes may be a folder deeper than they were looked for."""
    below = {} if index.manifest or len(index.class_names) < 2 else _folders_below(index)
    if not below:
        return []
    as_splits = [name for name, inner in below.items() if len(inner) == len(splits_called(inner))]
    if as_splits:
        inner = below[as_splits[0]]
        return [
            f"class folders hold splits: {some_of(f'{as_splits[0]}/{name}' for name in inner)}. They are not used, the splits "
            f"are drawn; if {as_splits[0]} is no class but a set of its own, give {index.root / as_splits[0]}"
        ]
    common = set.intersection(*(set(inner) for inner in below.values())) if len(below) == len(index.class_names) else set()
    if len(common) > 1:
        first = next(iter(below))
        return [
            f"every class folder holds the same folders ({some_of(sorted(common))}), which may be the classes: "
            f"then give {index.root / first}, or a manifest"
        ]
    named = some_of(f"{name} ({some_of(inner)})" for name, inner in below.items())
    return [f"class folders that hold only folders: {named}. All images below are of the class above"]
