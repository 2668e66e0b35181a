"""PNG: what Pillow alone reads wrongly, refuses for what stands beside the pixels, or reads though pixels are missing."""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featx.errors import ImageRejected
from featx.images.depth import Deep, Samples, deep_raster, upper_bits, with_key
from featx.images.raster import Raster, Traits, Wanted, opened
from featx.recipe import FULL_DEPTH

_TRUNCATED = "truncated PNG"

_SIGNATURE_BYTES = 8
_DEPTH_AT = 24
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_RGB, _GREY_ALPHA, _RGB_ALPHA = 2, 4, 6

# PNG specification, 8.2: first column, first row, steps of columns and rows of Adam7's seven passes.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

# Pillow's names of grey pixels, and what it multiplies them by.
_GREY_STEP = {"L;2": 85, "L;4": 17}

# Chunks beside the pixels that change what is seen of them, or how many frames there are.
_SEEN = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")

# Chunks that may be of any size, and how much of them all is read: Pillow refuses a file for one past 1 MiB.
_SPACIOUS = (b"iCCP", b"tEXt", b"zTXt", b"iTXt")
_ROOM = 1 << 20


def read_png(data: bytes, wanted: Wanted) -> Raster:
    """Read a PNG, whatever is wrong with the text, the profile and the other chunks beside its pixels.

    Raises
    ------
    ImageRejected
        If it is too large or has too few pixels.
    """
    try:
        return _read(data, wanted)
    except ImageRejected:
        raise
    except Exception:
        bare = _without_extras(data)
        if len(bare) == len(data):
            raise
        return _read(bare, wanted)


def _read(data: bytes, wanted: Wanted) -> Raster:
    depth = wanted.recipe.depth
    with opened(data, "PNG", wanted) as image:
        frames = getattr(image, "n_frames", 1)
        deep = data[_DEPTH_AT] == 16
        key = image.info.get("transparency")
        if deep and image.mode != "I;16" and (depth != FULL_DEPTH or key is not None):
            if lacks_pixels(data):
                raise ImageRejected(_TRUNCATED)
            channels = _deep_channels(data, wanted)
            has_alpha = data[_DEPTH_AT + 1] != _RGB
            samples = Samples(channels[..., :-1], channels[..., -1]) if has_alpha else with_key(channels, key)
            return deep_raster(samples, depth, image.info, frames)
        _scale_transparent_grey(image)
        image.load()
        # Unpacking twice is for the few whose last row is black, which may be one that is not in the file.
        if not wanted.truncated and _ends_in_zeros(image) and lacks_pixels(data):
            raise ImageRejected(_TRUNCATED)
        if deep and image.mode == "I;16":
            return deep_raster(with_key(np.asarray(image)[..., None].astype(np.uint16), key), depth, image.info, frames)
        return Raster.whole(image, Traits(upper_bits(image) if deep else 0, frames))


def _deep_channels(data: bytes, wanted: Wanted) -> Deep:
    """Return all 16 bits of each sample, (height, width, n_channels): Pillow gives the upper or the lower 8 of colours."""
    if data[_DEPTH_AT + 1] == _GREY_ALPHA:
        # Grey and alpha of 16 bits are four bytes a pixel, filtered and interlaced as RGBA of 8 bits is.
        header = data[12:_DEPTH_AT] + bytes([8, _RGB_ALPHA]) + data[_DEPTH_AT + 2 : 29]
        halves = _loaded(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:], wanted)
        return _joined(halves[..., ::2], halves[..., 1::2])
    upper, lower = (_loaded(data, wanted, order) for order in "BL")
    return _joined(upper, lower)


def _joined(upper: NDArray[np.uint8], lower: NDArray[np.uint8]) -> Deep:
    return (upper.astype(np.uint16) << 8 | lower).astype(np.uint16)


def _loaded(data: bytes, wanted: Wanted, order: str | None = None) -> NDArray[np.uint8]:
    with opened(data, "PNG", wanted) as image:
        if order:
            image.tile = [tile._replace(args=f"{image.mode};16{order}") for tile in image.tile]
        image.load()
        return np.asarray(image)


def _ends_in_zeros(image: Image.Image) -> bool:
    return image.crop((0, image.height - 1, *image.size)).getbbox(alpha_only=False) is None


def _scale_transparent_grey(image: Any) -> None:
    """Bring the one transparent grey value, of 2 or 4 bits, to the 8 bits that Pillow scales the pixels to."""
    rawmode = image.tile[0][3] if image.tile else None
    if rawmode in _GREY_STEP and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= _GREY_STEP[rawmode]


def lacks_pixels(data: bytes) -> bool:
    """Tell whether a PNG's pixels, unpacked, are fewer than its header declares; Pillow leaves the others black.

    Parameters
    ----------
    data : bytes
        The file, of which Pillow has read the header already.
    """
    width, height, depth, colour_type = struct.unpack(">IIBB", data[16:26])
    bits = depth * _CHANNELS[colour_type]
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    declared = 0
    for left, top, across, along in passes:
        columns, rows = math.ceil((width - left) / across), math.ceil((height - top) / along)
        if columns > 0 and rows > 0:
            declared += rows * (1 + math.ceil(columns * bits / 8))
    packed = b"".join(data[start + 8 : stop - 4] for name, start, stop in _chunks(data) if name == b"IDAT")
    return len(zlib.decompressobj().decompress(packed, declared)) < declared


def _without_extras(data: bytes) -> bytes:
    """Return the file without what is damaged, huge or unneeded beside the pixels; a small text may have the orientation."""
    kept, room, end = [data[:_SIGNATURE_BYTES]], _ROOM, _SIGNATURE_BYTES
    for name, start, end in _chunks(data):
        whole = data[start:end]
        if name.isalpha() and name[:1].islower():  # of a name without a meaning nothing can be said
            if name not in _SEEN + _SPACIOUS or zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
                continue
            if name in _SPACIOUS and (room := room - _unpacked_size(name, whole[8:-4], room)) < 0:
                continue
        kept.append(whole)
    return b"".join(kept) + data[end:]


def _unpacked_size(name: bytes, body: bytes, most: int) -> int:
    """Return about how much memory a text or a profile takes; more than ``most`` is not looked at."""
    _, _, rest = body.partition(b"\0")
    packed = {b"iCCP": rest[1:], b"zTXt": rest[1:], b"iTXt": rest.split(b"\0", 3)[-1] if rest[:1] == b"\1" else b""}
    try:
        return len(body) + len(zlib.decompressobj().decompress(packed.get(name, b""), max(most, 0) + 1))
    except zlib.error:
        return most + 1


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each chunk that is there in whole; of the last one also what is there of it."""
    at = _SIGNATURE_BYTES
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, at, min(at + length + 12, len(data))
        at += length + 12
