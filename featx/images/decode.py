"""A file's bytes to RGB pixels: one function for extract, evaluate and predict.

The rules carry ``recipe.DECODE_VERSION``: whoever changes what pixels come out raises it. A reader of a format gives a
``Raster``; from there on all formats go one way: upright, RGB on the background, the recipe's size.
"""

import contextlib
import hashlib
import stat
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featx.errors import ImageRejected
from featx.images.colour import to_rgb
from featx.images.jpeg import read_jpeg
from featx.images.netpbm import read_netpbm
from featx.images.picture import Picture, take_picture
from featx.images.png import read_png
from featx.images.raster import MAX_PIXELS, TOO_LARGE, Raster, Traits, Wanted, opened, pillows_limits
from featx.images.resize import resize, shrink
from featx.images.sniff import SNIFF_BYTES, sniff_format, sniff_raw, what_else
from featx.images.tiff import read_tiff
from featx.recipe import Recipe

TOO_MUCH_MEMORY = "takes more memory than an image should"

_PIECE_BYTES = 1 << 20
"""Of a file that is read in pieces."""

_TRUNCATED = "truncated"

# JPEG's largest unit of decoding, 16 x 16.
_BLOCK_PIXELS = 256

# A still WebP cannot be larger by its own format; Pillow takes a minute over the rows of an animated one that claims to be.
_WEBP_LARGEST_SIDE = 16383


class Decoded(NamedTuple):
    """What a file's bytes gave.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB in [0, 255].
    picture : Picture or None
        What the image is like, if that was asked for.
    traits : Traits
        What else there is to say of the file.
    """

    pixels: NDArray[np.uint8]
    picture: Picture | None
    traits: Traits


def read_image_file(path: Path) -> bytes:
    """Read a whole file, if it begins like an image.

    Raises
    ------
    ImageRejected
        If the file cannot be read, with the system's own reason; if it is a pipe, socket or device, or no image.
    """
    with opened_file(path) as file:
        head = file.read(SNIFF_BYTES)
        if head and sniff_format(head) is None:
            raise ImageRejected(what_else(head))  # before the rest of what may be a disk's backup is in memory
        file.seek(0)
        return file.read()


def digest_image_file(path: Path) -> bytes:
    """Return the SHA-256 of a file, 32 bytes, in bounded memory however large it is; errors as for ``read_image_file``."""
    digest = hashlib.sha256()
    with opened_file(path) as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.digest()


@contextlib.contextmanager
def opened_file(path: Path) -> Iterator[FileIO]:
    """Yield a file for reading; refuse, with a reason, what is no regular file or what the system does not let be read."""
    try:
        mode = path.stat().st_mode
        # Looked at before it is opened: opening a pipe blocks for ever. Of a folder the system gives its own reason.
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ImageRejected("not a regular file")
        with path.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise ImageRejected(f"cannot be read: {error.strerror or error}") from None


def decode_image(data: bytes, recipe: Recipe, max_pixels: int = MAX_PIXELS, longest: int | None = None) -> NDArray[np.uint8]:
    """Decode one image to the pixels that the backbone sees.

    Parameters
    ----------
    data : bytes
        The file's content: JPEG, PNG, WebP, BMP, GIF, TIFF or PNM.
    recipe : Recipe
        Gives image size, resize mode, background, depth, colour profile and whether JPEG may be decoded at reduced size.
    max_pixels : int
        Larger images are rejected before they are decoded [px].
    longest : int or None
        For people to look at: keep the image's shape and shrink it to this longer side [px], whatever the recipe says.

    Returns
    -------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB in [0, 255], upright, first frame, transparency laid on the recipe's background.

    Raises
    ------
    ImageRejected
        With a short reason: empty, not an image, truncated, corrupt, too large or of unsupported depth.
    """
    return decode_and_measure(data, recipe, max_pixels, longest, measure=False).pixels


def decode_and_measure(
    data: bytes, recipe: Recipe, max_pixels: int = MAX_PIXELS, longest: int | None = None, measure: bool = True
) -> Decoded:
    """Decode one image as ``decode_image`` does, and measure the picture on the way; without ``measure`` it is None."""
    if not data:
        raise ImageRejected("empty file")
    head = data[:SNIFF_BYTES]
    image_format = sniff_format(head)
    if image_format is None:
        raise ImageRejected(what_else(head))
    if image_format == "RAW":
        raise ImageRejected(f"raw camera file ({sniff_raw(head)})")
    wanted = Wanted(recipe, max_pixels, longest)
    try:
        return _decode(data, image_format, wanted, measure)
    except ImageRejected as rejected:
        if not (recipe.allow_truncated and rejected.reason == f"{_TRUNCATED} {image_format}"):
            raise
        return _decode(data, image_format, Wanted(recipe, max_pixels, longest, truncated=True), measure)


