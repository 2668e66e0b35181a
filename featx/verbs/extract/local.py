"""Images through decode and backbone into a cache, in this process."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
from numpy.typing import NDArray

from featx.images import Batch, Views
from featx.models import Compute, Extractor, Maps
from featx.store import CacheWriter
from featx.system.interrupt import finishing_first
from featx.system.progress import Progress
from featx.verbs.extract.prepared import Prepared
from featx.verbs.extract.run import Rate, interrupted


class _InTurn:
    """Runs calls one after the other in a thread of its own; each waits until the last is done.

    So an error surfaces one call later, and at most one batch is on its way.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="featx-keep")
        self._last: Future[object] | None = None

    def submit(self, do: Callable[..., object], *arguments: object) -> None:
        """Run a call as soon as the last is done; an error of the last is raised here."""
        self.finish()
        self._last = self._pool.submit(do, *arguments)

    def finish(self) -> None:
        """Wait for the last call; raise its error."""
        if self._last is None:
            return
        wait([self._last])  # Ctrl-C while waiting leaves it to be waited for once more
        last, self._last = self._last, None
        last.result()

    def close(self) -> None:
        """Wait for what is on its way, and end the thread."""
        with finishing_first():  # at most one batch is on its way
            self._pool.shutdown()


class LocalRun:
    """The stage of an extract that runs the backbone, in this process.

    Attributes
    ----------
    rate : Rate
        Images a second, after the first batch.
    augmented : int
        Augmented views that were added to the cache.
    """

    def __init__(self, prepared: Prepared, writer: CacheWriter, compute: Compute, progress: Progress | None) -> None:
        self.rate = Rate()
        self.augmented = 0
        self._prepared = prepared
        self._writer = writer
        self._extractor = Extractor(prepared.engine, compute)
        self._progress = progress
        self._is_first = True

    @property
    def device(self) -> str:
        """What the backbone ran on; empty if it did not run."""
        return self._extractor.device

    @property
    def engine(self) -> str:
        """What computed; empty if the backbone did not run."""
        return self._extractor.runtime

    @property
    def extracted(self) -> int:
        """Images whose features were added to the cache."""
        return self._writer.added - self.augmented

    def extract(self, rows: list[int], numbers: list[int] | None = None) -> None:
        """Decode images, run the backbone, keep the features; with numbers, of that augmented view of each row."""
        if not rows:
            return
        stage, options = "augment" if numbers else "extract", self._prepared.options
        views = Views(options.augmentation, options.seed, numbers) if numbers else None
        keys = np.array((0, *options.view_keys), np.int64)
        before = self._writer.added
        keeping = _InTurn()
        try:
            files = self._prepared.paths(rows)
            for batch, maps in self._extractor(files, views, known=bool(numbers), stage=stage, progress=self._progress):
                if maps:
                    self._writer.record_network(self._extractor.network)
                    chosen = keys[[numbers[position] for position in batch.positions]] if numbers else 0
                    # Measured, compressed and written while the backbone is at the next batch.
                    keeping.submit(self._keep, batch, maps, chosen)
                    self.rate.count(len(batch.positions), first=self._is_first)
                    self._is_first = False
                self._prepared.note(rows, batch)
            keeping.finish()
            self._writer.flush()
        except KeyboardInterrupt:
            # Pressed again, it is not heard: an extract is interrupted once.
            keeping.close()
            keeping.finish()
            self._writer.flush()
            done = self._writer.added - before
            raise interrupted(self._prepared, self._writer, done, len(rows), views=bool(numbers)) from None
        finally:
            keeping.close()
        if numbers:
            self.augmented += self._writer.added - before

    def _keep(self, batch: Batch, maps: Maps, keys: NDArray[np.int64] | int) -> None:
        self._writer.append(batch.digests, maps, keys, batch.measured())
