"""Small copies of image files, for a page to show."""

import dataclasses
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featx.errors import ImageRejected
from featx.images.decoder import decode_file
from featx.images.raster import MAX_PIXELS
from featx.images.resize import shrink
from featx.recipe import Recipe
from featx.system.cores import available_cores

THUMBNAIL_SIDE = 112
"""The longer side of a thumbnail [px]; smaller images stay as they are."""

THUMBNAIL_TYPE = "image/webp"
"""Media type of a thumbnail."""

# At this a photo's thumbnail takes some 2.5 KB, and its blocks are not yet seen.
_QUALITY = 72


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A small copy of an image, or why there is none.

    Parameters
    ----------
    data : bytes
        A file of ``THUMBNAIL_TYPE``; empty if there is none.
    reason : str
        Why there is no thumbnail; empty if there is.
    """

    data: bytes
    reason: str


def as_webp(pixels: NDArray[np.uint8], longest: int | None = None) -> bytes:
    """Return pixels (height, width, 3) as a file of ``THUMBNAIL_TYPE``, its longer side brought down to ``longest`` [px]."""
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (shrink(image, longest) if longest else image).save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()


def make_thumbnails(
    paths: Sequence[Path],
    recipe: Recipe,
    digests: Sequence[bytes] | None = None,
    *,
    side: int = THUMBNAIL_SIDE,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[int], object] | None = None,
) -> list[Thumbnail]:
    """Make a small copy of each file, upright and on the background that the backbone saw it on.

    Parameters
    ----------
    paths : sequence of Path
        Image files, from anywhere: they are decoded in other processes.
    recipe : Recipe
        How they were decoded for the backbone; the shape of the image is kept whatever the recipe does to it.
    digests : sequence of bytes or None
        Content digests that the files had; a file whose digest has changed is another picture, and gives no thumbnail.
    side : int
        Longest side [px].
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images give none [px].
    progress : callable or None
        Called with 1 as each is done.

    Returns
    -------
    thumbnails : list of Thumbnail
        In the order of ``paths``.
    """
    request: dict[str, Any] = {
        "recipe": recipe.to_dict(),
        "max_pixels": max_pixels,
        "augment": None,
        "seed": 0,
        "views": [0],
        "longest": side,
    }

    def make(position: int) -> Thumbnail:
        try:
            digest, (pixels,), *_ = decode_file(paths[position], **request)
        except ImageRejected as rejected:
            return Thumbnail(b"", rejected.reason)
        if digests is not None and digest != digests[position]:
            return Thumbnail(b"", "changed since it was measured")
        return Thumbnail(as_webp(pixels), "")

    made = []
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-thumbnail") as pool:
        try:
            for thumbnail in pool.map(make, range(len(paths))):
                made.append(thumbnail)
                if progress:
                    progress(1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return made