def _decode(data: bytes, image_format: str, wanted: Wanted, measure: bool) -> Decoded:
    with rejecting(image_format, wanted.max_pixels), pillows_limits(wanted.max_pixels, wanted.truncated):
        raster = _READERS[image_format](data, wanted)
        image = raster.image
        if wanted.truncated and _is_nearly_one_colour(image):
            raise ImageRejected(f"{_TRUNCATED} {image_format}, nothing of the picture left")
        stored, height, width = image.size, raster.height, raster.width
        _turn_upright(image)
        if image.size != stored:
            width, height = height, width
        rgb = to_rgb(image, wanted.recipe)
        sized, inside = (shrink(rgb, wanted.longest), None) if wanted.longest else resize(rgb, wanted.recipe)
        picture = take_picture(sized.crop(inside) if inside else sized, height, width) if measure else None
        return Decoded(np.asarray(sized, dtype=np.uint8), picture, raster.traits)


@contextlib.contextmanager
def rejecting(image_format: str, max_pixels: int) -> Iterator[None]:
    """Turn whatever a reader raises into a short reason."""
    try:
        yield
    except ImageRejected:
        raise
    except Image.DecompressionBombError:
        raise ImageRejected(f"{TOO_LARGE} (over {max_pixels} pixels)") from None
    except UnidentifiedImageError:
        # TIFF is a family of formats, and Pillow reads the usual ones.
        raise ImageRejected(f"{'corrupt or unsupported' if image_format == 'TIFF' else 'corrupt'} {image_format}") from None
    except MemoryError:
        raise ImageRejected(TOO_MUCH_MEMORY) from None
    # Pillow's plugins answer damaged bytes with nearly every exception there is (struct.error, SyntaxError, IndexError,
    # zlib.error …); whichever it is, this one file is damaged and the run goes on.
    except Exception as error:
        kind = _TRUNCATED if "truncated" in str(error).lower() else "corrupt"
        raise ImageRejected(f"{kind} {image_format}") from None


def _read_bmp(data: bytes, wanted: Wanted) -> Raster:
    # Of 4 or 8 bits that declare two colours: Pillow takes black and white for one bit a pixel. Let it declare all.
    if len(data) > 50 and data[28] in (4, 8) and data[46:50] == b"\2\0\0\0":
        data = data[:46] + bytes(4) + data[50:]
    return _read_by_pillow(data, "BMP", wanted)


def _read_gif(data: bytes, wanted: Wanted) -> Raster:
    frames = 1
    # Apart from the picture: later frames that are damaged are no matter, but Pillow would not find back from one.
    with contextlib.suppress(Exception), opened(data, "GIF", wanted) as image:
        frames = image.n_frames
    return _read_by_pillow(data, "GIF", wanted, frames)


def _read_webp(data: bytes, wanted: Wanted) -> Raster:
    with opened(data, "WEBP", wanted) as image:
        if max(image.size) > _WEBP_LARGEST_SIDE:
            raise ImageRejected(f"too large (a side over {_WEBP_LARGEST_SIDE} pixels)")
        image.load()
        return Raster.whole(image, Traits(frames=image.n_frames))


def _read_by_pillow(data: bytes, image_format: str, wanted: Wanted, frames: int = 1) -> Raster:
    with opened(data, image_format, wanted) as image:
        image.load()
        return Raster.whole(image, Traits(frames=frames))


_READERS: dict[str, Callable[[bytes, Wanted], Raster]] = {
    "JPEG": read_jpeg,
    "PNG": read_png,
    "WEBP": _read_webp,
    "BMP": _read_bmp,
    "GIF": _read_gif,
    "TIFF": read_tiff,
    "PNM": read_netpbm,
}


def _is_nearly_one_colour(image: Image.Image) -> bool:
    """Tell what Pillow makes of a file that ends before its first pixels from what it makes of half a picture.

    Of a JPEG without its pixels libjpeg still makes one block, of whatever the missing bits would have been.
    """
    brightness = image.convert("L").histogram()
    others = sum(brightness) - max(brightness)
    return others <= max(_BLOCK_PIXELS, sum(brightness) // 50)


def _turn_upright(image: Image.Image) -> None:
    """Turn the image as its EXIF orientation says."""
    # Damaged EXIF beside sound pixels, whatever Pillow says of it: the picture is used as it is stored.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)  # not in place it would copy every image that is upright already
