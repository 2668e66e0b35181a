"""Ordered batches of pixels, decoded in parallel ahead of the backbone."""

import dataclasses
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected, RecipeError
from featx.files import content_digest
from featx.images.decode import MAX_PIXELS, decode_image, read_image_file
from featx.recipe import DECODE_VERSION, Recipe


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some consecutive images of the list that was asked for.

    Parameters
    ----------
    positions : list of int
        Where each decoded image stands in that list.
    images : ndarray of shape (n_images, height, width, 3), uint8
        Their RGB pixels, in the same order.
    digests : list of bytes
        Digest of the very bytes that were decoded: a file edited since it was listed shows here.
    rejected : dict of int to str
        Position and reason of the images that gave no pixels.
    """

    positions: list[int]
    images: NDArray[np.uint8]
    digests: list[bytes]
    rejected: dict[int, str]


def available_cores() -> int:
    """Return how many cores this process may use; a container's limit counts, where the system tells it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_batches(
    paths: Sequence[Path],
    recipe: Recipe,
    batch_size: int,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Batch]:
    """Decode images in the order given, two batches ahead of whoever asks.

    Memory stays bounded whatever the folder holds: at most two batches of resized pixels and one full-size image per
    worker. Threads are enough: Pillow leaves Python's lock while it decodes and resizes.

    Parameters
    ----------
    paths : sequence of Path
        Files to decode.
    recipe : Recipe
        How to decode them.
    batch_size : int
        Images asked for at a time; a batch is smaller where some were rejected, and at the end.
    workers : int or None
        Decoding threads; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].

    Raises
    ------
    RecipeError
        If the recipe was made for other decode rules than this featx has.

    Yields
    ------
    batch : Batch
        Every position stands in exactly one batch, decoded or rejected.
    """
    if recipe.decode_version != DECODE_VERSION:
        raise RecipeError(
            f"the features were made by decode rules {recipe.decode_version}, this featx has rules {DECODE_VERSION}. "
            "Extract and fit again, or use the featx that made them."
        )

    def decode(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
        data = read_image_file(path)
        return content_digest(data), decode_image(data, recipe, max_pixels)

    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-decode") as pool:
        ahead: deque[tuple[range, list[Future[tuple[bytes, NDArray[np.uint8]]]]]] = deque()
        try:
            for start in range(0, len(paths), batch_size):
                positions = range(start, min(start + batch_size, len(paths)))
                ahead.append((positions, [pool.submit(decode, paths[position]) for position in positions]))
                if len(ahead) > 2:
                    yield _gather(*ahead.popleft(), recipe)
            while ahead:
                yield _gather(*ahead.popleft(), recipe)
        finally:
            # A caller that stops early (Ctrl-C, an error in the backbone) must not wait for pixels nobody wants.
            pool.shutdown(wait=False, cancel_futures=True)


def _gather(positions: range, futures: list[Future[tuple[bytes, NDArray[np.uint8]]]], recipe: Recipe) -> Batch:
    kept: list[int] = []
    digests: list[bytes] = []
    pixels: list[NDArray[np.uint8]] = []
    rejected: dict[int, str] = {}
    for position, future in zip(positions, futures, strict=True):
        try:
            digest, image = future.result()
        except ImageRejected as error:
            rejected[position] = error.reason
            continue
        kept.append(position)
        digests.append(digest)
        pixels.append(image)
    images = np.stack(pixels) if pixels else np.empty((0, *recipe.image_size, 3), np.uint8)
    return Batch(kept, images, digests, rejected)
