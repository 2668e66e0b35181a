"""Which images show the same thing, told from their paths or from what the camera wrote: the groups of ``--group-from``."""

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.exif import Shot, read_shot
from featx.images.listing.index import ImageIndex
from featx.images.listing.members import members_of
from featx.images.listing.names import some_of
from featx.system.cores import available_cores
from featx.system.kinds import check_kind, shown
from featx.system.progress import Progress

_TIME = re.compile(r"exif:time\s*<=?\s*(\d+(?:\.\d*)?)\s*(s|min|m|h)?")
_SECONDS = {"s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

FORMS = "'parent', 'exif:camera', 'exif:time<60s', 'none', or a regular expression that finds the group in a path"
"""What ``--group-from`` takes."""

_AT_ONCE = 250
"""Files that a thread looks at in one go."""


@dataclasses.dataclass(frozen=True)
class GroupFrom:
    """Where groups are told from.

    Parameters
    ----------
    spec : str
        As a user writes it.
    kind : str
        ``none``, ``parent``, ``camera``, ``time`` or ``pattern``.
    within : float
        For ``time``: pictures of one camera less than so many seconds after another are of its group.
    pattern : re.Pattern or None
        For ``pattern``: a group is what its parentheses hold, or where there are none all that it matches.
    """

    spec: str
    kind: str
    within: float = 0.0
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, spec: object) -> "GroupFrom":
        """Read what a user wrote.

        Raises
        ------
        ImageListError
            If it is no text, no regular expression, or a time that is not above 0.
        """
        check_kind("group_from", spec, (str,), "a text", ImageListError)
        text = str(spec).strip()
        if text in ("none", "parent"):
            return cls(text, text)
        if text == "exif:camera":
            return cls(text, "camera")
        time = _TIME.fullmatch(text)
        within = float(time[1]) * _SECONDS[time[2] or ""] if time else 0.0
        if time and within > 0:
            return cls(text, "time", within)
        if not text or text.startswith("exif:"):
            raise ImageListError(f"--group-from must be {FORMS}. Received: {shown(spec)}.", wrong_value=True)
        try:
            return cls(text, "pattern", pattern=re.compile(text))
        except re.error as error:
            raise ImageListError(
                f"--group-from: {shown(spec)} is no regular expression: {error}. Give {FORMS}.", wrong_value=True
            ) from None


def group_images(
    index: ImageIndex, given: GroupFrom | None, workers: int | None = None, progress: Progress | None = None
) -> ImageIndex:
    """Return the listing with a group for each image, and a note that says how many groups there are.

    Parameters
    ----------
    index : ImageIndex
        The listing; a manifest may have groups already.
    given : GroupFrom or None
        Where groups are told from; by default the listing stays as it is.
    workers : int or None
        Threads that read files; by default one for each core.
    progress : callable or None
        Called as (stage, newly done, total).

    Raises
    ------
    ImageListError
        If no image has a group there.
    """
    if given is None:
        return index if not index.groups else _with_groups(index, index.groups, ())
    if given.kind == "none":
        return dataclasses.replace(index, groups=())
    if given.kind in ("camera", "time"):
        shots = _read_shots(index, workers, progress)
        groups = [shot.camera for shot in shots] if given.kind == "camera" else _bursts(shots, given.within)
    else:
        name = _parent if given.kind == "parent" else _finder(given.pattern)
        groups = [name(path, _class_of(index, row)) for row, path in enumerate(index.paths)]
    alone = [index.paths[row] for row, group in enumerate(groups) if not group]
    if len(alone) == len(groups):
        raise ImageListError(f"{index.manifest or index.root}: {_nothing(given)} --group-from may be {FORMS}.")
    notes = [f"{len(alone):,} of {len(groups):,} images have no group and stand alone: {some_of(alone)}"] if alone else []
    return _with_groups(index, groups, notes)


