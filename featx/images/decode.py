"""A file's bytes to RGB pixels: one function for extract, evaluate and predict.

The rules carry ``recipe.DECODE_VERSION``: whoever changes what pixels come out raises it.
"""

import contextlib
import io
import logging
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from featx.errors import ImageRejected
from featx.images.picture import Picture, take_picture
from featx.images.png import lacks_pixels
from featx.recipe import Recipe

MAX_PIXELS = 178_956_970
"""Larger images are rejected: Pillow's own limit for decompression bombs, 512 MiB of RGB."""

TOO_MUCH_MEMORY = "takes more memory than an image should"

_TRUNCATED = "truncated"

# JPEG's largest unit of decoding, 16 x 16.
_BLOCK_PIXELS = 256

# Pillow already warns at half of its limit, and about odd metadata; a file either decodes here or is rejected with a
# reason, so its warnings would only tear the progress bar.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
# It also logs about them, which without a handler goes to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

SNIFF_BYTES = 16
"""How much of a file ``sniff_format`` looks at [bytes]."""

# A still WebP cannot be larger by its own format; Pillow takes a minute over the rows of an animated one that claims to be.
_WEBP_LARGEST_SIDE = 16383

# 16-bit modes; the high byte is kept, which is what Pillow itself does to 16-bit RGB, so grey and RGB copies agree.
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")

# TIFF 6.0, section 8.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ZERO_IS_WHITE = 258, 262, 0

# Colours that were multiplied by their alpha, and what Pillow can go on with.
_STRAIGHT_ALPHA = {"La": "LA", "RGBa": "RGBA"}

# Pillow's names of grey PNG pixels, and what it multiplies them by.
_GREY_STEP = {"L;2": 85, "L;4": 17}

# 32-bit whole numbers and floats have no agreed range, so any scaling to 8 bits would be a guess.
_MODES_WITHOUT_A_RANGE = ("I", "F")

# Left, top, right, bottom [px].
Box = tuple[int, int, int, int]


def sniff_format(head: bytes) -> str | None:
    """Tell an image's format from its first bytes, whatever its name is.

    Parameters
    ----------
    head : bytes
        At least the first 16 bytes of the file.

    Returns
    -------
    image_format : str or None
        Pillow's name of one of the six allowed formats, or None.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    # "BM" alone also begins many a text: the reserved bytes must be zero too.
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "BMP"
    return None


def read_image_file(path: Path) -> bytes:
    """Read a whole file.

    Raises
    ------
    ImageRejected
        If the file cannot be read, with the system's own reason; or if it is a pipe, socket or device.
    """
    try:
        mode = path.stat().st_mode
        # Looked at before it is opened: opening a pipe blocks for ever. Of a folder the system gives its own reason.
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ImageRejected("not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise ImageRejected(f"cannot be read: {error.strerror or error}") from None


def decode_image(data: bytes, recipe: Recipe, max_pixels: int = MAX_PIXELS, longest: int | None = None) -> NDArray[np.uint8]:
    """Decode one image to the pixels that the backbone sees.

    Parameters
    ----------
    data : bytes
        The file's content: JPEG, PNG, WebP, BMP, GIF or TIFF.
    recipe : Recipe
        Gives image size, resize mode, background and whether JPEG may be decoded at reduced size.
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
    return decode_and_measure(data, recipe, max_pixels, longest, measure=False)[0]


def decode_and_measure(
    data: bytes, recipe: Recipe, max_pixels: int = MAX_PIXELS, longest: int | None = None, measure: bool = True
) -> tuple[NDArray[np.uint8], Picture | None]:
    """Decode one image as ``decode_image`` does, and measure the picture on the way; without ``measure`` it is None."""
    if not data:
        raise ImageRejected("empty file")
    image_format = sniff_format(data[:SNIFF_BYTES])
    if image_format is None:
        raise ImageRejected("not an image (JPEG, PNG, WebP, BMP, GIF or TIFF)")
    try:
        return _decode(data, image_format, recipe, max_pixels, longest, measure)
    except ImageRejected as rejected:
        if not (recipe.allow_truncated and rejected.reason == f"{_TRUNCATED} {image_format}"):
            raise
        return _decode(data, image_format, recipe, max_pixels, longest, measure, truncated=True)


def _decode(
    data: bytes,
    image_format: str,
    recipe: Recipe,
    max_pixels: int,
    longest: int | None,
    measure: bool,
    truncated: bool = False,
) -> tuple[NDArray[np.uint8], Picture | None]:
    if image_format == "BMP":
        data = _with_whole_palette(data)
    try:
        with _pillows_limits(max_pixels, truncated), Image.open(io.BytesIO(data), formats=[image_format]) as image:
            if image.width * image.height > max_pixels:
                raise ImageRejected(f"too large (over {max_pixels} pixels)")
            if image_format == "WEBP" and max(image.size) > _WEBP_LARGEST_SIDE:
                raise ImageRejected(f"too large (a side over {_WEBP_LARGEST_SIDE} pixels)")
            width, height = image.size
            if image_format == "JPEG" and not recipe.exact_decode:
                _decode_reduced(image, (longest, longest) if longest else recipe.image_size)
            if image_format == "PNG":
                _scale_transparent_grey(image)
            image.load()
            # Unpacking twice is for the few whose last row is black, which may be one that is not in the file.
            if image_format == "PNG" and not truncated and _ends_in_zeros(image) and lacks_pixels(data):
                raise ImageRejected(f"{_TRUNCATED} {image_format}")
            if truncated and _is_nearly_one_colour(image):
                raise ImageRejected(f"{_TRUNCATED} {image_format}, nothing of the picture left")
            stored = image.size
            _turn_upright(image)
            if image.size != stored:
                width, height = height, width
            rgb = _to_rgb(image, recipe.background)
            resized, inside = (_shrink(rgb, longest), None) if longest else _resize(rgb, recipe)
            picture = take_picture(resized.crop(inside) if inside else resized, height, width) if measure else None
            return np.asarray(resized, dtype=np.uint8), picture
    except ImageRejected:
        raise
    except Image.DecompressionBombError:
        raise ImageRejected(f"too large (over {max_pixels} pixels)") from None
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


