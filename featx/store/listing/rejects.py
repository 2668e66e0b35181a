"""The table of images that gave no features."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np

from featx.errors import CacheWriteError, ImageListError
from featx.store.listing.catalog import REJECTED, Catalog
from featx.system.files import replacing_text


def write_rejects(path: Path, catalog: Catalog) -> None:
    """Write path, class and reason of every rejected image; only the header if there is none.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with replacing_text(path) as file:
            writer = csv.writer(file)
            writer.writerow(("path", "class", "reason"))
            for row in np.flatnonzero(catalog.status == REJECTED):
                label = int(catalog.labels[row])
                class_name = catalog.class_names[label] if label >= 0 else ""
                writer.writerow((catalog.paths[row], class_name, catalog.reasons[row]))
    except OSError as error:
        raise CacheWriteError(f"{path}: {error.strerror}. The features are kept: make room and run again.") from error


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