def group_faults(index: ImageIndex) -> list[str]:
    """Say which classes cannot be split, because one group holds every image of the class."""
    if not index.groups or any(index.splits):
        return []
    whole = {}
    for name, rows in members_of(index).items():
        group = index.groups[rows[0]] if len(rows) > 1 else ""
        if group and all(index.groups[row] == group for row in rows.tolist()):
            whole[name] = group
    if not whole:
        return []
    named = some_of(f"{name!r} (group {group!r})" for name, group in whole.items())
    return [
        f"one group holds all images of a {index.task.noun}, which therefore cannot be split: {named}. Add images of other "
        "groups, or give --group-from none: then images of one group may be learned from and tested on, and flatter the head."
    ]


def _with_groups(index: ImageIndex, groups: Sequence[str], notes: Sequence[str]) -> ImageIndex:
    named = [group for group in groups if group]
    split_of: dict[str, set[str]] = {}
    for group, split in zip(groups, index.splits, strict=True):
        if group and split:
            split_of.setdefault(group, set()).add(split)
    torn = sorted(group for group, splits in split_of.items() if len(splits) > 1)
    across = [
        f"groups that stand in several of the given splits, so that what is learned of them is tested on them: {some_of(torn)}"
    ]
    counted = f"groups: {len(set(named)):,} of {len(named):,} images; each stays in one split"
    return dataclasses.replace(index, groups=tuple(groups), notes=(*index.notes, counted, *notes, *(across if torn else ())))


def _class_of(index: ImageIndex, row: int) -> str:
    label = int(index.labels[row])
    return index.class_names[label] if label >= 0 else ""


def _parent(path: str, class_name: str) -> str:
    """Return the folder that an image lies in; none for an image right in its class folder."""
    folder = PurePosixPath(path).parent
    return "" if unicodedata.normalize("NFC", folder.name) in ("", class_name) else folder.as_posix()


def _finder(pattern: re.Pattern[str] | None) -> Callable[[str, str], str]:
    assert pattern is not None
    find = pattern.search

    def name(path: str, _: str) -> str:
        found = find(path)
        if found is None:
            return ""
        return "/".join(part for part in found.groups() if part) if found.re.groups else found[0]

    return name


def _read_shots(index: ImageIndex, workers: int | None, progress: Progress | None) -> list[Shot]:
    paths, shots = index.paths, []
    pieces = [range(start, min(start + _AT_ONCE, len(paths))) for start in range(0, len(paths), _AT_ONCE)]

    def read(rows: range) -> list[Shot]:
        return [read_shot(Path(index.root / paths[row])) for row in rows]

    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-exif") as pool:
        for read_now in pool.map(read, pieces):
            shots += read_now
            if progress:
                progress("exif", len(read_now), len(paths))
    return shots


def _bursts(shots: Sequence[Shot], within: float) -> list[str]:
    """Name the burst of each picture: those of one camera of which each was taken shortly after another."""
    groups = [""] * len(shots)
    timed = [row for row, shot in enumerate(shots) if shot.taken is not None]
    cameras = np.unique([shots[row].camera for row in timed], return_inverse=True)[1]
    taken: NDArray[np.float64] = np.array([shots[row].taken for row in timed], np.float64)
    order = np.lexsort((taken, cameras))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (np.diff(cameras[order]) != 0) | (np.diff(taken[order]) >= within)
    name = ""
    for place, new in zip(order.tolist(), begins.tolist(), strict=True):
        shot = shots[timed[place]]
        if new:
            name = f"{shot.camera} {shot.taken:.2f}".strip()
        groups[timed[place]] = name
    return groups


def _nothing(given: GroupFrom) -> str:
    if given.kind == "parent":
        return "every image lies right in its class folder, so that its folder tells no group."
    if given.kind == "pattern":
        return f"--group-from {given.spec!r} matches no path."
    return "no image says which camera took it." if given.kind == "camera" else "no image says when it was taken."