@contextlib.contextmanager
def _pillows_limits(max_pixels: int, truncated: bool) -> Iterator[None]:
    """Set the two limits that Pillow keeps for the whole process; images are decoded by one thread of it at a time."""
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    # Pillow raises past twice its limit, whose place ours takes; this one must only not be in the way.
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max(max_pixels, MAX_PIXELS // 2), truncated
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _ends_in_zeros(image: Image.Image) -> bool:
    return image.crop((0, image.height - 1, *image.size)).getbbox(alpha_only=False) is None


def _is_nearly_one_colour(image: Image.Image) -> bool:
    """Tell what Pillow makes of a file that ends before its first pixels from what it makes of half a picture.

    Of a JPEG without its pixels libjpeg still makes one block, of whatever the missing bits would have been.
    """
    brightness = image.convert("L").histogram()
    others = sum(brightness) - max(brightness)
    return others <= max(_BLOCK_PIXELS, sum(brightness) // 50)


def _decode_reduced(image: Image.Image, image_size: tuple[int, int]) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8, but never below twice the target on either side."""
    # Orientation is not read yet, so both sides must satisfy the larger one.
    enough = 2 * max(image_size)
    image.draft(None, (enough, enough))


def _turn_upright(image: Image.Image) -> None:
    """Turn the image as its EXIF orientation says."""
    # Damaged EXIF beside sound pixels, whatever Pillow says of it: the picture is used as it is stored.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)  # not in place it would copy every image that is upright already


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Convert any of Pillow's modes to RGB."""
    if image.mode in _MODES_WITHOUT_A_RANGE:
        raise ImageRejected(f"unsupported depth (numbers without an agreed range, mode {image.mode})")
    if image.mode in _SIXTEEN_BIT_MODES:
        image = _to_eight_bits(image)
    if image.mode in _STRAIGHT_ALPHA:
        image = image.convert(_STRAIGHT_ALPHA[image.mode])
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (*background, 255)), layer)
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Keep the upper 8 bits of deep grey; TIFF may have only 12, and may call zero white."""
    deep = np.asarray(image).astype(np.uint16)
    tags = getattr(image, "tag_v2", {})
    upper = (deep >> (tags.get(_BITS_PER_SAMPLE, (16,))[0] - 8)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _ZERO_IS_WHITE:
        upper = 255 - upper
    if (transparent := image.info.get("transparency")) is None:
        return Image.fromarray(upper)
    return Image.fromarray(np.stack([upper, np.where(deep == transparent, 0, 255).astype(np.uint8)], axis=-1))


def _scale_transparent_grey(image: Image.Image) -> None:
    """Bring a PNG's one transparent grey value, of 2 or 4 bits, to the 8 bits that Pillow scales the pixels to."""
    rawmode = image.tile[0][3] if image.tile else None  # type: ignore[attr-defined] # every image file has it
    if rawmode in _GREY_STEP and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= _GREY_STEP[rawmode]


def _with_whole_palette(data: bytes) -> bytes:
    """Let a BMP of 4 or 8 bits that declares two colours declare all: Pillow takes black and white for one bit a pixel."""
    declares_two = len(data) > 50 and data[28] in (4, 8) and data[46:50] == b"\2\0\0\0"
    return data[:46] + bytes(4) + data[50:] if declares_two else data


def _resize(image: Image.Image, recipe: Recipe) -> tuple[Image.Image, Box | None]:
    """Bring the image to the recipe's size with an antialiased bilinear filter; where it has margins, say what is inside."""
    height, width = recipe.image_size
    if recipe.resize == "stretch":
        # Pillow's bilinear widens its support when shrinking, which is what antialiased means here.
        return image.resize((width, height), Image.Resampling.BILINEAR), None
    if recipe.resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR), None
    return _pad(image, width, height, recipe.background)


def _shrink(image: Image.Image, longest: int) -> Image.Image:
    """Bring the longer side to ``longest``, unless it is shorter already; a line of one pixel never shrinks to nothing."""
    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _pad(image: Image.Image, width: int, height: int, background: tuple[int, int, int]) -> tuple[Image.Image, Box]:
    """Fit the whole image in and fill the margins. Unlike Pillow's own, a line of one pixel never shrinks to nothing."""
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = Image.new("RGB", (width, height), background)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), (left, top))
    return canvas, (left, top, left + inner[0], top + inner[1])
