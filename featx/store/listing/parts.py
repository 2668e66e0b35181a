"""What a part of an extract leaves in the cache: its rows in shards as ever, and its own listing in ``parts/``.

::

    parts/2-of-8.h5           the catalog of the images of part 2, with what it takes to put the whole listing together
    parts/2-of-8-rejects.csv  path, class and reason of its images that gave no features

A part has no ``catalog.h5``: train, val and test are drawn from all images, which no part knows. The next whole extract, or
a merge, finishes the listing and takes the folder away.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from featx.store.documents import reading_named, writing_named
from featx.store.inside import PARTS
from featx.system.durable import delete, delete_empty, make_folder

if TYPE_CHECKING:
    from featx.store.listing.catalog import Catalog


_NAME = re.compile(r"([0-9]{1,9})-of-([0-9]{1,9})\.h5")
_REJECTS = "-rejects.csv"


def part_paths(folder: Path) -> list[Path]:
    """Return the listings that parts have left in a cache, in the order of their numbers.

    Raises
    ------
    CacheDamaged
        If the folder cannot be listed.
    """
    with reading_named(folder):
        names = os.listdir(folder / PARTS) if (folder / PARTS).exists() else []  # noqa: PTH208 - names
    numbered = [(int(match[2]), int(match[1]), name) for name in names if (match := _NAME.fullmatch(name))]
    return [folder / PARTS / name for _, _, name in sorted(numbered)]


def part_path(folder: Path, number: int, of: int) -> Path:
    """Return the name of a part's listing."""
    return folder / PARTS / f"{number}-of-{of}.h5"


def rejects_path(listing: Path) -> Path:
    """Return the name of the table of rejected images beside a part's listing."""
    return listing.with_name(listing.stem + _REJECTS)


def describe_parts(folder: Path) -> str:
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
        make_folder(path.parent)
    catalog.write(path)


def drop_parts(folder: Path) -> None:
    """Delete the listings of parts, once the whole listing is in force; call it only while holding the cache's lock alone."""
    for path in part_paths(folder):
        with writing_named(path):
            delete(path, rejects_path(path))
    delete_empty(folder / PARTS)
