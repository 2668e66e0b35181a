"""A file's bytes to RGB pixels: one function for extract, evaluate and predict.

The rules carry ``recipe.DECODE_VERSION``: whoever changes what pixels come out raises it.
"""

import io
import logging
import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featx.errors import ImageRejected
from featx.recipe import Recipe

MAX_PIXELS = 178_956_970
"""Larger images are rejected: Pillow's own limit for decompression bombs, 512 MiB of RGB."""

# Pillow already warns at half of its limit, and about odd metadata; a file either decodes here or is rejected with a
# reason, so its warnings would only tear the progress bar.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
# It also logs about them, which without a handler goes to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

SNIFF_BYTES = 16
"""How much of a file ``sniff_format`` looks at [bytes]."""

# 16-bit modes; the high byte is kept, which is what Pillow itself does to 16-bit RGB, so grey and RGB copies agree.
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")

# 32-bit whole numbers and floats have no agreed range, so any scaling to 8 bits would be a guess.
_MODES_WITHOUT_A_RANGE = ("I", "F")


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


def decode_image(data: bytes, recipe: Recipe, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode one image to the pixels that the backbone sees.

    Parameters
    ----------
    data : bytes
        The file's content: JPEG, PNG, WebP, BMP, GIF or TIFF.
    recipe : Recipe
        Gives image size, resize mode, background and whether JPEG may be decoded at reduced size.
    max_pixels : int
        Larger images are rejected before they are decoded [px].

    Returns
    -------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB in [0, 255], upright, first frame, transparency laid on the recipe's background.

    Raises
    ------
    ImageRejected
        With a short reason: empty, not an image, truncated, corrupt, too large or of unsupported depth.
    """
    if not data:
        raise ImageRejected("empty file")
    image_format = sniff_format(data[:SNIFF_BYTES])
    if image_format is None:
        raise ImageRejected("not an image (JPEG, PNG, WebP, BMP, GIF or TIFF)")
    try:
        with Image.open(io.BytesIO(data), formats=[image_format]) as image:
            if image.width * image.height > max_pixels:
                raise ImageRejected(f"too large (over {max_pixels} pixels)")
            if image_format == "JPEG" and not recipe.exact_decode:
                _decode_reduced(image, recipe.image_size)
            image.load()
            rgb = _to_rgb(_upright(image), recipe.background)
        return np.asarray(_resize(rgb, recipe), dtype=np.uint8)
    except ImageRejected:
        raise
    except Image.DecompressionBombError:
        raise ImageRejected(f"too large (over {max_pixels} pixels)") from None
    except UnidentifiedImageError:
        raise ImageRejected(f"corrupt {image_format}") from None
    # Pillow's plugins answer damaged bytes with nearly every exception there is (struct.error, SyntaxError, IndexError,
    # zlib.error, MemoryError …); whichever it is, this one file is damaged and the run goes on.
    except Exception as error:
        kind = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise ImageRejected(f"{kind} {image_format}") from None


def _decode_reduced(image: Image.Image, image_size: tuple[int, int]) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8, but never below twice the target on either side."""
    # Orientation is not read yet, so both sides must satisfy the larger one.
    enough = 2 * max(image_size)
    image.draft(None, (enough, enough))


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # Damaged EXIF beside sound pixels: the picture is used as it is stored.
        return image


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Convert any of Pillow's modes to RGB."""
    if image.mode in _MODES_WITHOUT_A_RANGE:
        raise ImageRejected(f"unsupported depth (32 bits a channel, mode {image.mode})")
    if image.mode in _SIXTEEN_BIT_MODES:
        high_byte = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        image = Image.fromarray(high_byte)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (*background, 255)), layer)
    return image.convert("RGB")


def _resize(image: Image.Image, recipe: Recipe) -> Image.Image:
    """Bring the image to the recipe's size with an antialiased bilinear filter."""
    height, width = recipe.image_size
    if recipe.resize == "stretch":
        # Pillow's bilinear widens its support when shrinking, which is what antialiased means here.
        return image.resize((width, height), Image.Resampling.BILINEAR)
    if recipe.resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return _pad(image, width, height, recipe.background)


def _pad(image: Image.Image, width: int, height: int, background: tuple[int, int, int]) -> Image.Image:
    """Fit the whole image in and fill the margins. Unlike Pillow's own, a line of one pixel never shrinks to nothing."""
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new("RGB", (width, height), background)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas
