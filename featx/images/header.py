"""What the header of an image file says: size and depth, without its pixels."""

import contextlib
import io
import mmap
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from featx.errors import ImageRejected
from featx.images import tiff_directory as tag
from featx.images.decode import opened_file, rejecting
from featx.images.netpbm import netpbm_header
from featx.images.raster import check_size, pillows_limits
from featx.images.sniff import NOT_AN_IMAGE, SNIFF_BYTES, sniff_format, sniff_raw
from featx.images.tiff_directory import Layout

_ORIENTATION = 274
_ON_THEIR_SIDE = (5, 6, 7, 8)

# More than any header that is read here takes.
_HEAD_BYTES = 4096

_PNG_DEPTH_AT, _BMP_DEPTH_AT = 24, 28

# Pillow's modes, in words.
_MODES = {
    "black and white": ("1",),
    "grey": ("L", "I;16", "I;16B", "I", "F"),
    "grey + alpha": ("LA", "La"),
    "palette": ("P",),
    "palette + alpha": ("PA",),
    "RGB": ("RGB", "RGBX", "YCbCr"),
    "RGB + alpha": ("RGBA", "RGBa"),
    "CMYK": ("CMYK",),
    "Lab": ("LAB",),
}
_COLOURS = {mode: words for words, modes in _MODES.items() for mode in modes}
_OF_PHOTOMETRIC = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "RGB", 8: "Lab"}


class Header(NamedTuple):
    """What a file's header says.

    Parameters
    ----------
    image_format : str
        Such as ``JPEG``.
    height, width : int
        Upright, as the EXIF orientation says where it stands before the pixels [px].
    bits : int
        Of a sample.
    colours : str
        Such as ``RGB``, ``grey`` or ``RGB, alpha``.
    size : int
        Of the file [bytes].
    """

    image_format: str
    height: int
    width: int
    bits: int
    colours: str
    size: int

    @property
    def depth(self) -> str:
        """Bits and colours: ``8-bit RGB``."""
        return f"{self.bits}-bit {self.colours}"


def read_header(path: Path, max_pixels: int) -> Header:
    """Read the header of an image file from anywhere; call it in a process that may be lost.

    Raises
    ------
    ImageRejected
        If the file cannot be read, is no image, or is larger than ``max_pixels``. What is behind the header is not looked at.
    """
    with opened_file(path) as raw:
        head = raw.read(_HEAD_BYTES)
        if not head:
            raise ImageRejected("empty file")
        image_format = sniff_format(head[:SNIFF_BYTES])
        if image_format is None:
            raise ImageRejected(NOT_AN_IMAGE)
        if image_format == "RAW":
            raise ImageRejected(f"raw camera file ({sniff_raw(head)})")
        size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        with rejecting(image_format, max_pixels), pillows_limits(max_pixels, truncated=False):
            if image_format == "TIFF":
                height, width, bits, colours = _of_tiff(raw.fileno())
            elif image_format == "PNM":
                height, width, bits, colours = _of_netpbm(head)
            else:
                height, width, bits, colours = _of_pillow(raw, image_format, head)
            check_size(width, height, max_pixels)
    return Header(image_format, height, width, bits, colours, size)


def _of_pillow(raw: io.FileIO, image_format: str, head: bytes) -> tuple[int, int, int, str]:
    with io.BufferedReader(raw) as file, Image.open(file, formats=[image_format]) as image:
        colours = _COLOURS.get(image.mode, image.mode)
        if "transparency" in image.info and not colours.endswith("alpha"):
            colours += " + alpha"
        bits = 1 if image.mode == "1" else 8
        if image_format == "PNG":
            bits = head[_PNG_DEPTH_AT]
        elif image_format == "BMP" and image.mode == "P":
            bits = min(8, head[_BMP_DEPTH_AT])
        width, height = image.size
        return (width, height, bits, colours) if _is_on_its_side(image) else (height, width, bits, colours)


def _is_on_its_side(image: Image.Image) -> bool:
    # Damaged EXIF beside a sound header: the picture is used as it is stored.
    with contextlib.suppress(Exception):
        # Of a PNG Pillow would read all pixels, in case there is EXIF behind them.
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        found = exif if image.format == "PNG" else image.getexif()
        return found.get(_ORIENTATION, 1) in _ON_THEIR_SIDE
    return False


def _of_netpbm(head: bytes) -> tuple[int, int, int, str]:
    kind, (width, height, largest), _ = netpbm_header(head)
    return height, width, largest.bit_length(), {1: "black and white", 3: "RGB"}.get((kind - 1) % 3 + 1, "grey")


def _of_tiff(descriptor: int) -> tuple[int, int, int, str]:
    # Mapped and not read: the directory may be at the end of a gigabyte.
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
        layout = Layout(data)  # type: ignore[arg-type] # it is cut and unpacked as bytes are
        try:
            first = layout.directory(layout.first)
        except ValueError:
            raise ImageRejected("corrupt TIFF") from None
    height, width = first.get(tag.HEIGHT, 0), first.get(tag.WIDTH, 0)
    if not (height and width):
        raise ImageRejected("corrupt TIFF")
    colours = _OF_PHOTOMETRIC.get(first.get(tag.PHOTOMETRIC, 1), "other")
    bits = first.get(tag.BITS, 1)
    if bits == 1 and colours == "grey":
        colours = "black and white"
    if tag.EXTRA_SAMPLES in first.tags:
        colours += " + alpha"
    on_its_side = first.get(tag.ORIENTATION, 1) in _ON_THEIR_SIDE
    return (width, height, bits, colours) if on_its_side else (height, width, bits, colours)
