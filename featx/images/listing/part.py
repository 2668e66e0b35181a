"""One of N parts of a listing, for as many machines: which images are in it, and nothing else."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images.listing.index import ImageIndex
from featx.system.files import content_digest
from featx.system.kinds import shown

MOST_PARTS = 1_000_000
"""More parts than that, and most of them would hold no image."""


@dataclasses.dataclass(frozen=True)
class Part:
    """The I-th of N parts.

    An image belongs to a part by the digest of its path alone. So every machine agrees without asking the others, and a
    file that comes or goes while the parts run, hours apart perhaps, moves no other one. Parts are equal but for chance:
    of n images one holds n / N, give or take the square root of that.

    Parameters
    ----------
    number : int
        From 1.
    of : int
        Number of parts.

    Raises
    ------
    ImageListError
        If there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        """Refuse a part that there is not."""
        if not 1 <= self.number <= self.of <= MOST_PARTS:
            raise ImageListError(
                f"shard (--part) must be I/N, part I of N, with I from 1 to N and N at most {MOST_PARTS}. "
                f"Received: {self.number}/{self.of}.",
                wrong_value=True,
            )

    @classmethod
    def parse(cls, value: "str | Sequence[int] | Part") -> "Part":
        """Read ``"2/8"`` or ``(2, 8)``.

        Raises
        ------
        ImageListError
            If it is neither, or there is no such part.
        """
        if isinstance(value, Part):
            return value
        numbers = list(value) if not isinstance(value, str) else []
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}/[0-9]{1,9}", value.strip()):
            numbers = [int(number) for number in value.split("/")]
        if len(numbers) != 2 or not all(isinstance(number, int) for number in numbers):
            raise ImageListError(
                f"shard (--part) must be I/N, part I of N, such as 2/8. Received: {shown(value)}.", wrong_value=True
            )
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def rows(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of the paths that are in this part, ascending."""
        found = (position for position, path in enumerate(paths) if self._holds(path))
        return np.fromiter(found, np.int64)

    def _holds(self, path: str) -> bool:
        digest = content_digest(path.encode("utf-8", "surrogateescape"))
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1


def take_images(index: ImageIndex, rows: NDArray[np.int64]) -> ImageIndex:
    """Return a listing of some of the images; class names and labels stay those of the whole."""
    return dataclasses.replace(
        index,
        paths=tuple(index.paths[row] for row in rows),
        labels=index.labels[rows],
        splits=tuple(index.splits[row] for row in rows),
        reasons=tuple(index.reasons[row] for row in rows),
        groups=tuple(index.groups[row] for row in rows) if index.groups else (),
        weights=None if index.weights is None else index.weights[rows],
        targets=None if index.targets is None else index.targets[rows],
    )


def listing_digest(index: ImageIndex) -> str:
    """Return the SHA-256 of what is listed, in hexadecimal: paths, what is to be learned, splits, groups, weights."""
    digest = hashlib.sha256()
    for texts in (index.class_names, index.paths, index.splits, *([index.groups] if index.groups else [])):
        digest.update("\0".join([*texts, "\0"]).encode("utf-8", "surrogateescape"))
    digest.update(index.labels.astype("<i4").tobytes())
    if index.weights is not None:
        digest.update(index.weights.astype("<f8").tobytes())
    if index.task.kind != "classes":
        digest.update(json.dumps(index.task.to_dict()).encode())
    if index.targets is not None:
        digest.update(index.targets.astype("<f8").tobytes())
    return digest.hexdigest()
