"""Which contents of a cache show the same picture, kept beside the catalog: to find them again would take seconds."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.store.documents import read_json, write_json
from featx.store.inside import ALIKE
from featx.system.digests import Digests

# Of how they are found: what another version found is not taken.
_VERSION = 1


def keep_alike(folder: Path, fingerprint: str, contents: Digests, groups: NDArray[np.integer]) -> None:
    """Keep the groups of a cache's contents; those of other contents are replaced.

    Parameters
    ----------
    folder : Path
        The cache's folder.
    fingerprint : str
        Of its recipe.
    contents : ndarray of shape (n, 32), uint8
        All contents that the catalog lists, in ascending order.
    groups : ndarray of shape (n,), int
        Contents of one number show the same picture.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    order = np.argsort(groups, kind="stable")
    together = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    several = [places.tolist() for places in together if len(places) > 1]
    write_json(folder / ALIKE, {"of": _name_of(fingerprint, contents), "groups": several})


def kept_alike(folder: Path, fingerprint: str, contents: Digests) -> NDArray[np.int64] | None:
    """Return the group of each of the contents (n,), named by its first member; None where nothing is kept of these.

    Parameters
    ----------
    folder, fingerprint, contents
        As for ``keep_alike``.
    """
    path = folder / ALIKE
    if not path.exists():
        return None
    try:
        document = read_json(path)
    except CacheDamaged:
        return None  # nothing is lost: it is found again
    if document.get("of") != _name_of(fingerprint, contents):
        return None
    groups = np.arange(len(contents))
    try:
        for places in document["groups"]:
            groups[np.array(places, np.int64)] = int(min(places))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    return groups if len(groups) == 0 or (groups.min() >= 0 and groups.max() < len(groups)) else None


def _name_of(fingerprint: str, contents: Digests) -> str:
    return hashlib.sha256(f"{_VERSION} {fingerprint} ".encode() + np.ascontiguousarray(contents).tobytes()).hexdigest()
