"""Appending rows to a cache's shards."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.recipe import Recipe
from featx.store.pooling import average_and_maximum, fits_in
from featx.store.shards.shard import Pictures, Shard
from featx.store.shards.shard_writer import ShardWriter
from featx.system.interrupt import finishing_first

SHARD_BYTES = 64_000_000
"""A shard is closed at about this size …"""

SHARD_SECONDS = 60.0
"""… or at this age, whichever comes first: a killed run loses at most a minute."""


class ShardsWriter:
    """Appends rows and publishes them as shards. It touches the shards' folder alone, so any number may write at a time.

    Nothing here knows which rows the cache holds already, and ``append`` closes no shard: see ``due``.

    Parameters
    ----------
    folder : Path
        The cache's folder; ``shards`` in it must exist.
    recipe : Recipe
        What the rows were made with.
    shard_bytes : int or None
        A shard is due at about this size [bytes]; by default ``SHARD_BYTES``.
    shard_seconds : float or None
        … or at this age [s]; by default ``SHARD_SECONDS``.

    Attributes
    ----------
    added : int
        Rows added so far.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, shard_bytes: int | None = None, shard_seconds: float | None = None
    ) -> None:
        self._folder = folder
        self._recipe = recipe
        self._limits = shard_bytes, shard_seconds
        self._pending: set[tuple[bytes, int]] = set()
        self._open: dict[np.dtype[np.floating], ShardWriter] = {}
        self.added = 0

    @property
    def limits(self) -> tuple[int, float]:
        """Bytes and seconds at which a shard is due."""
        n_bytes, seconds = self._limits
        return SHARD_BYTES if n_bytes is None else n_bytes, SHARD_SECONDS if seconds is None else seconds

    @property
    def due(self) -> bool:
        """Whether a shard is large or old enough to be published."""
        n_bytes, seconds = self.limits
        return any(shard.stored_bytes >= n_bytes or shard.age >= seconds for shard in self._open.values())

    @property
    def waiting(self) -> bool:
        """Whether there are rows in no shard yet."""
        return bool(self._open)

    def append(
        self,
        digests: Sequence[bytes],
        maps: dict[str, NDArray[np.float32]],
        views: int | NDArray[np.int64] = 0,
        pictures: Pictures | None = None,
    ) -> int:
        """Add the features of some images; those that have a row already are left out.

        Parameters
        ----------
        digests : sequence of bytes
            n content digests.
        maps : dict of layer to ndarray of shape (n, …), float32
            What the backbone gave.
        views : int or ndarray of shape (n,), int64
            View of each, or of all; 0 is the clean image.
        pictures : mapping of str to ndarray of shape (n, …) or None
            What was measured of the images, by name.

        Returns
        -------
        added : int
            Number of new rows.

        Raises
        ------
        CacheWriteError
            If a full shard cannot be written.
        """
        with finishing_first():  # half a batch, or one dataset longer than the next, would spoil the whole shard
            return self._append(digests, maps, np.broadcast_to(np.asarray(views, np.int64), len(digests)), pictures or {})

    def _append(
        self, digests: Sequence[bytes], maps: dict[str, NDArray[np.float32]], views: NDArray[np.int64], pictures: Pictures
    ) -> int:
        new: list[int] = []
        for row, present in enumerate(self._present(digests, views)):
            key = (digests[row], int(views[row]))
            if not present and key not in self._pending:
                self._pending.add(key)
                new.append(row)
        if new:
            chosen = np.array(new)
            # A row's type depends on its own values alone, never on its neighbours: a resumed run stores the same bytes.
            stored_dtype = self._recipe.stored_dtype
            fits = np.all([fits_in(values[chosen], stored_dtype) for values in maps.values()], axis=0)
            for dtype, members in ((np.dtype(stored_dtype), chosen[fits]), (np.dtype(np.float32), chosen[~fits])):
                if len(members):
                    self._append_as(dtype, members, digests, maps, views, pictures)
        self.added += len(new)
        return len(new)

    def _append_as(
        self,
        dtype: np.dtype[np.floating],
        rows: NDArray[np.int64],
        digests: Sequence[bytes],
        maps: dict[str, NDArray[np.float32]],
        views: NDArray[np.int64],
        pictures: Pictures,
    ) -> None:
        if dtype not in self._open:
            self._open[dtype] = ShardWriter(self._folder / "shards", self._recipe.fingerprint, dtype)
        shard = self._open[dtype]
        chosen = {layer: values[rows] for layer, values in maps.items()}
        pooled = {layer: average_and_maximum(values) for layer, values in chosen.items() if values.ndim == 4}
        measured = {name: values[rows] for name, values in pictures.items()}
        shard.append([digests[row] for row in rows], views[rows], chosen, pooled, measured)

    def flush(self) -> list[Shard]:
        """Publish the rows collected so far.

        Returns
        -------
        shards : list of Shard
            Those that they are in.

        Raises
        ------
        CacheWriteError
            If the disk refuses; those rows are then extracted again by the next run.
        """
        published = []
        with finishing_first():
            while self._open:
                dtype = next(iter(self._open))
                published.append(self._publish(self._open[dtype]))
                del self._open[dtype]  # only now: a failed commit keeps its rows for another try
            self._pending.clear()
        return published

    def _present(self, digests: Sequence[bytes], views: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows are in the cache already."""
        return np.zeros(len(digests), np.bool_)

    def _publish(self, shard: ShardWriter) -> Shard:
        return shard.commit()
