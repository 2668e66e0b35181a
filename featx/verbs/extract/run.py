"""What runs the backbone: here or on Ray."""

import time
from typing import Protocol

from featx.errors import Interrupted
from featx.store import CacheWriter
from featx.verbs.extract.prepared import Prepared


class Rate:
    """Images a second, decoding included.

    Attributes
    ----------
    images_per_second : float
        0 before there is anything to count.
    """

    def __init__(self) -> None:
        self.images_per_second = 0.0
        self._since: float | None = None
        self._images = 0

    def count(self, n_images: int, *, first: bool = False) -> None:
        """Count images that are done; the time starts at the end of the first batch, which pays for compiling the network.

        Parameters
        ----------
        n_images : int
            In the batch.
        first : bool
            Whether it is the first batch of its backbone, which is not counted.
        """
        if self._since is None:
            self._since = time.monotonic()
        if not first:
            self._images += n_images
            self.images_per_second = self._images / max(time.monotonic() - self._since, 1e-9)


class Run(Protocol):
    """The stage of an extract that runs the backbone, wherever it does.

    Attributes
    ----------
    rate : Rate
        Images a second, start-up left out.
    augmented : int
        Augmented views that were added to the cache.
    """

    rate: Rate
    augmented: int

    @property
    def extracted(self) -> int:
        """Images whose features were added to the cache."""
        ...

    @property
    def device(self) -> str:
        """What the backbone ran on; empty if it did not run."""
        ...

    @property
    def engine(self) -> str:
        """What computed, such as ``keras`` or ``winograd``; empty if it did not run."""
        ...

    def extract(self, rows: list[int], numbers: list[int] | None = None) -> None:
        """Decode images, run the backbone, keep the features; with numbers, of that augmented view of each row.

        Raises
        ------
        Interrupted
            On Ctrl-C, after what was done has been kept.
        """
        ...


def interrupted(prepared: Prepared, writer: CacheWriter, done: int, total: int, *, views: bool) -> Interrupted:
    """Return the error that reports what a run stopped by Ctrl-C has kept."""
    what = "augmented views" if views else "images"
    kept = f"after {done} of {total} {what}; their features are kept" if writer.added else "before any image"
    return Interrupted(f"{prepared.store.folder}: stopped {kept}. Run the same command again to go on.")
