"""What is in a folder or manifest: paths, labels, class names and given splits, in an order that is the same everywhere."""

import dataclasses
import itertools
import math
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.listing.layout import find_layout, images_beside
from featx.images.listing.manifest import read_manifest
from featx.images.listing.names import some_of
from featx.images.listing.options import ManifestOptions
from featx.images.listing.passed import PassedOver
from featx.images.listing.tables import TABLE_SUFFIXES
from featx.images.listing.targets import Learned, as_grades
from featx.images.listing.walk import (
    Tally,
    below,
    cannot_list,
    has_image_names,
    loose_images,
    mode_of,
    natural_key,
    real_path,
    subfolders,
    walk_images,
)
from featx.task import Task

UNLABELLED = -1
"""Label of an image that belongs to no class."""


@dataclasses.dataclass(frozen=True)
class ImageIndex:
    """The list of images, before any of them is opened.

    Parameters
    ----------
    root : Path
        Absolute folder that ``paths`` are relative to.
    name : str
        What a cache of these images is called by default: the folder's name, or the manifest's without its suffix.
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
    passed_over : dict of str to int
        Folders that the system put there or hides (``@eaDir``, ``.thumbnails``), counted by name.
    hidden : int
        Hidden files, such as ``.DS_Store``.
    empty_classes : dict of str to dict of str to int
        Class folders without a single image, relative to ``root``, to their files counted by suffix.
    notes : tuple of str
        What was decided or left out that a user should know before the work begins.
    manifest : Path or None
        The table that lists the images; None where folders do.
    base : Path or None
        Absolute folder that its paths are relative to as they are written; ``root`` may be another where some lead out of it.
    groups : tuple of str
        The group of each, empty for none: pictures of one group show the same thing. No entries where there are no groups.
    weights : ndarray of shape (n_images,), float64, or None
        How much each counts, in learning and in figures; None where all count alike.
    task : Task
        What is to be learned of each image. Of grades, ``class_names`` are the grades in their order.
    targets : ndarray of shape (n_images, n_names), float64, or None
        A column for each label, 1, 0 or NaN for not known, or for each number, or NaN; ``class_names`` are then empty and
        ``labels`` -1. None of classes and grades.
    unnamed : float
        What a label that is none of the task's names is to an image: 0 where each image's list names all that it has, else NaN.
    faults : tuple of str
        Why no head could use them, as they were read.
    """

    root: Path
    name: str
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    reasons: tuple[str, ...]
    skipped: dict[str, int]
    passed_over: dict[str, int] = dataclasses.field(default_factory=dict)
    hidden: int = 0
    empty_classes: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    manifest: Path | None = None
    base: Path | None = None
    groups: tuple[str, ...] = ()
    weights: NDArray[np.float64] | None = None
    task: Task = Task()  # noqa: RUF009 - frozen
    targets: NDArray[np.float64] | None = None
    unnamed: float = math.nan
    faults: tuple[str, ...] = ()

    @property
    def unlisted(self) -> PassedOver:
        """What the folders hold besides."""
        return PassedOver(self.skipped, self.passed_over, self.hidden)


def list_images(source: Path, options: ManifestOptions | None = None) -> ImageIndex:
    """List the images of a folder of class folders, of one with ``train``, ``val``, ``test`` inside, or of a manifest.

    In folders, hidden files, what the system put there and what featx itself has written (caches, models, reports) are
    passed over; so is a folder that cannot be read, unless none can.

    Parameters
    ----------
    source : Path
        ``source/<class>/…/<image>`` or ``source/<split>/<class>/…/<image>``; or a table (``.csv``, ``.tsv``, ``.txt``,
        ``.xlsx``, ``.parquet``) with the columns ``path``, ``label`` and perhaps ``split``, paths relative to its folder.
    options : ManifestOptions or None
        How a table is to be read.

    Returns
    -------
    index : ImageIndex
        Of folders every image once, in natural order; of a manifest every row in its order.

    Raises
    ------
    ImageListError
        If there is no such folder or manifest, it cannot be read, or it gives no image a class.
    """
    options = options or ManifestOptions()
    if source.suffix.lower() in TABLE_SUFFIXES and stat.S_ISREG(mode_of(source)):
        return _list_manifest(source, options)
    root = _existing_folder(source)
    if options.is_for_tables:
        raise ImageListError(
            f"{source}: is a folder; --root, --ext and the --…-column options, --label-separator and --target say how a "
            "manifest is to be read.",
            wrong_value=True,
        )
    tally, empty = Tally(), {}
    columns = _Columns([], [], [], [])
    layout = find_layout(root, tally)
    if layout.splits != [("", root)]:
        columns.add(images_beside(root, layout.splits, tally), reason="beside the split folders, in none of them")
    for split, folder in layout.splits:
        columns.add(loose_images(root, folder, tally), split=split, reason="in no class folder")
        above = frozenset({real_path(root), real_path(folder)})
        for class_folder in subfolders(folder, tally):
            class_name = unicodedata.normalize("NFC", class_folder.name)
            n_before, skipped_before = len(columns.paths), tally.skipped.copy()
            found = walk_images(class_folder, tally, above)
            columns.add(below(root, found), split=split, class_name=class_name)
            if len(columns.paths) == n_before and str(class_folder) not in tally.unreadable:
                empty[class_folder.relative_to(root).as_posix()] = dict(tally.skipped - skipped_before)
    if not any(columns.class_of):
        for path, reason in tally.unreadable.items():
            raise cannot_list(path, reason)
        raise ImageListError(_nothing_found(root, len(columns.paths), tally))
    return _make_index(
        name=root.name,
        root=root,
        **columns._asdict(),
        passed_over=PassedOver.of(tally),
        empty_classes=empty,
        notes=[*layout.notes, *_describe_unreadable(root, tally)],
        grades=options.grades,
    )


