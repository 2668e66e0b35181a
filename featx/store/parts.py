"""What a part of an extract leaves in the cache: its rows in shards as ever, and its own listing in ``parts/``.

::

    parts/2-of-8.h5           the catalog of the images of part 2, with what it takes to put the whole one together
    parts/2-of-8-rejects.csv  path, class and reason of its images that gave no features

A part has no ``catalog.h5``: train, val and test are drawn from all images, which no part knows. The next whole extract, or
a merge, finishes the listing and takes the folder away.
"""

import contextlib
import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.store.documents import reading_named, writing_named

if TYPE_CHECKING:
    from featx.store.catalog import Catalog

PARTS = "parts"
"""Folder inside the cache that parts put their listings into."""

NOT_GIVEN = -1
"""Stands for the split of an image that neither folder nor manifest gives one."""

_NAME = re.compile(r"([0-9]{1,9})-of-([0-9]{1,9})\.h5")
_REJECTS = "-rejects.csv"


@dataclasses.dataclass(frozen=True)
class PartOf:
    """Which part of which listing a catalog is.

    Parameters
    ----------
    number, of : int
        Part ``number``, from 1, of ``of``.
    name : str
        What a cache of the whole listing is called by default.
    listing : str
        Digest of the whole listing: parts with the same one may be put together.
    listed : int
        Images in the whole listing.
    val_fraction, test_fraction, seed : float and int
        How the splits are to be drawn from the whole.
    positions : ndarray of shape (n,), int64
        Row of each image in the whole listing.
    given : ndarray of shape (n,), int8
        Split that folder or manifest give each image, or ``NOT_GIVEN``. The catalog's own splits are a guess, drawn from
        the part alone.
    """

    number: int
    of: int
    name: str
    listing: str
    listed: int
    val_fraction: float
    test_fraction: float
    seed: int
    positions: NDArray[np.int64]
    given: NDArray[np.int8]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def head(self) -> dict[str, Any]:
        """Return what is not a column, as JSON types."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in ("positions", "given")]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def read(cls, head: dict[str, Any], file: h5py.File) -> "PartOf":
        """Rebuild it from ``head``'s result and the columns of a file."""
        kinds = (int, int, str, str, int, float, float, int)
        names = [field.name for field in dataclasses.fields(cls)][: len(kinds)]
        settings = {name: kind(head[name]) for name, kind in zip(names, kinds, strict=True)}
        return cls(**settings, positions=file["position"][()].astype(np.int64), given=file["given"][()].astype(np.int8))

    def is_sound(self, n: int, n_splits: int) -> bool:
        """Tell whether the columns fit a catalog of n rows and point nowhere outside."""
        return (
            self.positions.shape == self.given.shape == (n,)
            and (n == 0 or bool(self.positions.min() >= 0 and self.positions.max() < self.listed))
            and (n == 0 or bool(self.given.min() >= NOT_GIVEN and self.given.max() < n_splits))
            and 1 <= self.number <= self.of
            and "/" not in self.name
            and self.name not in (".", "..")
        )


def part_paths(folder: Path) -> list[Path]:
    """Return the listings that parts have left in a cache, in the order of their numbers.

    Raises
    ------
    CacheDamaged
        If the folder cannot be listed.
    """
    with reading_named(folder):
        names = os.listdir(folder / PARTS) if (folder / PARTS).exists() else []  # noqa: PTH208 - names
    found = [(int(match[2]), int(match[1]), name) for name in names if (match := _NAME.fullmatch(name))]
    return [folder / PARTS / name for _, _, name in sorted(found)]


def part_path(folder: Path, number: int, of: int) -> Path:
    """Return the name of a part's listing."""
    return folder / PARTS / f"{number}-of-{of}.h5"


def rejects_path(listing: Path) -> Path:
    """Return the name of the table of rejected images beside a part's listing."""
    return listing.with_name(listing.stem + _REJECTS)


def say_parts(folder: Path) -> str:
    """Name the parts whose listings are in a cache, as ``1/4, 3/4``."""
    return ", ".join(path.stem.replace("-of-", "/") for path in part_paths(folder))


def write_part(folder: Path, catalog: "Catalog") -> None:
    """Write, or replace, a part's listing.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    assert catalog.part
    path = part_path(folder, catalog.part.number, catalog.part.of)
    with writing_named(path):
        path.parent.mkdir(exist_ok=True)
    catalog.write(path)


def drop_parts(folder: Path) -> None:
    """Delete the listings of parts, once the whole one stands; call it only while holding the cache's lock alone."""
    for path in part_paths(folder):
        with writing_named(path):
            path.unlink(missing_ok=True)
            rejects_path(path).unlink(missing_ok=True)
    if (folder / PARTS).exists():
        with contextlib.suppress(OSError):  # somebody keeps other files in it
            (folder / PARTS).rmdir()
