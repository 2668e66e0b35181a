"""What stands inside a cache, and that it is regular files and real folders.

A cache may come from somebody else. Through a symbolic link in it featx would write over the user's own files; at a pipe it
would wait for ever. The cache's folder itself may be a link.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from featx.errors import CacheDamaged, CacheUnsafe
from featx.system.files import reading_from
from featx.system.regular import NO_FOLLOW, kind_of, open_regular

UNFINISHED = "unfinished"
"""A file that stands in the cache while its shards hold rows that no finished listing names yet."""

QUANTIZED = "quantized"
"""Folder inside the cache for the network that int8 features are made with."""

ALIKE = "near_duplicates.json"
"""Which of the listed contents show the same picture, as far as somebody has looked."""

ASIDE = "damaged"
"""Folder inside the cache that damaged files are moved to; nothing in it is ever read."""

PARTS = "parts"
"""Folder inside the cache that parts put their listings into."""

# With recipe.json: another process may have written it since it was looked for; it is compared under the lock again.
OWN_ENTRIES = frozenset(
    {
        "recipe.json",
        ".lock",
        "shards",
        "network.json",
        "catalog.h5",
        "rejects.csv",
        "layers",
        PARTS,
        QUANTIZED,
        ALIKE,
        ASIDE,
        UNFINISHED,
    }
)
"""Every name that featx gives a file or folder in a cache's folder."""


def check_inside(folder: Path) -> None:
    """Make sure that every entry of a cache is a regular file or a real folder, before any is opened.

    The user's own files beside them, under other names, are left out. ``layers`` holds caches, which are checked when they
    are opened.

    Raises
    ------
    CacheUnsafe
        If one is a symbolic link, a pipe, a socket or a device.
    CacheDamaged
        If a folder cannot be listed.
    """
    if not folder.is_dir():
        return
    with reading_from(folder, "Mend that, then try again.", CacheDamaged):
        for entry in _entries(folder):
            if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                raise CacheUnsafe(
                    f"{entry.path}: is {kind_of(entry.stat(follow_symlinks=False).st_mode)}; inside a cache featx reads and "
                    "writes regular files and real folders alone. Do not use this cache unless you put that there yourself; "
                    "then move the real file or folder to its place."
                )


def open_inside(path: Path) -> int:
    """Open a file of a cache for reading; return its descriptor.

    Neither the file nor the folder inside the cache that it stands in may have become a link since ``check_inside``.

    Raises
    ------
    OSError
        If one is a link, or the file is no regular one or cannot be opened.
    """
    if path.parent.name not in OWN_ENTRIES or os.open not in os.supports_dir_fd:
        return open_regular(path, follow=False)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW)
    try:
        return open_regular(Path(path.name), follow=False, within=folder)
    finally:
        os.close(folder)


def check_real(folder: Path) -> None:
    """Make sure that a folder inside a cache has not become a link since ``check_inside``, before anything is put into it.

    Raises
    ------
    CacheUnsafe
        If it has.
    """
    if folder.is_symlink():
        raise CacheUnsafe(f"{folder}: has become a symbolic link. Somebody else writes into this cache: do not use it.")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield featx' own entries of a cache's folder, each before what is in it."""
    with os.scandir(folder) as above:
        own = [entry for entry in above if entry.name in OWN_ENTRIES]
    for entry in own:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry.path) as inside:
                yield from inside
