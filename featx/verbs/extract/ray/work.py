"""What a run on Ray hands out: lists of images, clean or as views, one batch each."""

import dataclasses
from collections import deque
from collections.abc import Sequence

import numpy as np

from featx.images import Views
from featx.verbs.extract.prepared import Prepared
from featx.verbs.extract.ray.worker import Answer, ImageList


@dataclasses.dataclass
class WorkList:
    """Positions in the rows asked for, and how many workers have died of them."""

    positions: Sequence[int]
    deaths: int = 0


class Work:
    """Some rows of the listing, clean or as views, which lists are made of."""

    def __init__(self, prepared: Prepared, rows: list[int], numbers: list[int] | None) -> None:
        self.numbers = numbers
        self._prepared = prepared
        self._rows = rows
        self._keys = np.array((0, *prepared.options.view_keys), np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def lists(self, size: int) -> deque[WorkList]:
        """Cut it into lists of so many images."""
        return deque(WorkList(range(start, min(start + size, len(self)))) for start in range(0, len(self), size))

    def images(self, chosen: WorkList, may_publish: bool) -> ImageList:
        """Return a list as a worker takes it."""
        options, numbers = self._prepared.options, self._numbers_of(chosen)
        views = Views(options.augmentation, options.seed, numbers) if numbers else None
        keys = self._keys[numbers].tolist() if numbers else 0
        paths = self._prepared.paths([self._rows[position] for position in chosen.positions])
        return ImageList([path.absolute() for path in paths], views, keys, may_publish)

    def note(self, chosen: WorkList, answer: Answer) -> None:
        """Take over reasons and digests."""
        self._prepared.note([self._rows[position] for position in chosen.positions], answer.batch)

    def forget(self, positions: Sequence[int]) -> None:
        """Let go of the reasons of images that are decoded again."""
        for position in positions:
            self._prepared.identities.reasons[self._rows[position]] = ""

    def absent(self, chosen: WorkList) -> list[int]:
        """Return those positions of a list that have no row in the cache."""
        digests = [self._prepared.identities.digests[self._rows[position]] for position in chosen.positions]
        numbers = self._numbers_of(chosen)
        present = self._prepared.store.has(digests, self._keys[numbers] if numbers else 0)
        return [position for position, there in zip(chosen.positions, present, strict=True) if not there]

    def _numbers_of(self, chosen: WorkList) -> list[int]:
        return [self.numbers[position] for position in chosen.positions] if self.numbers else []
