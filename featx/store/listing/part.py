"""PartOf: which part of which listing."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_GIVEN = -1
"""Marks an image to which neither folder nor manifest gives a split."""


@dataclasses.dataclass(frozen=True)
class PartOf:
    """Which part of which listing a catalog is.

    Parameters
    ----------
    number, of : int
        Part ``number``, from 1, of ``of``.
    name : str
        What a cache of the whole listing is called by default.
    listing : str
        Digest of the whole listing: parts with the same digest may be put together.
    listed : int
        Images in the whole listing.
    val_fraction, test_fraction, seed : float and int
        How the splits are to be drawn from the whole.
    positions : ndarray of shape (n,), int64
        Row of each image in the whole listing.
    given : ndarray of shape (n,), int8
        Split that folder or manifest give each image, or ``NOT_GIVEN``. The catalog's own splits are a guess, drawn from
        the part alone.
    """

    number: int
    of: int
    name: str
    listing: str
    listed: int
    val_fraction: float
    test_fraction: float
    seed: int
    positions: NDArray[np.int64]
    given: NDArray[np.int8]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def head(self) -> dict[str, Any]:
        """Return what is not a column, as JSON types."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in ("positions", "given")]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def read(cls, head: dict[str, Any], positions: NDArray[np.integer], given: NDArray[np.integer]) -> "PartOf":
        """Rebuild it from ``head``'s result and the columns of a file."""
        kinds = (int, int, str, str, int, float, float, int)
        names = [field.name for field in dataclasses.fields(cls)][: len(kinds)]
        settings = {name: kind(head[name]) for name, kind in zip(names, kinds, strict=True)}
        return cls(**settings, positions=positions.astype(np.int64), given=given.astype(np.int8))

    def is_sound(self, n: int, n_splits: int) -> bool:
        """Return whether the columns fit a catalog of n rows and point nowhere outside."""
        return (
            self.positions.shape == self.given.shape == (n,)
            and (n == 0 or bool(self.positions.min() >= 0 and self.positions.max() < self.listed))
            and (n == 0 or bool(self.given.min() >= NOT_GIVEN and self.given.max() < n_splits))
            and 1 <= self.number <= self.of
            and "/" not in self.name
            and self.name not in (".", "..")
        )
