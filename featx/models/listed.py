"""The files of images that a cache lists: the very contents that gave features once, and no others."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from featx.images import Batch
from featx.store import Catalog
from featx.system.digests import are_among
from featx.system.files import file_digest

CHANGED = "changed since it was extracted"
"""Reason of an image whose file has another content than the cache lists."""


class ListedFiles(Sequence[Path]):
    """The contents that some rows of a catalog have, wherever a file still has them.

    They gave features once. So an equal file stands in for a file that is gone or has changed, and an image larger than today's
    limit is decoded all the same. A content that no file has any more is rejected, with the reason of its own file.

    Parameters
    ----------
    catalog : Catalog
        The listing.
    rows : ndarray of shape (n,), int64
        The catalog row of each position; all have features.
    """

    def __init__(self, catalog: Catalog, rows: NDArray[np.int64]) -> None:
        self._catalog = catalog
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Path: ...
    @overload
    def __getitem__(self, position: slice) -> "ListedFiles": ...
    def __getitem__(self, position: int | slice) -> "Path | ListedFiles":
        if isinstance(position, slice):
            return ListedFiles(self._catalog, self._rows[position])
        return self._file(int(self._rows[position]))

    def repeated(self, count: int) -> "ListedFiles":
        """Return each position so many times."""
        return ListedFiles(self._catalog, np.repeat(self._rows, count))

    def compared(self, batch: Batch) -> Batch:
        """Reject those images of a batch that are not what the catalog lists."""
        listed = self._catalog.digests[self._rows[batch.positions]]
        same = [place for place, digest in enumerate(batch.digests) if digest == listed[place].tobytes()]
        if len(same) == len(batch.positions):
            return batch
        kept = [batch.positions[place] for place in same]
        return Batch(
            positions=kept,
            images=batch.images[same],
            digests=[batch.digests[place] for place in same],
            rejected=batch.rejected | dict.fromkeys(sorted({*batch.positions} - {*kept}), CHANGED),
            pictures=[batch.pictures[place] for place in same] if batch.pictures else [],
        )

    def standing_in(self, positions: Sequence[int]) -> dict[int, Path]:
        """Return a file that has the content of each position now, where there is any: its own file before its twins."""
        contents = {position: self._catalog.digests[self._rows[position]].tobytes() for position in positions}
        own = {content: int(self._rows[position]) for position, content in contents.items()}
        rows_of: dict[bytes, list[int]] = {content: [row] for content, row in own.items()}
        for row in np.flatnonzero(are_among(self._catalog.digests, self._catalog.digests[list(own.values())])).tolist():
            rows_of[self._catalog.digests[row].tobytes()].append(row)
        files = {
            content: next((path for path in map(self._file, rows) if _holds(path, content)), None)
            for content, rows in rows_of.items()
        }
        return {position: path for position, content in contents.items() if (path := files[content])}

    def _file(self, row: int) -> Path:
        return Path(self._catalog.source) / self._catalog.paths[row]


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and file_digest(path) == content
    except OSError:
        return False
