r"""Paths as Windows writes them, on any system: backslashes, drive letters, shares; listed are paths with ``/``."""

import ntpath
from pathlib import PureWindowsPath

import pytest

from featx.images.listing.manifest import relative_paths
from featx.images.listing.walk import below

BASE = r"C:\Users\Ada Müller\photos"


@pytest.mark.parametrize(
    ("root", "path", "listed"),
    [
        (BASE, rf"{BASE}\cat\1.jpg", "cat/1.jpg"),
        (BASE, rf"{BASE}\cat\a\b\1.jpg", "cat/a/b/1.jpg"),
        ("D:\\", r"D:\cat\1.jpg", "cat/1.jpg"),
        (r"\\server\share\photos", r"\\server\share\photos\cat\1.jpg", "cat/1.jpg"),
    ],
)
def test_files_of_a_walk_are_listed_with_slashes(root: str, path: str, listed: str) -> None:
    """Below a folder, the root of a disk and a share."""
    assert list(below(PureWindowsPath(root), [path], ntpath)) == [listed]


@pytest.mark.parametrize(
    ("written", "root", "listed"),
    [
        ([r"cat\1.jpg", "dog/2.jpg", r".\dog\..\cat\3.jpg"], BASE, ["cat/1.jpg", "dog/2.jpg", "cat/3.jpg"]),
        ([rf"{BASE}\cat\1.jpg", r"dog\2.jpg"], BASE, ["cat/1.jpg", "dog/2.jpg"]),
        ([r"c:\users\ada müller\PHOTOS\cat\1.jpg", r"dog\2.jpg"], r"c:\users\ada müller\PHOTOS", ["cat/1.jpg", "dog/2.jpg"]),
        (["C:/Users/Ada Müller/photos/cat/1.jpg", r"dog\2.jpg"], BASE, ["cat/1.jpg", "dog/2.jpg"]),
        ([r"..\more\1.jpg", r"cat\2.jpg"], r"C:\Users\Ada Müller", ["more/1.jpg", "photos/cat/2.jpg"]),
        ([r"D:\cat\1.jpg", r"D:\dog\2.jpg"], "D:\\", ["cat/1.jpg", "dog/2.jpg"]),
        ([r"\cat\1.jpg", r"\dog\2.jpg"], "C:\\", ["cat/1.jpg", "dog/2.jpg"]),
        ([r"C:cat\1.jpg", r"C:dog\2.jpg"], BASE, ["cat/1.jpg", "dog/2.jpg"]),
        ([r"\\server\share\a\1.jpg", r"\\server\share\b\2.jpg"], "\\\\server\\share\\", ["a/1.jpg", "b/2.jpg"]),
    ],
)
def test_a_manifest_of_windows_is_read_there(written: list[str], root: str, listed: list[str]) -> None:
    """Relative paths, absolute ones in any case, other disks, the current folder of a disk, shares."""
    found, paths = relative_paths(BASE, written, ntpath)
    assert PureWindowsPath(found) == PureWindowsPath(root)
    assert paths == listed


def test_several_disks_have_no_folder_above_them() -> None:
    """`read_manifest` turns it into its own error."""
    with pytest.raises(ValueError, match="drive"):
        relative_paths(BASE, [r"D:\cat\1.jpg", r"dog\2.jpg"], ntpath)
