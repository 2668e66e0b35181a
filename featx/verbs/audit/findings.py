"""What an audit finds: plain values, for a terminal, a page, a CSV file or a program."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from featx.system.brief import brief_repr

FLAGS = ("duplicates", "labels", "outliers", "quality")
"""What an image can be flagged for."""


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """An image: its path in the listing, class and split."""

    path: str
    label: str
    split: str


@dataclasses.dataclass(frozen=True)
class DuplicateGroup:
    """Images that show the same picture.

    Parameters
    ----------
    images : list of ListedImage
        The image to keep comes first: of the test images, else the val, else the training images, the largest.
    exact : bool
        Whether their very contents are the same.
    agreement : float
        Lowest correlation of the pairs that tie the group together; 1 for exact duplicates.
    across_splits, conflicting_labels : bool
        Whether they stand in several splits; in several classes, so that at least one label is wrong.
    """

    images: list[ListedImage]
    exact: bool
    agreement: float
    across_splits: bool
    conflicting_labels: bool


@dataclasses.dataclass(frozen=True)
class LabelError:
    """An image whose label is likely to be wrong: another class is ``odds`` times as likely by a fit without it."""

    image: ListedImage
    suggested: str
    odds: float


@dataclasses.dataclass(frozen=True)
class Outlier:
    """An image far from every class; ``distance`` 1 is as far as the farthest of so many would lie by chance."""

    image: ListedImage
    distance: float


@dataclasses.dataclass(frozen=True)
class QualityProblem:
    """A picture that is ``dark``, ``bright``, ``blank``, ``blurred`` or ``tiny``, and the measure that shows it."""

    image: ListedImage
    problem: str
    measure: str
    value: float


@dataclasses.dataclass(frozen=True)
class AlikeClasses:
    """Two classes that are hard to distinguish: this share of their images fits the other better."""

    first: str
    second: str
    confused: float


@dataclasses.dataclass(frozen=True, repr=False)
class Audit:
    """The findings of an audit, the most pressing first in each list.

    Parameters
    ----------
    cache : Path
        The cache's folder.
    source : str
        Folder that paths are relative to.
    images, classes : int
        Images with features, and their classes.
    measured : int
        Those whose picture was measured; the others take no part in near duplicates and quality.
    duplicates : list of DuplicateGroup
        Across splits and with conflicting labels first, then exact duplicates, then by agreement.
    label_errors : list of LabelError
        By odds.
    outliers : list of Outlier
        By distance.
    quality : list of QualityProblem
        By problem, the worst first.
    small_classes : dict of str to int
        Class to number of different training images.
    alike_classes : list of AlikeClasses
        By share.
    notes : list of str
        What a user should know about this audit.
    seconds : float
        That it took.
    judged : bool
        Whether labels were judged, which takes different images of two classes.

    Examples
    --------
    >>> audit = featx.audit_cache("cache/photos")
    >>> audit.images, audit.classes, len(audit.duplicates)
    (36, 3, 0)
    >>> audit.small_classes
    {'blue': 8, 'green': 8, 'red': 8}
    """

    __repr__ = brief_repr

    cache: Path
    source: str
    images: int
    classes: int
    measured: int
    duplicates: list[DuplicateGroup]
    label_errors: list[LabelError]
    outliers: list[Outlier]
    quality: list[QualityProblem]
    small_classes: dict[str, int]
    alike_classes: list[AlikeClasses]
    notes: list[str]
    seconds: float
    judged: bool = True


Flags = dict[str, list[str]]


def flags_of(audit: Audit) -> Flags:
    """Return the flags of each image with findings, by path, in words of ``FLAGS``.

    Of a group of duplicates the first is not flagged, as it is the image to keep; where their labels are in conflict, all are.
    """
    flags: Flags = {}
    for path, flag in _flagged(audit):
        flagged = flags.setdefault(path, [])
        if flag not in flagged:
            flagged.append(flag)
    return flags


def _flagged(audit: Audit) -> Iterator[tuple[str, str]]:
    for group in audit.duplicates:
        for image in group.images[0 if group.conflicting_labels else 1 :]:
            yield image.path, "duplicates"
    findings: Sequence[tuple[Sequence[LabelError | Outlier | QualityProblem], str]] = (
        (audit.label_errors, "labels"), (audit.outliers, "outliers"), (audit.quality, "quality")
    )  # fmt: skip
    for entries, flag in findings:
        for entry in entries:
            yield entry.image.path, flag
