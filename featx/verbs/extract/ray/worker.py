"""What a worker of a run on Ray does: it takes lists of files, keeps one backbone, writes shards. Nothing here needs Ray."""

import dataclasses
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import RayError
from featx.images import Batch, Views
from featx.models import Compute, Engine, Extractor
from featx.store import ShardsWriter
from featx.system.version import __version__


@dataclasses.dataclass(frozen=True)
class Task:
    """What every worker of a run receives once.

    Parameters
    ----------
    engine : Engine
        What the backbone is loaded from.
    compute : Compute
        How they are computed; ``workers`` are this worker's decoding processes.
    images, folder : Path
        Where the images and the cache are, absolute: the same on every machine.
    limits : tuple of (int, float)
        Bytes and seconds at which a shard is closed.
    """

    engine: Engine
    compute: Compute
    images: Path
    folder: Path
    limits: tuple[int, float]


@dataclasses.dataclass(frozen=True)
class ImageList:
    """Some images for one worker: no pixels.

    Parameters
    ----------
    paths : list of Path
        Absolute: the same on every machine.
    views : Views or None
        Which view of each; by default the clean image.
    keys : int or list of int
        What the cache keeps each under.
    may_publish : bool
        Whether the cache is ready to take shards.
    """

    paths: list[Path]
    views: Views | None
    keys: int | list[int]
    may_publish: bool


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of a list.

    Parameters
    ----------
    batch : Batch
        Positions, digests and reasons; its pixels are left out.
    shards : list of str
        Names of the files published since the last answer.
    kept : bool
        Whether all rows that this worker has made until now are in shards.
    network : dict
        What a cache records of the backbone; empty if it has not run.
    device : str
        What it runs on; empty if it has not.
    engine : str
        What computes it there; empty if it has not.
    """

    batch: Batch
    shards: list[str]
    kept: bool
    network: dict[str, Any]
    device: str = ""
    engine: str = ""


class RayWorker:
    """Decodes lists of images, runs the backbone and writes shards; its methods are called from several threads at a time.

    A list is decoded while the backbone runs on the list before.
    """

    def __init__(self) -> None:
        # One thread each: first come, first served, and Keras sees a single thread.
        self._decoding = ThreadPoolExecutor(1)
        self._running = ThreadPoolExecutor(1)
        self._published: list[str] = []
        self._stopping = False

    def start(self, version: str, task: Task) -> None:
        """Take in what is to be done; the backbone is loaded with the first pixels.

        Raises
        ------
        RayError
            If the featx that asks is of another version; or if the images or the cache are not to be seen from here, and
            every image would be rejected as missing.
        """
        if version != __version__:
            raise RayError(f"a worker has featx {__version__}, this is featx {version}. Install the same on every machine.")
        for folder in (task.images, task.folder / "shards"):
            if not folder.exists():
                raise RayError(
                    f"a worker on {socket.gethostname()} finds no {folder}. Images and cache must lie on disks that all "
                    "machines share, under the same paths."
                )
        self._extractor = Extractor(task.engine, task.compute)
        self._writer = ShardsWriter(task.folder, task.engine.recipe, *task.limits)

    def extract(self, images: ImageList) -> Answer:
        """Decode, run the backbone, collect the rows; publish them when a shard is due."""
        batch = self._decoding.submit(self._decode, images).result()
        return self._running.submit(self._run, images, batch).result()

    def publish(self, stop: bool = False) -> Answer:
        """Publish the rows collected so far; with ``stop``, pass over the lists that still wait.

        They are answered as if there was nothing in them.
        """
        self._stopping = self._stopping or stop
        return self._running.submit(self._flush).result()

    def _decode(self, images: ImageList) -> Batch:
        if self._stopping:
            return _nothing()
        # A list is one batch.
        (batch,) = self._extractor.decode(images.paths, images.views, known=images.views is not None)
        return batch

    def _run(self, images: ImageList, batch: Batch) -> Answer:
        if self._stopping:
            return self._answer(_nothing())
        if maps := self._extractor.maps(batch):
            keys = images.keys if isinstance(images.keys, int) else np.array(images.keys, np.int64)[batch.positions]
            self._writer.append(batch.digests, maps, keys, batch.measured())
        if images.may_publish and self._writer.due:
            self._publish()
        return self._answer(batch)

    def _flush(self) -> Answer:
        self._publish()
        return self._answer(_nothing())

    def _publish(self) -> None:
        self._published += [shard.path.name for shard in self._writer.flush()]

    def _answer(self, batch: Batch) -> Answer:
        published, self._published = self._published, []
        # Pictures are in the shard already, and pixels are of no more use.
        slim = dataclasses.replace(batch, images=batch.images[:0], pictures=[])
        used = self._extractor
        return Answer(slim, published, not self._writer.waiting, used.network, used.device, used.runtime)


def _nothing() -> Batch:
    return Batch([], np.empty((0, 0, 0, 3), np.uint8), [], {})
