"""Paths as the disk spells them: "é" may be one character or two, and Linux finds a file under one of them alone."""

import os
import unicodedata
from collections.abc import Sequence


def spell_as_on_disk(root: str, paths: Sequence[str]) -> list[str]:
    """Return the paths with their accents composed or taken apart as in the names of the files that are there.

    A table written on a Mac names "cafe" + U+0301 what other systems call "caf" + U+00E9.

    Parameters
    ----------
    root : str
        Folder that the paths are relative to.
    paths : sequence of str
        Those of plain ASCII, and those for which there is no file in either spelling, stay as they are.
    """
    disk = _Disk(root)
    return [path if path.isascii() else disk.spell(path) for path in paths]


class _Disk:
    """Names of the folders that were looked into."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self._names_in: dict[str, dict[str, str]] = {}

    def spell(self, path: str) -> str:
        if os.path.lexists(f"{self._root}/{path}"):
            return path
        found = ""
        for name in path.split("/"):
            names = self._names(found)
            spelled = names.get(unicodedata.normalize("NFC", name))
            if spelled is None:
                return path
            found = f"{found}/{spelled}" if found else spelled
        return found

    def _names(self, folder: str) -> dict[str, str]:
        """Return the names in a folder, by their composed form."""
        if folder not in self._names_in:
            try:
                names = os.listdir(f"{self._root}/{folder}")  # noqa: PTH208 - strings are what is wanted
            except (OSError, ValueError):  # a null byte
                names = []
            self._names_in[folder] = {unicodedata.normalize("NFC", name): name for name in sorted(names)}
        return self._names_in[folder]
