"""What is in a folder or manifest: paths, labels, class names and given splits, in an order that is the same everywhere."""

import dataclasses
import itertools
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.listing.manifest import read_manifest
from featx.images.listing.walk import (
    holds_images,
    length_to,
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
"""Name of a folder, or in a manifest's split column, in any case, to split."""


@dataclasses.dataclass(frozen=True)
class ImageIndex:
    """The list of images, before any of them is opened.

    Parameters
    ----------
    root : Path
        Absolute folder that ``paths`` are relative to.
    name : str
        What a cache of these images is called by default: the folder's name, or the manifest's without ``.csv``.
    paths : tuple of str
        Relative, with ``/``; by split, class, then natural order ("2" before "10"), or in the manifest's order.
    labels : ndarray of shape (n_images,), int32
        Index into ``class_names``, or -1 for no class.
    class_names : tuple of str
        In natural order, NFC-normalised: macOS and Linux write the same "café" in different bytes.
    splits : tuple of str
        ``train``, ``val`` or ``test`` where the folders or the manifest say so, else empty.
    reasons : tuple of str
        Why an image is rejected before it is opened, else empty.
    skipped : dict of str to int
        Files that are no images by name and content, counted by suffix.
    """

    root: Path
    name: str
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    reasons: tuple[str, ...]
    skipped: dict[str, int]


def list_images(source: Path) -> ImageIndex:
    """List the images of a folder of class folders, of one with ``train``, ``val``, ``test`` inside, or of a CSV manifest.

    In folders, hidden files and what featx itself has written (caches, models, reports) are passed over.

    Parameters
    ----------
    source : Path
        ``source/<class>/…/<image>`` or ``source/<split>/<class>/…/<image>``; or a file ``<name>.csv`` with the columns
        ``path``, ``label`` and perhaps ``split``, paths relative to its folder.

    Returns
    -------
    index : ImageIndex
        Of folders every image once, in natural order; of a manifest every row in its order.

    Raises
    ------
    ImageListError
        If there is no such folder or manifest, it cannot be read, or it gives no image a class.
    """
    if source.suffix.lower() == ".csv" and stat.S_ISREG(mode_of(source)):
        manifest = read_manifest(source, SPLIT_FOLDERS)
        return _make_index(
            name=source.stem,
            root=manifest.root,
            paths=manifest.paths,
            class_of=manifest.labels,
            splits=manifest.splits,
            reasons=manifest.reasons,
            skipped={},
        )
    root = _existing_folder(source)
    skipped: Counter[str] = Counter()
    columns, start = _Columns([], [], [], []), length_to(root)
    splits = _split_folders(root)
    if splits != [("", root)]:
        columns.add(_beside(root, splits, skipped), reason="beside the split folders, in none of them")
    for split, folder in splits:
        columns.add(loose_images(root, folder, skipped), split=split, reason="in no class folder")
        above = frozenset({real_path(root), real_path(folder)})
        for class_folder in subfolders(folder):
            class_name = unicodedata.normalize("NFC", class_folder.name)
            found = walk_images(class_folder, skipped, above)
            columns.add((path[start:] for path in found), split=split, class_name=class_name)
    if not any(columns.class_of):
        raise ImageListError(_nothing_found(root, len(columns.paths)))
    return _make_index(name=root.name, root=root, **columns._asdict(), skipped=skipped)


class _Columns(NamedTuple):
    """The listing as it grows, one entry for each image."""

    paths: list[str]
    class_of: list[str]
    splits: list[str]
    reasons: list[str]

    def add(self, paths: Iterable[str], *, split: str = "", class_name: str = "", reason: str = "") -> None:
        """Add images of which all but the path is the same."""
        before = len(self.paths)
        self.paths.extend(paths)
        for column, value in ((self.class_of, class_name), (self.splits, split), (self.reasons, reason)):
            column.extend(itertools.repeat(value, len(self.paths) - before))


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
        found += map(Path, walk_images(source, Counter())) if stat.S_ISDIR(mode) else [source]
    if not found:
        raise ImageListError(f"{', '.join(map(str, sources))}: no images there. Give image files or folders with some.")
    return found


def _make_index(
    *,
    name: str,
    root: Path,
    paths: Sequence[str],
    class_of: Sequence[str],
    splits: Sequence[str],
    reasons: Sequence[str],
    skipped: dict[str, int],
) -> ImageIndex:
    class_names = tuple(sorted(set(class_of) - {""}, key=natural_key))
    label_of = {class_name: label for label, class_name in enumerate(class_names)}
    return ImageIndex(
        root=root,
        name=name,
        paths=tuple(paths),
        labels=np.array([label_of.get(class_name, UNLABELLED) for class_name in class_of], np.int32),
        class_names=class_names,
        splits=tuple(splits),
        reasons=tuple(reasons),
        skipped=dict(skipped),
    )


def _existing_folder(source: Path) -> Path:
    mode = mode_of(source)
    wanted = "the folder with one folder of images per class, or a CSV manifest (path,label)"
    if not mode:
        raise ImageListError(f"{source}: no such {'file' if source.suffix.lower() == '.csv' else 'folder'}. Give {wanted}.")
    if not stat.S_ISDIR(mode):
        found = "a file" if stat.S_ISREG(mode) else "neither a folder nor an ordinary file"
        raise ImageListError(f"{source}: is {found}. Give {wanted}.")
    return Path(real_path(source))


def _nothing_found(root: Path, n_loose: int) -> str:
    if n_loose:
        return f"{root}: holds {n_loose} images but no class folders. Put each image into a folder named by its class."
    return f"{root}: no images in it. Expected one folder of images per class (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)."


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
    start = length_to(root)
    deep = [path[start:] for folder in others for path in walk_images(folder, skipped, above)]
    return loose_images(root, root, skipped) + deep
