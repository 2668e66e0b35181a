"""JPEG: decoded at reduced size where that is enough, and refused where libjpeg warns that pixels are made up.

Pillow throws libjpeg's warnings away: of a file with a hole it gives grey rows without a word. simplejpeg is the same
libjpeg-turbo with its warnings as errors, to the bit the same pixels and no slower.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from featx.errors import ImageRejected
from featx.images.raster import Raster, Wanted, opened

CORRUPT, TRUNCATED = "corrupt JPEG", "truncated JPEG"

_END = b"\xff\xd9"

# Markers (ITU T.81, table B.1).
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NEEDED = frozenset(range(0xC0, 0xD0)) | {0xDB, 0xDD}
_PROGRESSIVE = frozenset({0xC2, 0xCA})

_COEFFICIENTS = 64
"""Of a block of 8 x 8 pixels."""

# What needs no more of Pillow. Of CMYK it knows what Adobe inverted.
_COLOURS = {"L": "GRAY", "RGB": "RGB"}

# libjpeg's warnings (jerror.h) when it makes up pixels that the file does not have.
_DAMAGE = ("Corrupt JPEG data", "Inconsistent progression sequence")
_NO_END = "Premature end of JPEG file"
_LEFT_OVER = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")

# What libjpeg had in its hands already when it counted what was left over [bytes].
_READ_AHEAD = 8


def read_jpeg(data: bytes, wanted: Wanted) -> Raster:
    """Read a JPEG.

    Raises
    ------
    ImageRejected
        If it is too large, ends early, or has a hole that libjpeg notices.
    """
    try:
        return _read(data, wanted)
    except UnidentifiedImageError:
        frame = next((start for marker, start, _ in _segments(data) if marker in _FRAMES), 0)
        bits = data[frame + 4] if frame and frame + 4 < len(data) else 8
        if bits in (12, 16):
            raise ImageRejected(f"unsupported JPEG ({bits} bits a sample)") from None
        raise


def _read(data: bytes, wanted: Wanted) -> Raster:
    with opened(data, "JPEG", wanted) as image:
        full = image.size
        if not wanted.recipe.exact_decode:
            # libjpeg decodes at 1/2, 1/4 or 1/8. Orientation is not read yet, so both sides must satisfy the larger one.
            enough = 2 * max(wanted.size)
            image.draft(None, (enough, enough))
        pixels = None if wanted.truncated else _checked_pixels(data, image, full)
        if pixels is None:
            image.load()
            return Raster(image, *full)
        decoded = Image.fromarray(pixels)
        decoded.info = image.info
        return Raster(decoded, *full)


def is_damaged(data: bytes) -> bool:
    """Tell whether libjpeg makes up pixels of a JPEG stream, such as one of the strips of a TIFF."""
    return _decode(data, {"colorspace": "GRAY", "min_factor": 8})[1].startswith((*_DAMAGE, _NO_END))


def _checked_pixels(data: bytes, image: Image.Image, full: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Return the pixels if libjpeg has nothing to say against them; None where Pillow is to read them, or to say why not."""
    width, height = image.size
    options: dict[str, Any] = {"colorspace": _COLOURS.get(image.mode, "CMYK")}
    if image.size != full:
        options |= {"min_width": width, "min_height": height}
    pixels, warning = _decode(data, options)
    if warning.startswith(_NO_END):
        data += _END
        pixels, warning = _decode(data, options)
        if (warning and not _is_padded(data, warning)) or not _has_every_scan(data):
            raise ImageRejected(TRUNCATED)
    elif warning and not _is_padded(data, warning):
        # Only the first warning is heard, and it may be of what stands beside the pixels.
        left = _warning_without_extras(data)
        if left and not _is_padded(data, left):
            if warning.startswith(_DAMAGE) or left.startswith(_DAMAGE):
                raise ImageRejected(CORRUPT)
            return None
    if warning:
        pixels, _ = _decode(data, options | {"strict": False})
    # Of an image this small several of libjpeg's scales give one size, and simplejpeg may take another than Pillow.
    unclear = image.size != full and max(full) < 8
    if pixels is None or image.mode not in _COLOURS or unclear or pixels.shape[:2] != (height, width):
        return None
    return pixels[..., 0] if image.mode == "L" else pixels


def _decode(data: bytes, options: dict[str, Any]) -> tuple[NDArray[np.uint8] | None, str]:
    """Return the pixels, or libjpeg's first warning or error."""
    try:
        return simplejpeg.decode_jpeg(data, **options), ""
    except ValueError as error:
        return None, str(error) or "unknown"


def _is_padded(data: bytes, warning: str) -> bool:
    """Tell zeros that a camera left between the pixels and the end from a hole, of which libjpeg makes pixels first."""
    if not (found := _LEFT_OVER.fullmatch(warning)):
        return False
    pixels = data[: data.rfind(_END)]
    zeros = len(pixels) - len(pixels.rstrip(b"\0"))
    return 0 <= zeros - int(found[1]) <= _READ_AHEAD


def _warning_without_extras(data: bytes) -> str:
    """Return libjpeg's first warning of the file without application segments and bytes between segments."""
    bare = b"\xff\xd8" + b"".join(data[start:stop] for marker, start, stop in _segments(data) if marker in _NEEDED)
    scan = next((start for marker, start, _ in _segments(data) if marker == _START_OF_SCAN), len(data))
    return _decode(bare + data[scan:], {"colorspace": "GRAY", "min_factor": 8})[1]


def _has_every_scan(data: bytes) -> bool:
    """Tell whether a progressive JPEG's scans give every coefficient to its last bit; any other has all it needs in one."""
    components, exact = 0, set()
    for marker, start, stop in _segments(data, scans=True):
        body = data[start + 4 : stop]
        if marker in _FRAMES:
            if marker not in _PROGRESSIVE:
                return True
            components = body[5]
        elif marker == _START_OF_SCAN:
            first, last, bits = body[-3:]
            if not bits & 15:
                exact |= {(name, number) for name in body[1:-3:2] for number in range(first, last + 1)}
    return len(exact) == components * _COEFFICIENTS


def _segments(data: bytes, scans: bool = False) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment; those behind the first scan, and itself, only if asked for."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0, 0xFF) or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xD9:
            return
        yield marker, at, stop
        if marker == _START_OF_SCAN and not scans:
            return
        at = stop
