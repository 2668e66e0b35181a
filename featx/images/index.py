"""What is in a folder: paths, labels, class names and given splits, in an order that is the same everywhere."""

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.decode import SNIFF_BYTES, sniff_format

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

_IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff".split()  # noqa: SIM905 - reads better than ten quotes
)
_NO_IMAGES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


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
        In natural order.
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


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key under which "img2" comes before "img10", whatever the locale."""
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def list_images(source: Path) -> ImageIndex:
    """List the images of a folder of class folders, or of one with ``train``, ``val``, ``test`` inside.

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
        If there is no such folder, or no image in a class folder in it.
    """
    root = _existing_folder(source)
    skipped: Counter[str] = Counter()
    rows: list[tuple[str, str, str, str]] = []  # split, class, path, reason
    splits = _split_folders(root)
    if splits != [("", root)]:
        rows += [("", "", path, "beside the split folders, in none of them") for path in _beside(root, splits, skipped)]
    for split, folder in splits:
        rows += [(split, "", path, "in no class folder") for path in _loose_images(root, folder, skipped)]
        above = frozenset({os.path.realpath(root), os.path.realpath(folder)})
        for class_folder in _subfolders(folder):
            found = _walk(class_folder, skipped, above)
            rows += [(split, class_folder.name, path.relative_to(root).as_posix(), "") for path in found]
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
        If a path does not exist, or there is no image at all.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            found += _walk(source, Counter())
        elif source.exists():
            found.append(source)
        else:
            raise ImageListError(f"{source}: no such file or folder.")
    if not found:
        raise ImageListError(f"{', '.join(map(str, sources))}: no images there. Give image files or folders with some.")
    return found


def _existing_folder(source: Path) -> Path:
    if not source.exists():
        raise ImageListError(f"{source}: no such folder. Give a folder with one folder of images per class.")
    if not source.is_dir():
        raise ImageListError(f"{source}: is a file. Give the folder with one folder of images per class.")
    return source.resolve()


def _nothing_found(root: Path, n_loose: int) -> str:
    if n_loose:
        return f"{root}: holds {n_loose} images but no class folders. Put each image into a folder named by its class."
    return f"{root}: no images in it. Expected one folder of images per class (JPEG, PNG, WebP, BMP, GIF or TIFF)."


def _split_folders(root: Path) -> list[tuple[str, Path]]:
    """Return (split, folder of class folders) pairs; one pair without a split for plain class folders.

    ``train`` may also be a class, of locomotives say. It is taken for a split when it holds folders and no loose
    images, and either stands alone or has another split beside it.
    """
    folders = _subfolders(root)
    by_split = [(SPLIT_FOLDERS[f.name.lower()], f) for f in folders if f.name.lower() in SPLIT_FOLDERS]
    train_folders = [folder for split, folder in by_split if split == "train"]
    is_split = (
        bool(train_folders)
        and (len(by_split) > 1 or len(folders) == 1)
        and all(_subfolders(folder) and not _loose_images(root, folder, Counter()) for folder in train_folders)
    )
    if not is_split:
        return [("", root)]
    order = ("train", "val", "test")
    return sorted(by_split, key=lambda pair: (order.index(pair[0]), pair[1].name))


def _beside(root: Path, splits: list[tuple[str, Path]], skipped: Counter[str]) -> list[str]:
    """Return the images that lie beside split folders: they belong to no split, and leaving them out must be said."""
    taken = {folder for _, folder in splits}
    others = [folder for folder in _subfolders(root) if folder not in taken]
    above = frozenset({os.path.realpath(root)})
    deep = [path.relative_to(root).as_posix() for folder in others for path in _walk(folder, skipped, above)]
    return _loose_images(root, root, skipped) + deep


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NO_IMAGES


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not _is_hidden(e.name)), key=lambda e: natural_key(e.name))
    except OSError as error:
        raise ImageListError(f"{folder}: cannot be listed: {error.strerror}. Make it readable or move it away.") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell regular files; a link that leads nowhere counts too, so that it is listed, and rejected with that reason."""
    return not _is_folder(entry) and (entry.is_symlink() or entry.is_file())


def _subfolders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if _is_folder(entry)]


def _loose_images(root: Path, folder: Path, skipped: Counter[str]) -> list[str]:
    files = [entry for entry in _entries(folder) if _is_file(entry)]
    return [Path(entry.path).relative_to(root).as_posix() for entry in files if _is_image(entry, skipped)]


def _walk(folder: Path, skipped: Counter[str], above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield every image below a folder, following links but never into a folder above itself."""
    here = os.path.realpath(folder)
    if here in above:
        return
    for entry in _entries(folder):
        if _is_folder(entry):
            yield from _walk(Path(entry.path), skipped, above | {here})
        elif _is_file(entry) and _is_image(entry, skipped):
            yield Path(entry.path)


def _is_image(entry: os.DirEntry[str], skipped: Counter[str]) -> bool:
    """Tell images by name, and files with other names by their first bytes."""
    suffix = Path(entry.name).suffix.lower()
    if suffix in _IMAGE_SUFFIXES:
        return True
    try:
        with Path(entry.path).open("rb") as file:
            if sniff_format(file.read(SNIFF_BYTES)) is not None:
                return True
    except OSError:
        pass  # unreadable and not named like an image: counted with the other files below
    skipped[suffix or "no suffix"] += 1
    return False
