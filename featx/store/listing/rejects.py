"""The table of images that gave no features."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from featx.errors import CacheDamaged, CacheError, CacheWriteError, ImageListError
from featx.store.documents import MEND, unreadable
from featx.store.listing.catalog import REJECTED, Catalog
from featx.store.listing.said import said_of
from featx.system.cells import TableWriter, unguarded
from featx.system.durable import make_folder
from featx.system.files import replacing_text


def write_rejects(path: Path, catalog: Catalog) -> None:
    """Write path, class and reason of every rejected image; only the header if there is none.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    try:
        make_folder(path.parent)
        with replacing_text(path) as file:
            writer = TableWriter(file, "\r\n")
            writer.writerow(("path", "class", "reason"))
            writer.writerows(_rejected(catalog))
    except OSError as error:
        raise CacheWriteError(f"{path}: {error.strerror}. The features are kept: make room and run again.") from error


def _rejected(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    """Yield path, class, labels or numbers, and reason of every rejected image."""
    for row in np.flatnonzero(catalog.status == REJECTED):
        yield catalog.paths[row], said_of(catalog, int(row)), catalog.reasons[row]


def check_rejects(catalog_path: Path, path: Path) -> None:
    """Make sure that a cache's table holds the images that its catalog says were rejected, with their reasons.

    Raises
    ------
    CacheUnreadable
        If the system does not let us read it.
    CacheDamaged
        If it has not. Where the catalog itself is damaged, there is nothing to say.
    """
    try:
        wanted = [[unguarded(cell) for cell in row] for row in _rejected(Catalog.read(catalog_path))]
    except CacheError:
        return
    try:
        with path.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
            found = [[unguarded(cell) for cell in row] for row in csv.reader(file)][1:]
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except csv.Error as error:
        raise CacheDamaged(f"{path}: is no table: {error}. {MEND}") from error
    if len(found) < len(wanted):
        raise CacheDamaged(f"{path}: has {len(found)} images, but {len(wanted)} were rejected. {MEND}")
    # A name's bytes that are no text are written as escapes.
    if found != [[cell.encode("utf-8", "backslashreplace").decode() for cell in row] for row in wanted]:
        raise CacheDamaged(f"{path}: its images or reasons are not those of the catalog. {MEND}")


def check_something_is_left(catalog: Catalog, rejects: Path) -> None:
    """Refuse a listing in which every image was rejected, before it replaces the listing that is there.

    Raises
    ------
    ImageListError
        With the most frequent reason.
    """
    if not len(catalog.rows()):
        reason, count = Counter(catalog.reasons).most_common(1)[0]
        raise ImageListError(
            f"{catalog.source}: none of its {len(catalog)} images could be used; most often ({count}): {reason}. See {rejects}."
        )
