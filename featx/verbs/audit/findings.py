"""What an audit finds: plain values, for a terminal, a page, a CSV file or a program."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featx.system.frames import data_frame
from featx.system.results import Result
from featx.task import Task

if TYPE_CHECKING:
    from featx.system.frames import DataFrame

FLAGS = ("duplicates", "labels", "outliers", "quality")
"""What an image can be flagged for."""


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """An image: its path in the listing, its class, labels (``cat|indoor``) or numbers, and its split."""

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
    """An image whose label is likely to be wrong: another class is ``odds`` times as likely by a fit without it.

    Of several labels, ``suggested`` is one that it is likely to have, or ``not cat`` for one that it is likely not to have.
    """

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
class Audit(Result):
    """The findings of an audit, the most pressing first in each list.

    Parameters
    ----------
    cache : Path
        The cache's folder.
    source : str
        Folder that paths are relative to.
    images, classes : int
        Images with features, and their classes, labels, targets or grades.
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
        Class, or label, to number of different training images.
    alike_classes : list of AlikeClasses
        By share.
    notes : list of str
        What a user should know about this audit.
    seconds : float
        That it took.
    judged : bool
        Whether labels were judged, which takes different images of two classes; numbers are not.
    task : Task
        What is to be learned of the images.

    Examples
    --------
    >>> audit = featx.audit_cache("cache/photos")
    >>> audit.images, audit.classes, len(audit.duplicates)
    (36, 3, 0)
    >>> audit.small_classes
    {'blue': 8, 'green': 8, 'red': 8}
    """

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
    task: Task = Task()  # noqa: RUF009 - frozen

    def to_frame(self) -> "DataFrame":
        """Return a data frame with a row for each image that something was found of; needs pandas.

        ``finding`` is a word of ``FLAGS``, ``group`` numbers the groups of duplicates, and ``value`` is their agreement, the
        odds of the suggested class, the distance, or the measure that ``detail`` names.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        """
        rows = list(_table_rows(self))
        names = ("finding", "group", "path", "label", "split", "value", "detail")
        return data_frame({name: [row[place] for row in rows] for place, name in enumerate(names)}, "Audit")


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


def _table_rows(audit: Audit) -> Iterator[tuple[object, ...]]:
    for number, group in enumerate(audit.duplicates, 1):
        for image in group.images:
            yield ("duplicates", number, *_named(image), group.agreement, "exact" if group.exact else "near")
    for error in audit.label_errors:
        yield ("labels", None, *_named(error.image), error.odds, error.suggested)
    for outlier in audit.outliers:
        yield ("outliers", None, *_named(outlier.image), outlier.distance, "")
    for entry in audit.quality:
        yield ("quality", None, *_named(entry.image), entry.value, f"{entry.problem} ({entry.measure})")


def _named(image: ListedImage) -> tuple[str, str, str]:
    return image.path, image.label, image.split


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
