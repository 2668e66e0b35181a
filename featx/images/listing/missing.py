"""Files that a manifest names and that are not there: where they are instead."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from featx.errors import ImageListError
from featx.images.listing.index import ImageIndex
from featx.images.listing.walk import IMAGE_SUFFIXES

_MOST_LOOKED_FOR = 20
_MOST_FOLDERS = 100

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]+:/")


class _Near(NamedTuple):
    """How a missing file differs from one that is there."""

    how: tuple[str, ...]
    options: tuple[str, ...]
    path: str


def describe_missing(index: ImageIndex, rows: Sequence[int]) -> str:
    """Say which files of a manifest were not found, below which folder, and what is there instead.

    Parameters
    ----------
    index : ImageIndex
        Of a manifest.
    rows : sequence of int
        Rows whose files are missing; at least one.

    Raises
    ------
    ImageListError
        If it is all of them that could be used.
    """
    usable = sum(not reason for reason in index.reasons)
    said = _say(index, rows, usable)
    if len(rows) >= usable:
        raise ImageListError(said)
    return said


def find_missing(index: ImageIndex) -> list[int]:
    """Return the rows of a manifest whose files are not there; of folders none is looked for."""
    if index.manifest is None:
        return []
    root = str(index.root)
    listed = enumerate(zip(index.paths, index.reasons, strict=True))
    return [row for row, (path, reason) in listed if not reason and not os.path.lexists(f"{root}/{path}")]


def _say(index: ImageIndex, rows: Sequence[int], usable: int) -> str:
    source = str(index.manifest)
    first = re.sub("^([a-zA-Z][a-zA-Z0-9+.-]+):/", r"\1://", index.paths[rows[0]])  # normalising took one "/" away
    share = f"none of its {usable:,}" if len(rows) >= usable else f"{len(rows):,} of its {usable:,}"
    found = "files was found" if len(rows) >= usable else "files were not found"
    said = f"{source}: {share} {found} below {index.root}, such as {first}."
    if _ADDRESS.match(first):
        return f"{said} That is an address: download the images, and write their paths."
    sample = rows[:: max(1, len(rows) // _MOST_LOOKED_FOR)][:_MOST_LOOKED_FOR]
    disk = _Disk(index)
    looked = {index.paths[row]: disk.look_for(index.paths[row]) for row in sample}
    near = {path: one for path, one in looked.items() if one is not None}
    if not near:
        return f"{said} Give --root if the paths are relative to another folder."
    often, count = Counter((one.how, one.options) for one in near.values()).most_common(1)[0]
    how, options = often
    example = next(path for path, one in near.items() if (one.how, one.options) == often)
    which = "It exists" if example == first else f"{example} exists"
    advice = [f"give {' '.join(options)}"] if options else []
    advice += ["write the paths so"] if len(options) < len(how) else []
    others = f" ({count} of {len(sample)} looked for)" if count < len(sample) else ""
    return f"{said} {which} {' and '.join(how)}, as {near[example].path}{others}: {', and '.join(advice)}."


class _Disk:
    """Looks for files under names that differ a little, in folders near by."""

    def __init__(self, index: ImageIndex) -> None:
        self._root = index.root.as_posix()
        self._base = (index.base or index.root).as_posix()
        self._names_in: dict[str, dict[str, list[str]]] = {}
        self._folders = list(self._near_by())

    def _near_by(self) -> Iterator[str]:
        """Yield the folders that the paths may be relative to: those inside, two deep, then those above."""
        inside = self._subfolders(self._base)
        yield from inside
        for folder in inside[:10]:
            yield from self._subfolders(folder)
        yield from map(str, list(Path(self._base).parents)[:3])

    @staticmethod
    def _subfolders(folder: str) -> list[str]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entry.path for entry in entries if entry.is_dir())[:_MOST_FOLDERS]
        except OSError:
            return []

    def look_for(self, path: str) -> _Near | None:
        """Return how a file that is there differs, or None."""
        # Absolute paths and those that lead out have a root of their own: no other one helps them.
        inside = self._root == self._base
        for cleaned, how in _cleaned(path):
            if (near := self._spelled(self._root, cleaned)) is not None:
                return near._replace(how=how + near.how)
            for folder in self._folders if inside else ():
                if (near := self._spelled(folder, cleaned)) is not None:
                    shown = _from_here(folder)
                    root = "./" if shown == "." else shlex.quote(shown)  # a full stop follows
                    return _Near((*how, f"below {shown}/", *near.how), (f"--root {root}", *near.options), near.path)
            parts = (cleaned if inside else f"{self._root}/{cleaned}".lstrip("/")).split("/")
            for first in range(1, len(parts)):
                if (near := self._spelled(self._base, "/".join(parts[first:]))) is not None:
                    without = ("" if inside else "/") + "/".join(parts[:first])
                    return _Near((*how, f"without {without}/", *near.how), near.options, near.path)
        return None

    def _spelled(self, folder: str, path: str) -> _Near | None:
        """Look for the path in a folder, then with another suffix, then in another case."""
        if os.path.lexists(f"{folder}/{path}"):
            return _Near((), (), path)
        above, name = os.path.split(path)
        stem, suffix = _stem_and_suffix(name)
        others = self._names(f"{folder}/{above}" if above else folder)
        is_image = suffix.lower() in IMAGE_SUFFIXES
        for found in others.get((stem if is_image else name).lower(), ()):
            found_stem, found_suffix = _stem_and_suffix(found)
            if not is_image and found_stem == name:
                return _Near((f"with {found_suffix}",), (f"--ext {found_suffix}",), f"{path}{found_suffix}")
            if found_stem == stem:
                return _Near((f"with {found_suffix} for {suffix}",), (), f"{above}/{found}" if above else found)
        return self._in_another_case(folder, path)

    def _in_another_case(self, folder: str, path: str) -> _Near | None:
        here, spelled = folder, []
        for name in path.split("/"):
            found = [other for names in self._names(here).values() for other in names if other.lower() == name.lower()]
            if not found:
                return None
            spelled.append(found[0])
            here = f"{here}/{found[0]}"
        return _Near(("in another case",), (), "/".join(spelled))

    def _names(self, folder: str) -> dict[str, list[str]]:
        """Return the names in a folder, by their stem in lower case."""
        if folder not in self._names_in:
            try:
                names = os.listdir(folder)  # noqa: PTH208 - strings are what is wanted
            except (OSError, ValueError):
                names = []
            by_stem: dict[str, list[str]] = {}
            for name in sorted(names):
                by_stem.setdefault(_stem_and_suffix(name)[0].lower(), []).append(name)
            self._names_in[folder] = by_stem
        return self._names_in[folder]


def _stem_and_suffix(name: str) -> tuple[str, str]:
    return Path(name).stem, Path(name).suffix


def _cleaned(path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a path as it is, without spaces and quotes around it, and with "/" for the backslashes of Windows."""
    yield path, ()
    bare = "/".join(part.strip() for part in path.split("/"))
    if bare != path:
        yield bare, ("without the spaces around it",)
    bare = bare.strip("'\"`")
    how = ("without the quotes around it",) if bare != path.strip() else ()
    if how:
        yield bare, how
    if "\\" in bare:
        yield bare.replace("\\", "/"), (*how, "with / for \\")


def _from_here(folder: str) -> str:
    """Return the folder as one would type it: relative where it lies below the current one."""
    try:
        relative = os.path.relpath(folder)
    except (OSError, ValueError):
        return folder
    return folder if relative.startswith("..") else relative
