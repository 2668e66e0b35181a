"""Ordered batches of pixels, decoded in parallel ahead of the backbone."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected, RecipeError
from featx.images.augment import Augmentation
from featx.images.decoder import Decoded, decode_file
from featx.images.picture import Picture, measure_pictures
from featx.images.raster import MAX_PIXELS, Traits
from featx.recipe import DECODE_VERSION, Recipe
from featx.system.cores import available_cores


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
    pictures : list of Picture
        What each decoded image is like; empty where views were asked for.
    traits : list of Traits
        What else there is to say of each decoded file; empty where views were asked for.
    """

    positions: list[int]
    images: NDArray[np.uint8]
    digests: list[bytes]
    rejected: dict[int, str]
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    traits: list[Traits] = dataclasses.field(default_factory=list)

    def measured(self) -> dict[str, NDArray[Any]]:
        """Return ``measures`` and ``thumbnail`` of the pictures, one row each; nothing where there are none."""
        if not self.pictures:
            return {}
        measures, thumbnails = measure_pictures(self.pictures)
        return {"measures": measures, "thumbnail": thumbnails}


@dataclasses.dataclass(frozen=True)
class Views:
    """Which view of each listed file is wanted.

    Parameters
    ----------
    augmentation : Augmentation
        How far views are from the clean image.
    seed : int
        Of what is drawn.
    numbers : sequence of int
        For each path of the list: 0 for the clean image, 1, 2 … for the others.
    """

    augmentation: Augmentation
    seed: int
    numbers: Sequence[int]


def load_batches(
    paths: Sequence[Path],
    recipe: Recipe,
    batch_size: int,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    views: Views | None = None,
    known: bool = False,
) -> Iterator[Batch]:
    """Decode images in the order given, two batches ahead of the caller.

    The batch after the last yielded is put together meanwhile, so that the caller need not wait for copies.
    Memory stays bounded whatever the folder holds: at most two batches of resized pixels here, and one full-size image in
    each decoding process. A process that crashes or hangs costs the image it was at.

    Parameters
    ----------
    paths : sequence of Path
        Files to decode.
    recipe : Recipe
        How to decode them.
    batch_size : int
        Images asked for at a time; a batch is smaller where some were rejected, and at the end.
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    views : Views or None
        Which view of each; by default the clean image. A path that stands several times in a row, for several views, is
        decoded once for each batch.
    known : bool
        Whether these contents are listed as decoded before, as for ``decode_file``.

    Raises
    ------
    RecipeError
        If the recipe was made for other decode rules than this featx has.
    DecoderError
        If no decoding process can be started.

    Yields
    ------
    batch : Batch
        Every position stands in exactly one batch, decoded or rejected.
    """
    if recipe.decode_version != DECODE_VERSION:
        raise RecipeError(
            f"the features were made by decode rules {recipe.decode_version}, this featx has rules {DECODE_VERSION}. "
            "Extract and fit again, or use the featx that made them.",
            wrong_value=False,
        )
    request = {
        "recipe": recipe.to_dict(),
        "max_pixels": max_pixels,
        "augment": str(views.augmentation) if views else None,
        "seed": views.seed if views else 0,
    }

    def decode(positions: list[int]) -> Decoded:
        numbers = [int(views.numbers[position]) for position in positions] if views else [0] * len(positions)
        return decode_file(paths[positions[0]], known=known, **request, views=numbers)

    with (
        ThreadPoolExecutor(1, thread_name_prefix="featx-gather") as gatherer,
        ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-decode") as pool,
    ):
        ahead: deque[Future[Batch]] = deque()
        try:
            for start in range(0, len(paths), batch_size):
                positions = range(start, min(start + batch_size, len(paths)))
                # Without views a path that stands twice is two images everywhere, in the digests too.
                alike = itertools.groupby(positions, key=lambda position: paths[position] if views else position)
                decoded = [(group, pool.submit(decode, group)) for group in (list(some) for _, some in alike)]
                ahead.append(gatherer.submit(_gather, decoded, recipe))
                if len(ahead) > 2:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            # A caller that stops early (Ctrl-C, an error in the backbone) must not wait for pixels that are no longer wanted.
            for executor in (gatherer, pool):
                executor.shutdown(wait=False, cancel_futures=True)


def _gather(decoded: list[tuple[list[int], Future[Decoded]]], recipe: Recipe) -> Batch:
    kept: list[int] = []
    digests: list[bytes] = []
    pixels: list[NDArray[np.uint8]] = []
    rejected: dict[int, str] = {}
    pictures: list[Picture] = []
    seen: list[Traits] = []
    for positions, future in decoded:
        try:
            digest, images, picture, traits, *_ = future.result()
        except ImageRejected as error:
            rejected |= dict.fromkeys(positions, error.reason)
            continue
        kept += positions
        digests += [digest] * len(positions)
        pixels.append(images)
        if picture:
            pictures.append(picture)
            seen.append(dataclasses.replace(traits, blank=picture.is_blank))
    images = np.concatenate(pixels) if pixels else np.empty((0, *recipe.image_size, 3), np.uint8)
    return Batch(kept, images, digests, rejected, pictures, seen)
