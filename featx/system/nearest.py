"""A path that does not exist: which existing one was meant."""

import difflib
import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path

_ALIKE = 0.75
_MOST_NAMES, _LONGEST, _MOST_PARTS = 5000, 200, 20


def nearest_path(path: Path, fits: Callable[[Path], bool], at_home: Iterable[Path]) -> Path | None:
    """Return the existing path that is written most like one that does not exist; None where none is much like it.

    Parameters
    ----------
    path : Path
        What was given.
    fits : callable
        Tells whether an existing path is of the kind that was wanted.
    at_home : iterable of Path
        Further paths that may be meant by their name alone, with or without its suffix.
    """
    if not path.name or len(path.name) > _LONGEST:
        return None
    here = _spelled(path)
    if here is not None and fits(here):
        return here
    homes = {name: one for one in at_home for name in (one.stem, one.name)}
    near = _closest(path.name, homes) or _closest(path.stem, homes)
    return homes[near] if near else None


def _spelled(path: Path) -> Path | None:
    """Return the path with each part that is missing replaced by the name beside it that is most like it."""
    found = Path(path.anchor)
    for part in path.parts[len(Path(path.anchor).parts) : _MOST_PARTS]:
        if not os.path.lexists(found / part):
            near = _closest(part, _names_in(found))
            if near is None:
                return None
            part = near
        found /= part
    return found


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in itertools.islice(entries, _MOST_NAMES)]
    except OSError:
        return []


def _closest(name: str, names: Iterable[str]) -> str | None:
    by_lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[near[0]] if near else None
