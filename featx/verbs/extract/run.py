"""What runs the backbone: here or on Ray."""

from typing import Protocol

from featx.errors import Interrupted
from featx.store import CacheWriter
from featx.verbs.extract.prepared import Prepared


class Run(Protocol):
    """The part of an extract that runs the backbone, wherever it does.

    Attributes
    ----------
    rate : float
        Images a second, decoding included, start-up left out; 0 where there were too few to tell.
    augmented : int
        Augmented views that were added to the cache.
    """

    rate: float
    augmented: int

    @property
    def extracted(self) -> int:
        """Images whose features were added to the cache."""
        ...

    @property
    def device(self) -> str:
        """What the backbone ran on; empty if it did not run."""
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
    """Return the error that says what a run which was stopped by Ctrl-C has kept."""
    what = "augmented views" if views else "images"
    kept = f"after {done} of {total} {what}; their features are kept" if writer.added else "before any image"
    return Interrupted(f"{prepared.store.folder}: stopped {kept}. Run the same command again to go on.")
