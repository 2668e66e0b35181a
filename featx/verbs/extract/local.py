"""Images through decode and backbone into a cache, in this process."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
from numpy.typing import NDArray

from featx.backbones import Backbone, load_backbone
from featx.images import Batch, Views, load_batches
from featx.models import Compute
from featx.store import CacheWriter
from featx.system.interrupt import finishing_first
from featx.system.progress import Progress
from featx.verbs.extract.prepared import Prepared
from featx.verbs.extract.run import interrupted


class _InTurn:
    """Does one thing after the other in a thread of its own; each waits until the one before is done.

    So what fails is known one step later, and at most one batch is on its way.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="featx-keep")
        self._last: Future[object] | None = None

    def submit(self, do: Callable[..., object], *arguments: object) -> None:
        """Do something as soon as the last thing is done; an error of that is raised here."""
        self.finish()
        self._last = self._pool.submit(do, *arguments)

    def finish(self) -> None:
        """Wait for the last thing; raise its error."""
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
    """The part of an extract that runs the backbone, in this process.

    Attributes
    ----------
    rate : float
        Images a second, decoding included, after the first batch; 0 before a second one.
    augmented : int
        Augmented views that were added to the cache.
    """

    def __init__(
        self,
        prepared: Prepared,
        writer: CacheWriter,
        compute: Compute,
        progress: Progress | None,
    ) -> None:
        self.rate = 0.0
        self.augmented = 0
        self._prepared = prepared
        self._writer = writer
        self._compute = compute
        self._batch_size = compute.images_a_batch(prepared.recipe)
        self._progress = progress
        self._backbone: Backbone | None = None
        self._since: float | None = None
        self._counted = 0

    @property
    def device(self) -> str:
        """What the backbone ran on; empty if it did not run."""
        return self._backbone.device if self._backbone else ""

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
            if self._progress:
                self._progress(stage, 0, len(rows))
            for batch in self._batches(rows, views):
                if batch.positions:
                    chosen = keys[[numbers[position] for position in batch.positions]] if numbers else 0
                    maps = self._ready_backbone()(batch.images)
                    # Measured, compressed and written while the backbone is at the next batch.
                    keeping.submit(self._keep, batch, maps, chosen)
                    self._count(len(batch.positions))
                self._prepared.note(rows, batch)
                if self._progress:
                    self._progress(stage, len(batch.positions) + len(batch.rejected), len(rows))
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

    def _batches(self, rows: list[int], views: Views | None) -> Iterator[Batch]:
        prepared, how = self._prepared, self._compute
        return load_batches(prepared.paths(rows), prepared.recipe, self._batch_size, how.workers, how.max_pixels, views)

    def _keep(self, batch: Batch, maps: dict[str, NDArray[np.float32]], keys: NDArray[np.int64] | int) -> None:
        self._writer.append(batch.digests, maps, keys, batch.measured())

    def _count(self, n_images: int) -> None:
        """Keep the rate up to date. The first batch pays for compiling the network, so it is counted from its end."""
        if self._since is None:
            self._since = time.monotonic()
            return
        self._counted += n_images
        self.rate = self._counted / max(time.monotonic() - self._since, 1e-9)

    def _ready_backbone(self) -> Backbone:
        """Load the backbone with the first batch that needs it: images that are all rejected need no Keras."""
        if self._backbone is None:
            prepared = self._prepared
            self._backbone = load_backbone(
                prepared.recipe,
                prepared.weights_file,
                self._batch_size,
                device=self._compute.device,
                quantized=prepared.quantized,
            )
            self._writer.record_network(self._backbone.network | {"weights_file": str(prepared.weights_file or "")})
        return self._backbone
