"""The network of a model, loaded once and kept: from images in files or in memory to the features that the head takes."""

import contextlib
import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images import Source, pixels_of
from featx.models.compute import Engine, Extractor
from featx.models.features import Fitted, HeadFeatures, weights_hint
from featx.models.settings import Compute
from featx.system.files import writing_to


class LiveNetwork:
    """Keeps the backbone of a model between calls, and its fine-tuned layers.

    It is loaded by the first call. One lock is around it: calls from several threads decode side by side and run the network
    one after the other. A copy, or what comes out of a pickle, starts without a network.

    Parameters
    ----------
    weights : Path or None
        The backbone's weights file, where it is neither bundled nor where it was.
    compute : Compute
        How features are computed.
    """

    def __init__(self, weights: Path | None = None, compute: Compute | None = None) -> None:
        self._weights, self._compute = weights, compute or Compute()
        self._lock = threading.Lock()
        self._loaded: tuple[Extractor, HeadFeatures] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Neither a lock nor a network can be copied."""
        return LiveNetwork, (self._weights, self._compute)

    def close(self) -> None:
        """Let the network go, and its memory with it; the next call loads it again."""
        with self._lock:
            self._loaded = None

    def features(self, model: Fitted, sources: Sequence[Source]) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Yield (positions, features) a batch at a time: to the bit those of ``classify_files`` where all are files.

        Parameters
        ----------
        model : Model
            The model that this is the network of.
        sources : sequence of Path, bytes, PIL image, or ndarray of shape (height, width, 3), uint8
            The images.

        Raises
        ------
        ImageRejected
            If an image gives no features: with its position, and its path if it has one.
        WeightsError, DeviceError, MemoryExhausted
            If the network cannot be loaded or run.
        """
        with self._lock:
            if self._loaded is None:
                weights = weights_hint(model, self._weights)
                extractor = Extractor(Engine(model.cached_recipe, weights, model.quantized), self._compute)
                self._loaded = extractor, HeadFeatures(model, weights, extractor.batch_size, self._compute.device)
            extractor, head_features = self._loaded
        # A lone image must not cost a forward pass of a whole batch.
        size = max(1, min(extractor.batch_size, len(sources)))
        for positions, pixels in self._decoded(extractor, sources, size):
            with self._lock:
                maps = extractor.maps_of(pixels, size)
                features = head_features.of_maps(maps[model.layer], size)
            yield positions, features

    def _decoded(
        self, extractor: Extractor, sources: Sequence[Source], size: int
    ) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
        """Yield (positions, pixels); images in memory and files, where both are given, never share a batch."""
        first = 0
        for is_file, group in itertools.groupby(sources, key=lambda source: isinstance(source, Path | bytes)):
            some = list(group)
            decoded = (_of_files if is_file else _of_pictures)(extractor, some, size, first)
            for places, pixels in decoded:
                yield [first + place for place in places], pixels
            first += len(some)


def _of_files(
    extractor: Extractor, sources: Sequence[Any], size: int, first: int
) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
    """Decode files and content of files, in the processes that are there for images from anywhere."""
    with contextlib.ExitStack() as stack:
        files = list(sources)
        if any(isinstance(source, bytes) for source in sources):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="featx-", ignore_cleanup_errors=True)))
            with writing_to(folder, "Set TMPDIR to a folder with room."):
                for place, source in enumerate(sources):
                    if isinstance(source, bytes):
                        files[place] = folder / str(place)
                        files[place].write_bytes(source)
        # Ended before the folder goes: it decodes ahead.
        batches = stack.enter_context(contextlib.closing(extractor.decode(files, size=size)))
        for batch in batches:
            for place, reason in sorted(batch.rejected.items()):
                path = "" if isinstance(sources[place], bytes) else f" ({sources[place]})"
                raise ImageRejected(reason, f"images[{first + place}]{path}")
            yield batch.positions, batch.images


def _of_pictures(
    extractor: Extractor, pictures: Sequence[Any], size: int, first: int
) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
    """Bring pixels in memory to the recipe's size."""
    for start in range(0, len(pictures), size):
        places, pixels = range(start, min(start + size, len(pictures))), []
        for place in places:
            try:
                pixels.append(pixels_of(pictures[place], extractor.recipe))
            except ImageRejected as rejected:
                raise ImageRejected(rejected.reason, f"images[{first + place}]") from rejected
        yield list(places), np.stack(pixels)