def _list_manifest(source: Path, options: ManifestOptions) -> ImageIndex:
    found = read_manifest(source, options)
    return _make_index(
        name=source.stem,
        root=found.root,
        paths=found.paths,
        class_of=found.labels,
        splits=found.splits,
        reasons=found.reasons,
        passed_over=PassedOver(),
        notes=found.notes,
        manifest=source,
        base=found.base,
        groups=found.groups,
        weights=found.weights,
        grades=options.grades,
        learned=found.learned,
    )


def _describe_unreadable(root: Path, tally: Tally) -> list[str]:
    notes = []
    if tally.unreadable:
        reasons = zip(below(root, tally.unreadable), tally.unreadable.values(), strict=True)
        named = [f"{path} ({reason})" for path, reason in reasons]
        notes.append(f"folders that cannot be listed, and whose images are left out: {some_of(named)}")
    if tally.dangling:
        named = sorted(below(root, tally.dangling))
        notes.append(f"links that lead nowhere, so that what stood behind them is left out: {some_of(named)}")
    return notes


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


def _make_index(
    *,
    name: str,
    root: Path,
    paths: Sequence[str],
    class_of: Sequence[str],
    splits: Sequence[str],
    reasons: Sequence[str],
    passed_over: PassedOver,
    empty_classes: dict[str, dict[str, int]] | None = None,
    notes: Sequence[str] = (),
    manifest: Path | None = None,
    base: Path | None = None,
    groups: Sequence[str] = (),
    weights: Sequence[float] = (),
    grades: tuple[str, ...] = (),
    learned: Learned | None = None,
) -> ImageIndex:
    task, faults = learned.task if learned else Task(), learned.faults if learned else []
    if grades:
        task = Task("grades", grades)
        class_of, faults = as_grades(manifest or root, class_of, grades)
    named = set(class_of) - {""} if task.has_classes else set()
    class_names = grades or tuple(sorted(named, key=natural_key))
    label_of = {class_name: label for label, class_name in enumerate(class_names)}
    return ImageIndex(
        root=root,
        name=name,
        paths=tuple(paths),
        labels=np.array([label_of.get(class_name, UNLABELLED) for class_name in class_of], np.int32),
        class_names=class_names,
        splits=tuple(splits),
        reasons=tuple(reasons),
        skipped=passed_over.skipped,
        passed_over=passed_over.folders,
        hidden=passed_over.hidden,
        empty_classes=empty_classes or {},
        notes=tuple(notes),
        manifest=manifest,
        base=base,
        groups=tuple(groups),
        weights=np.array(weights, np.float64) if len(weights) else None,
        task=task,
        targets=learned.targets if learned else None,
        unnamed=learned.unnamed if learned else math.nan,
        faults=tuple(faults),
    )


def _existing_folder(source: Path) -> Path:
    mode = mode_of(source)
    wanted = "the folder with one folder of images per class, or a CSV manifest (path,label)"
    if not mode:
        raise ImageListError(
            f"{source}: no such {'file' if source.suffix.lower() in TABLE_SUFFIXES else 'folder'}. Give {wanted}."
        )
    if not stat.S_ISDIR(mode):
        found = "a file" if stat.S_ISREG(mode) else "neither a folder nor an ordinary file"
        raise ImageListError(f"{source}: is {found}. Give {wanted}.")
    return Path(real_path(source))


def _nothing_found(root: Path, n_loose: int, tally: Tally) -> str:
    if n_loose:
        beside = [folder for folder in subfolders(root.parent, Tally())[:100] if has_image_names(folder)]
        above = f" Or is {root.parent} the folder of class folders?" if len(beside) > 1 else ""
        return f"{root}: holds {n_loose} images but no class folders. Put each image into a folder named by its class.{above}"
    other = str(PassedOver.of(tally))
    found = f" Found instead: {other}." if other else ""
    return f"{root}: no images in it. Expected one folder of images per class (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM).{found}"
