"""What a look at a folder of images finds."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.system.results import Result
from featx.task import Task


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Example(Result):
    """An image as its file holds it, and as the network sees it.

    Parameters
    ----------
    path : str
        Relative to the source.
    label : str
        Its class; of several labels one that it has, of numbers a target that is known.
    split : str
        ``train``, ``val`` or ``test`` where the folders or the manifest say so, else empty.
    height, width : int
        Of the file's image, upright [px].
    original : ndarray of shape (height, width, 3), uint8
        The whole picture, its longer side shrunk to 224 px or less.
    views : ndarray of shape (n_views, height, width, 3), uint8
        What goes into the network: first the clean image, then augmented views of it.
    """

    path: str
    label: str
    split: str
    height: int
    width: int
    original: NDArray[np.uint8]
    views: NDArray[np.uint8]

    def facts(self) -> dict[str, Any]:
        """Return all but the pixels."""
        return {name: getattr(self, name) for name in ("path", "label", "split", "height", "width")}


@dataclasses.dataclass(frozen=True)
class Shape:
    """Five figures of the images' heights and widths: the smallest, the three quartiles and the largest.

    Parameters
    ----------
    height, width : tuple of int
        [px].
    aspect : tuple of float
        Width over height.
    """

    height: tuple[int, ...]
    width: tuple[int, ...]
    aspect: tuple[float, ...]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Look(Result):
    """What is in a folder of images. Sizes and depths are of the files whose header was read, all else of all.

    Parameters
    ----------
    source : Path
        Folder that paths are relative to.
    name : str
        What a cache of these images would be called.
    listed : int
        Images found.
    classes : int
        Number of classes, labels, targets or grades.
    task : Task
        What is to be learned of the images.
    images_of_class : dict of str to int
        Images of each class, in natural order; of labels those that have each, of numbers those of which each is known.
    splits : dict of str to int
        Images in train, val and test, where folders or the manifest say so.
    unlabelled : int
        Images in no class, or of which nothing is known.
    measured : int
        Files whose header was read: all, or a draw of them.
    shape : Shape or None
        Heights and widths; None where no header could be read.
    sizes : dict of str to int
        The most frequent, as ``HEIGHTxWIDTH``, to number of images.
    formats : dict of str to int
        Such as ``JPEG``, to number of images.
    depths : dict of str to int
        Such as ``8-bit RGB``, to number of images.
    smaller : int
        Images that are enlarged, being lower or narrower than what the network sees.
    reshaped : int
        Images of which resizing changes the shape, cuts off or pads more than a fifth.
    rejected : int
        Images that were found to give no features. Only those of ``decoded`` were decoded.
    rejects : dict of str to str
        Their paths, each with its reason.
    reasons : dict of str to int
        Their number by reason.
    decoded : int
        Images that were decoded.
    duplicates : int or None
        Images with the very content of another before; None where that was not looked for.
    copies : list of list of str, or None
        The paths of each group of equal files.
    skipped : dict of str to int
        Files that are no images, by suffix.
    passed_over : dict of str to int
        Folders that the system put there or hides, by name.
    hidden : int
        Hidden files in the folders.
    notes : list of str
        What looks like a slip, or would keep a head from learning; and what was left out of this look.
    settings : dict
        What decides which pixels the network sees: ``backbone``, ``image_size`` (height, width) [px], ``resize``,
        ``background``, ``exact_decode``, ``allow_truncated``, ``depth``, ``color_profile`` and ``preprocess``.
    augment : str
        How far augmented views are from the clean image; empty where there are none.
    examples : list of Example
        Some images of each class.
    heights, widths : ndarray of shape (n,), int64
        Of the files whose header could be read [px].

    Examples
    --------
    >>> look = featx.look_at_images("photos", image_size=64, examples=2)
    >>> look.listed, look.images_of_class, look.sizes
    (36, {'blue': 12, 'green': 12, 'red': 12}, {'40x48': 36})
    >>> [(example.label, example.views.shape) for example in look.examples[:2]]
    [('blue', (1, 64, 64, 3)), ('blue', (1, 64, 64, 3))]
    """

    source: Path
    name: str
    listed: int
    classes: int
    task: Task
    images_of_class: dict[str, int]
    splits: dict[str, int]
    unlabelled: int
    measured: int
    shape: Shape | None
    sizes: dict[str, int]
    formats: dict[str, int]
    depths: dict[str, int]
    smaller: int
    reshaped: int
    rejected: int
    rejects: dict[str, str]
    reasons: dict[str, int]
    decoded: int
    duplicates: int | None
    copies: list[list[str]] | None
    skipped: dict[str, int]
    passed_over: dict[str, int]
    hidden: int
    notes: list[str]
    settings: dict[str, Any]
    augment: str
    examples: list[Example]
    heights: NDArray[np.int64] = dataclasses.field(repr=False)
    widths: NDArray[np.int64] = dataclasses.field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return all but pixels and arrays."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["heights"], fields["widths"]
        shape = dataclasses.asdict(self.shape) if self.shape else None
        examples = [example.facts() for example in self.examples]
        return fields | {"shape": shape, "examples": examples, "task": self.task.to_dict()}
