"""What is in a folder: paths, labels, class names and given splits, in an order that is the same everywhere."""

import dataclasses
import stat
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.walk import (
    holds_images,
    loose_images,
    mode_of,
    natural_key,
    real_path,
    subfolders,
    walk_images,
)

UNLABELLED = -1
"""Label of an image that belongs to no class."""

SPLIT_FOLDERS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}
"""Folder name, in any case, to split."""


@dataclasses.dataclass(frozen=True)
class ImageIndex:
    """The list of images, before any of them is opened.

    Parameters
    ----------
    root : Path
        Absolute folder that ``paths`` are relative to.
    paths : tuple of str
        Relative, with ``/``; by split, class, then natural order ("2" before "10").
    labels : ndarray of shape (n_images,), int32
        Index into ``class_names``, or -1 for no class.
    class_names : tuple of str
        In natural order, NFC-normalised: macOS and Linux write the same "café" in different bytes.
    splits : tuple of str
        ``train``, ``val`` or ``test`` where the folders say so, else empty.
    reasons : tuple of str
        Why an image is rejected before it is opened, else empty.
    skipped : dict of str to int
        Files that are no images by name and content, counted by suffix.
    """

    root: Path
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    reasons: tuple[str, ...]
    skipped: dict[str, int]


def list_images(source: Path) -> ImageIndex:
    """List the images of a folder of class folders, or of one with ``train``, ``val``, ``test`` inside.

    Hidden files and what featx itself has written (caches, models, reports) are passed over.

    Parameters
    ----------
    source : Path
        ``source/<class>/…/<image>`` or ``source/<split>/<class>/…/<image>``.

    Returns
    -------
    index : ImageIndex
        Every image once, in natural order.

    Raises
    ------
    ImageListError
        If there is no such folder, it cannot be read, or there is no image in a class folder in it.
    """
    root = _existing_folder(source)
    skipped: Counter[str] = Counter()
    rows: list[tuple[str, str, str, str]] = []  # split, class, path, reason
    splits = _split_folders(root)
    if splits != [("", root)]:
        rows += [("", "", path, "beside the split folders, in none of them") for path in _beside(root, splits, skipped)]
    for split, folder in splits:
        rows += [(split, "", path, "in no class folder") for path in loose_images(root, folder, skipped)]
        above = frozenset({real_path(root), real_path(folder)})
        for class_folder in subfolders(folder):
            class_name = unicodedata.normalize("NFC", class_folder.name)
            found = walk_images(class_folder, skipped, above)
            rows += [(split, class_name, path.relative_to(root).as_posix(), "") for path in found]
    class_names = tuple(sorted({class_name for _, class_name, _, _ in rows if class_name}, key=natural_key))
    if not class_names:
        raise ImageListError(_nothing_found(root, len(rows)))
    label_of = {class_name: label for label, class_name in enumerate(class_names)}
    return ImageIndex(
        root=root,
        paths=tuple(path for _, _, path, _ in rows),
        labels=np.array([label_of.get(class_name, UNLABELLED) for _, class_name, _, _ in rows], np.int32),
        class_names=class_names,
        splits=tuple(split for split, _, _, _ in rows),
        reasons=tuple(reason for _, _, _, reason in rows),
        skipped=dict(skipped),
    )


def list_unlabelled(sources: Sequence[Path]) -> list[Path]:
    """List images to predict: files as they are given, folders with everything below them.

    Raises
    ------
    ImageListError
        If a path does not exist or cannot be read, or there is no image at all.
    """
    found: list[Path] = []
    for source in sources:
        mode = mode_of(source)
        if not mode:
            raise ImageListError(f"{source}: no such file or folder.")
        found += walk_images(source, Counter()) if stat.S_ISDIR(mode) else [source]
    if not found:
        raise ImageListError(f"{', '.join(map(str, sources))}: no images there. Give image files or folders with some.")
    return found


def _existing_folder(source: Path) -> Path:
    mode = mode_of(source)
    if not mode:
        raise ImageListError(f"{source}: no such folder. Give a folder with one folder of images per class.")
    if not stat.S_ISDIR(mode):
        raise ImageListError(f"{source}: is a file. Give the folder with one folder of images per class.")
    return Path(real_path(source))


def _nothing_found(root: Path, n_loose: int) -> str:
    if n_loose:
        return f"{root}: holds {n_loose} images but no class folders. Put each image into a folder named by its class."
    return f"{root}: no images in it. Expected one folder of images per class (JPEG, PNG, WebP, BMP, GIF or TIFF)."


def _split_folders(root: Path) -> list[tuple[str, Path]]:
    """Return (split, folder of class folders) pairs; one pair without a split for plain class folders.

    ``train`` may also be a class, of locomotives say. So it is taken for a split only when it holds class folders and
    another split is beside it; or when no folder but splits holds images, and those hold class folders alone.
    """
    folders = subfolders(root)
    by_split = [(SPLIT_FOLDERS[f.name.lower()], f) for f in folders if f.name.lower() in SPLIT_FOLDERS]
    if not by_split:
        return [("", root)]
    above = frozenset({real_path(root)})

    def holds_classes(folder: Path) -> bool:
        return any(holds_images(inside, above | {real_path(folder)}) for inside in subfolders(folder))

    several = len({split for split, _ in by_split}) > 1
    if not (several and any(split == "train" and holds_classes(folder) for split, folder in by_split)):
        full = [folder for folder in folders if holds_images(folder, above)]
        named = [folder for _, folder in by_split if not loose_images(root, folder, Counter()) and holds_classes(folder)]
        if not full or not set(full) <= set(named):
            return [("", root)]
    order = ("train", "val", "test")
    return sorted(by_split, key=lambda pair: (order.index(pair[0]), pair[1].name))


def _beside(root: Path, splits: list[tuple[str, Path]], skipped: Counter[str]) -> list[str]:
    """Return the images that lie beside split folders: they belong to no split, and leaving them out must be said."""
    taken = {folder for _, folder in splits}
    others = [folder for folder in subfolders(root) if folder not in taken]
    above = frozenset({real_path(root)})
    deep = [path.relative_to(root).as_posix() for folder in others for path in walk_images(folder, skipped, above)]
    return loose_images(root, root, skipped) + deep
