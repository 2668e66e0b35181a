"""The table of images that gave no features."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np

from featx.errors import CacheDamaged, CacheError, CacheWriteError, ImageListError
from featx.store.documents import MEND, unreadable
from featx.store.listing.catalog import REJECTED, Catalog
from featx.system.cells import TableWriter
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
            for row in np.flatnonzero(catalog.status == REJECTED):
                label = int(catalog.labels[row])
                class_name = catalog.class_names[label] if label >= 0 else ""
                writer.writerow((catalog.paths[row], class_name, catalog.reasons[row]))
    except OSError as error:
        raise CacheWriteError(f"{path}: {error.strerror}. The features are kept: make room and run again.") from error


def check_rejects(catalog_path: Path, path: Path) -> None:
    """Make sure that a cache's table has a row for each image that its catalog says was rejected.

    Raises
    ------
    CacheUnreadable
        If the system does not let us read it.
    CacheDamaged
        If it has not. Where the catalog itself is damaged, there is nothing to say.
    """
    try:
        wanted = int((Catalog.read(catalog_path).status == REJECTED).sum()) if catalog_path.exists() else 0
    except CacheError:
        return
    try:
        with path.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
            found = sum(1 for _ in csv.reader(file)) - 1
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except csv.Error as error:
        raise CacheDamaged(f"{path}: is no table: {error}. {MEND}") from error
    if found < wanted:
        raise CacheDamaged(f"{path}: has {max(found, 0)} images, but {wanted} were rejected. {MEND}")


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
