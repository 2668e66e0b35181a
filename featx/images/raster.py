"""What every reader is asked for and gives: a picture of 8 bits as the file stores it, and what the file is like."""

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageFile

from featx.errors import ImageRejected
from featx.recipe import Recipe

TOO_LARGE = "too large"
"""How the reason of an image with too many pixels begins."""

MAX_PIXELS = 178_956_970
"""Larger images are rejected: Pillow's own limit for decompression bombs, 512 MiB of RGB."""

# Pillow already warns at half of its limit, and about odd metadata; a file either decodes here or is rejected with a
# reason, so its warnings would only tear the progress bar.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
# It also logs about them, which without a handler goes to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How a file is to be read.

    Parameters
    ----------
    recipe : Recipe
        Says what becomes of the pixels.
    max_pixels : int
        Larger images are rejected before they are decoded [px].
    longest : int or None
        Longer side that is enough, for people to look at [px]; by default the recipe's image size.
    truncated : bool
        Take what is left of a file that ends too early.
    """

    recipe: Recipe
    max_pixels: int = MAX_PIXELS
    longest: int | None = None
    truncated: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the picture is shrunk to [px]."""
        return (self.longest, self.longest) if self.longest else self.recipe.image_size


@dataclasses.dataclass(frozen=True)
class Traits:
    """What a user should know of a file whose pixels do not show it.

    Parameters
    ----------
    bits : int
        Of a file of 16 bits a sample: the least of 8, 10, 12 and 16 that holds its largest value. 0 for other files.
    frames : int
        Pictures in the file, of which the first is used.
    blank : bool
        Whether the picture, as the backbone sees it, is of one colour; told where batches are put together.
    """

    bits: int = 0
    frames: int = 1
    blank: bool = False


@dataclasses.dataclass(frozen=True)
class Raster:
    """A picture as the file stores it.

    Parameters
    ----------
    image : Image
        In one of Pillow's modes of 8 bits, or ``I;16``; its ``info`` has the orientation and the colour profile.
    width, height : int
        Of the file's image: larger than ``image`` where a JPEG was decoded at reduced size [px].
    traits : Traits
        What else there is to say.
    """

    image: Image.Image
    width: int
    height: int
    traits: Traits = Traits()

    @classmethod
    def whole(cls, image: Image.Image, traits: Traits = Traits()) -> "Raster":
        """Return the picture of a file that was decoded at its own size."""
        return cls(image, image.width, image.height, traits)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image that is too large.

    Raises
    ------
    ImageRejected
        If it has more pixels than allowed.
    """
    if width * height > max_pixels:
        raise ImageRejected(f"{TOO_LARGE} (over {max_pixels} pixels)")


@contextlib.contextmanager
def opened(data: bytes, image_format: str, wanted: Wanted) -> Iterator[Any]:
    """Yield Pillow's image of a file, of which only the header is read; refuse one that is too large."""
    with Image.open(io.BytesIO(data), formats=[image_format]) as image:
        check_size(*image.size, wanted.max_pixels)
        yield image


@contextlib.contextmanager
def pillows_limits(max_pixels: int, truncated: bool) -> Iterator[None]:
    """Set the two limits that Pillow keeps for the whole process; images are decoded by one thread of it at a time."""
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    # Pillow raises past twice its limit, whose place ours takes; this one must only not be in the way.
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max(max_pixels, MAX_PIXELS // 2), truncated
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before
