"""Some images of each class, decoded."""

import numpy as np
from numpy.typing import NDArray

from featx.images import ImageIndex, Pictured, members_of, picture_files
from featx.models import Compute
from featx.recipe import Recipe
from featx.system.progress import Progress
from featx.verbs.extract import ExtractOptions
from featx.verbs.look.result import Example

LONGEST = 224
"""Longer side of an original [px]."""

_MOST_PICTURES = 400
"""Originals and views in all: the page stays below some 5 MB."""

_MOST_BYTES = 256_000_000
"""Of the views in memory."""

_ROUNDS = 3
"""How often other images are taken in place of rejected ones."""


class Gallery:
    """Chooses examples and decodes them: of each class or label, or of the images of which a number is known.

    Parameters
    ----------
    index : ImageIndex
        The listing.
    recipe : Recipe
        How they are decoded.
    options : ExtractOptions
        How views are made.
    compute : Compute
        Number of processes, and the limit of an image's size.
    progress : callable or None
        Called as (stage, newly done, total).

    Attributes
    ----------
    decoded : int
        Images that were decoded, rejected ones included.
    rejects : dict of int to str
        Rows of those that give no pixels, and why.
    notes : list of str
        What was left out.
    """

    def __init__(
        self, index: ImageIndex, recipe: Recipe, options: ExtractOptions, compute: Compute, progress: Progress | None
    ) -> None:
        self.decoded = 0
        self.rejects: dict[int, str] = {}
        self.notes: list[str] = []
        self._index, self._recipe, self._options, self._compute = index, recipe, options, compute
        self._progress, self._total = progress, 0
        self._members = list(members_of(index).items())

    def examples(self, per_class: int) -> list[Example]:
        """Return examples by class, in natural order; the classes and their number are fewer where there are many."""
        classes, per_class = self._fitting(per_class)
        queues = {label: self._drawn(label) for label in classes}
        found: dict[int, list[Example]] = {label: [] for label in classes}
        self._total = sum(min(per_class, len(queue)) for queue in queues.values())
        if self._progress and self._total:
            self._progress("pictures", 0, self._total)
        for _ in range(_ROUNDS):
            chosen = [
                (label, queue.pop(0))
                for label, queue in queues.items()
                for _ in range(min(per_class - len(found[label]), len(queue)))
            ]
            if not chosen:
                break
            decoded = self._decode([row for _, row in chosen])
            for (label, row), one in zip(chosen, decoded, strict=True):
                if isinstance(one, str):
                    self.rejects[row] = one
                else:
                    found[label].append(self._example(self._members[label][0], row, one))
        return [example for label in classes for example in found[label]]

    def look_again(self, rows: list[int]) -> dict[int, str]:
        """Return the reasons of those rows that give no pixels, of files whose headers say that they will not."""
        return {row: one for row, one in zip(rows, self._decode(rows), strict=True) if isinstance(one, str)}

    def _decode(self, rows: list[int]) -> list[Pictured | str]:
        self.decoded += len(rows)
        options = self._options
        return picture_files(
            [self._index.root / self._index.paths[row] for row in rows],
            self._recipe,
            options.augmentation,
            options.seed,
            options.n_views,
            LONGEST,
            workers=self._compute.workers,
            max_pixels=self._compute.max_pixels,
            progress=(lambda done: self._progress("pictures", done, self._total)) if self._progress else None,  # type: ignore[misc] # it is there
        )

    def _fitting(self, per_class: int) -> tuple[list[int], int]:
        """Return the classes to show and how many images of each, so that all of them fit."""
        n_classes, n_views = len(self._members), self._options.n_views
        height, width = self._recipe.image_size
        most = max(1, min(_MOST_PICTURES // (1 + n_views), _MOST_BYTES // (n_views * height * width * 3)))
        classes = list(range(n_classes))
        if per_class * n_classes <= most:
            return classes, per_class
        fewer = max(1, most // n_classes)
        if n_classes > most:
            classes = np.unique(np.linspace(0, n_classes - 1, most).round().astype(int)).tolist()
            self.notes.append(f"examples are of {len(classes):,} of the {n_classes:,} classes, to stay quick and small")
        elif fewer < per_class:
            self.notes.append(
                f"{fewer} example{'s' if fewer > 1 else ''} of each class instead of {per_class}, to stay quick and small"
            )
        return classes, min(fewer, per_class)

    def _drawn(self, label: int) -> list[int]:
        """Return some rows of a class in a random order: as many as could be wanted."""
        rows: NDArray[np.int64] = self._rows_of(label)
        rng = np.random.default_rng((self._options.seed & 0xFFFFFFFF, label))
        drawn: list[int] = rng.permutation(rows)[: _ROUNDS * _MOST_PICTURES].tolist()
        return drawn

    def _rows_of(self, label: int) -> NDArray[np.int64]:
        rows = self._members[label][1]
        return rows[[not self._index.reasons[row] for row in rows.tolist()]] if len(rows) else rows

    def _example(self, name: str, row: int, one: Pictured) -> Example:
        index = self._index
        return Example(
            path=index.paths[row],
            label=name,
            split=index.splits[row],
            height=one.height,
            width=one.width,
            original=one.original,
            views=one.views,
        )
