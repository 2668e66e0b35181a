"""Images decoded twice, for people to compare: whole, and as the network sees them."""

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images.augment import Augmentation
from featx.images.decoder import decode_file
from featx.images.raster import MAX_PIXELS
from featx.recipe import Recipe
from featx.system.cores import available_cores


@dataclasses.dataclass(frozen=True, eq=False)
class Pictured:
    """An image, whole and as the network sees it.

    Parameters
    ----------
    height, width : int
        Of the file's image, upright [px].
    original : ndarray of shape (height, width, 3), uint8
        The whole picture, shrunk.
    views : ndarray of shape (n_views, height, width, 3), uint8
        The clean image at the recipe's size, then augmented views.
    """

    height: int
    width: int
    original: NDArray[np.uint8]
    views: NDArray[np.uint8]


def picture_files(
    paths: Sequence[Path],
    recipe: Recipe,
    augmentation: Augmentation,
    seed: int,
    n_views: int,
    longest: int,
    *,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[int], object] | None = None,
) -> list[Pictured | str]:
    """Decode files for people to look at.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    recipe : Recipe
        How they are decoded for the network.
    augmentation, seed
        How views 1, 2 … are made.
    n_views : int
        Views of each, the clean image included.
    longest : int
        Longer side of the whole picture [px].
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    progress : callable or None
        Called with 1 as each is done.

    Returns
    -------
    pictured : list of Pictured or str
        In the order of ``paths``; the reason where an image was rejected.
    """
    request: dict[str, Any] = {"recipe": recipe.to_dict(), "max_pixels": max_pixels, "seed": seed, "augment": None}

    def picture(path: Path) -> Pictured | str:
        try:
            original = decode_file(path, **request, views=[0], longest=longest).images[0]
            views = decode_file(path, **request | {"augment": str(augmentation)}, views=list(range(n_views))).images
            header = decode_file(path, header=True, max_pixels=max_pixels).header
        except ImageRejected as rejected:
            return rejected.reason
        assert header is not None
        return Pictured(header.height, header.width, original, views)

    made: list[Pictured | str] = []
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-picture") as pool:
        try:
            for one in pool.map(picture, paths):
                made.append(one)
                if progress:
                    progress(1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return made
