"""TIFF: what Pillow reads rightly it reads; samples that it has no mode for are unpacked as grey ones and put together here.

A camera's raw file is a TIFF too, whose first page is a thumbnail: it is no image.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from featx.errors import ImageRejected
from featx.images import tiff_directory as tag
from featx.images.depth import Samples, deep_raster, eight_bit_image, upper_bits
from featx.images.jpeg import is_damaged
from featx.images.raster import Raster, Traits, Wanted, check_size, opened, pillows_limits
from featx.images.tiff_directory import Directory, Layout
from featx.recipe import FULL_DEPTH

_GREY_0_IS_WHITE, _GREY, _RGB, _PALETTE, _INK, _MOSAIC, _LINEAR_RAW = 0, 1, 2, 3, 5, 32803, 34892
_COLOURS = {_GREY_0_IS_WHITE: 1, _GREY: 1, _RGB: 3, _INK: 4}
_MULTIPLIED, _STRAIGHT = 1, 2

# RGB and CMYK may have channels of any kind beside them; of several grey ones nobody can say which is the picture.
_MOST_CHANNELS = 64

# Page is a smaller copy of another, or a mask of one (TIFF 6.0, tag 254).
_REDUCED, _MASK = 1, 4

# Compressions whose unpacking does not depend on what the samples mean.
_NONE, _JPEG = 1, 7
_PLAIN = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
_OTHER = {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "old JPEG", 7: "JPEG", 34712: "JPEG 2000", 50001: "WebP", 50002: "JPEG XL"}

_SELDOM_BUILT_IN = frozenset({34712, 50001, 50002})

# Pillow's modes for numbers of 16 bits.
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


def read_tiff(data: bytes, wanted: Wanted) -> Raster:
    """Read a TIFF's first page.

    Raises
    ------
    ImageRejected
        If it is a camera's raw file, too large, ends early or is of a kind that cannot be read.
    """
    layout = Layout(data)
    pages = list(layout.directories())
    if not pages:
        return _read_by_pillow(data, wanted, Traits())
    _refuse_raw(layout, pages[0])
    _refuse_holes(data, pages[0])
    page = _Page(layout, pages[0])
    frames = max(1, sum(not other.get(tag.SUBFILE, 0) & (_REDUCED | _MASK) for other in pages))
    if page.is_plain and (page.is_in_planes or (page.bits == 16 and page.channels > 1 and wanted.recipe.depth != FULL_DEPTH)):
        return page.read(wanted, frames)
    try:
        if page.is_of_signed_bytes:  # which Pillow takes for unsigned ones
            raise UnidentifiedImageError
        return _read_by_pillow(data, wanted, Traits(frames=frames))
    except UnidentifiedImageError:
        if page.is_plain:
            return page.read(wanted, frames)
        _refuse_unsupported(page)
        raise
    except OSError:
        # Pillow knows the compression, and only when it unpacks finds that its libtiff does not.
        if page.compression in _SELDOM_BUILT_IN:
            _refuse_unsupported(page)
        raise


def _refuse_holes(data: bytes, first: Directory) -> None:
    """Refuse JPEG strips of which libtiff would make up pixels without a word."""
    if first.get(tag.COMPRESSION, _NONE) != _JPEG:
        return
    tables = bytes(first.tags.get(tag.JPEG_TABLES, (0xFF, 0xD8, 0xFF, 0xD9)))[:-2]
    for where, sizes in ((tag.OFFSETS, tag.SIZES), (tag.TILE_OFFSETS, tag.TILE_SIZES)):
        for start, size in zip(first.tags.get(where, ()), first.tags.get(sizes, ()), strict=False):
            if size and is_damaged(tables + data[start + 2 : start + size]):
                raise ImageRejected("corrupt TIFF")


def _refuse_unsupported(page: "_Page") -> None:
    if reason := page.unsupported:
        raise ImageRejected(f"unsupported TIFF ({reason})") from None


def _refuse_raw(layout: Layout, first: Directory) -> None:
    inside = list(layout.inside(first))
    if tag.DNG_VERSION in first.tags:
        raise ImageRejected("raw camera file (DNG)")
    if any(each.get(tag.PHOTOMETRIC, _GREY) in (_MOSAIC, _LINEAR_RAW) for each in (first, *inside)):
        raise ImageRejected("raw camera file (NEF, ARW, PEF or the like)")
    size = first.get(tag.WIDTH, 0) * first.get(tag.HEIGHT, 0)
    larger = any(each.get(tag.WIDTH, 0) * each.get(tag.HEIGHT, 0) > size for each in inside)
    if first.get(tag.SUBFILE, 0) & _REDUCED and larger:
        raise ImageRejected("unsupported TIFF (its first page is a thumbnail)")


def _read_by_pillow(data: bytes, wanted: Wanted, traits: Traits) -> Raster:
    with opened(data, "TIFF", wanted) as image:
        bits = image.tag_v2.get(tag.BITS, (1,))
        image.load()
        if image.mode not in _DEEP_MODES:
            used = upper_bits(image) if bits[0] == 16 and image.mode not in ("I", "F") else 0
            return Raster.whole(image, dataclasses.replace(traits, bits=used))
        # Of fewer than 16 bits, 12 say, the file states how far its values reach.
        samples = Samples(
            np.asarray(image).astype(np.uint16)[..., None],
            stated=None if bits[0] == 16 else (1 << bits[0]) - 1,
            inverted=image.tag_v2.get(tag.PHOTOMETRIC) == _GREY_0_IS_WHITE,
        )
        return deep_raster(samples, wanted.recipe.depth, image.info, traits.frames)


class _Page:
    """How the samples of a TIFF's page lie, and a way to read them that does not ask what they mean."""

    def __init__(self, layout: Layout, directory: Directory) -> None:
        get = directory.get
        self._layout, self._directory = layout, directory
        self.width, self.height = get(tag.WIDTH, 0), get(tag.HEIGHT, 0)
        self.bits, self.channels = get(tag.BITS, 1), get(tag.CHANNELS, 1)
        self.meaning, self.compression = get(tag.PHOTOMETRIC, -1), get(tag.COMPRESSION, _NONE)
        self.is_in_planes = get(tag.PLANES, 1) == 2 and self.channels > 1
        self._format = get(tag.SAMPLE_FORMAT, 1)
        self._is_tiled = tag.TILE_OFFSETS in directory.tags

    @property
    def is_plain(self) -> bool:
        """Whether it is grey, RGB or CMYK of 8 or 16 bits, with alpha or not, in a compression that any samples may have."""
        get, tags = self._directory.get, self._directory.tags
        return (
            self.meaning in _COLOURS
            and _COLOURS[self.meaning] <= self.channels <= (2 if _COLOURS[self.meaning] == 1 else _MOST_CHANNELS)
            and self.bits in (8, 16)
            and tags.get(tag.BITS, ()) in ((self.bits,), (self.bits,) * self.channels)
            and set(tags.get(tag.SAMPLE_FORMAT, (1,))) == {1}
            and self.compression in _PLAIN
            and get(tag.PREDICTOR, 1) in (1, 2)
            and not (self.meaning == _INK and get(tag.INK_SET, 1) != 1)
            and self.width > 0
            and self.height > 0
        )

    @property
    def is_of_signed_bytes(self) -> bool:
        """Whether its numbers go from -128 to 127."""
        return self.bits == 8 and self._format == 2

    @property
    def unsupported(self) -> str:
        """What it is, if it is whole and of a kind that is not read; empty if nothing can be said."""
        tags = self._directory.tags
        offsets = tags.get(tag.TILE_OFFSETS if self._is_tiled else tag.OFFSETS)
        if not (self.width and self.height and offsets) or len(tags.get(tag.BITS, (1,))) not in (1, self.channels):
            return ""
        if self.compression not in _PLAIN:
            return f"compression {_OTHER.get(self.compression, self.compression)}"
        kind = {1: "", 2: "signed ", 3: "floating-point ", 4: ""}.get(self._format, "complex ")
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        return f"{channels} of {self.bits}-bit {kind}numbers, photometric {self.meaning}"

    def read(self, wanted: Wanted, frames: int) -> Raster:
        """Read the page.

        Raises
        ------
        ImageRejected
            If it is too large.
        """
        check_size(self.width, self.height, wanted.max_pixels)
        samples = self._in_planes(wanted) if self.is_in_planes else self._interleaved(wanted)
        n_colours = _COLOURS[self.meaning]
        kinds = self._directory.tags.get(tag.EXTRA_SAMPLES, ())
        kind = next((kind for kind in kinds if kind in (_MULTIPLIED, _STRAIGHT)), 0)
        alpha = samples[..., n_colours + kinds.index(kind)] if kind and n_colours + kinds.index(kind) < self.channels else None
        colours, inverted, info = samples[..., :n_colours], self.meaning == _GREY_0_IS_WHITE, self._info()
        if samples.dtype == np.uint16:
            deep = Samples(colours, alpha, inverted=inverted, multiplied=kind == _MULTIPLIED)
            return deep_raster(deep, wanted.recipe.depth, info, frames)
        levels = 255 - colours if inverted else colours
        image = eight_bit_image(levels, None if alpha is None else alpha[..., None], kind == _MULTIPLIED)
        image.info = info
        return Raster.whole(image, Traits(frames=frames))

    def _info(self) -> dict[str | tuple[int, int], Any]:
        """Return orientation and colour profile where Pillow's images have them."""
        exif = Image.Exif()
        exif[tag.ORIENTATION] = self._directory.get(tag.ORIENTATION, 1)
        info: dict[str | tuple[int, int], Any] = {"exif": exif.tobytes()}
        if profile := self._directory.tags.get(tag.PROFILE):
            info["icc_profile"] = bytes(profile)
        return info

    def _in_planes(self, wanted: Wanted) -> NDArray[Any]:
        """Return the samples, (height, width, n_channels), of a page that has one plane for each channel."""
        tags = self._directory.tags
        where, sizes = (tag.TILE_OFFSETS, tag.TILE_SIZES) if self._is_tiled else (tag.OFFSETS, tag.SIZES)
        each = len(tags[where]) // self.channels
        planes = []
        for first in range(0, each * self.channels, each):
            part = {name: tags[name][first : first + each] for name in (where, sizes) if name in tags}
            planes.append(self._as_grey(wanted, part))
        return np.stack(planes, axis=-1)

    def _interleaved(self, wanted: Wanted) -> NDArray[Any]:
        """Return the samples, (height, width, n_channels), of a page that has all channels of a pixel beside each other."""
        wide: dict[int, tuple[int, ...]] = {tag.WIDTH: (self.width * self.channels,), tag.PREDICTOR: (1,)}
        step = self._directory.get(tag.TILE_WIDTH, self.width) if self._is_tiled else self.width
        if self._is_tiled:
            wide[tag.TILE_WIDTH] = (step * self.channels,)
        samples = self._as_grey(wanted, wide).reshape(self.height, self.width, self.channels)
        if self._directory.get(tag.PREDICTOR, 1) == 2 and self.compression != _NONE:
            # Each sample was stored as its difference from the pixel to its left, in each tile anew (TIFF 6.0, section 14).
            parts = [samples[:, left : left + step] for left in range(0, self.width, step)]
            samples = np.concatenate([part.cumsum(axis=1, dtype=samples.dtype) for part in parts], axis=1)
        return samples

    def _as_grey(self, wanted: Wanted, changed: dict[int, tuple[int, ...]]) -> NDArray[Any]:
        """Let Pillow unpack the page as if each sample were a grey pixel."""
        tags = {name: self._directory.tags[name] for name in _OF_ANY_SAMPLES if name in self._directory.tags}
        tags |= {tag.BITS: (self.bits,), tag.PHOTOMETRIC: (_GREY,), tag.CHANNELS: (1,)} | changed
        data = self._layout.with_page(tags)
        more = dataclasses.replace(wanted, max_pixels=wanted.max_pixels * self.channels)
        with pillows_limits(more.max_pixels, wanted.truncated), opened(data, "TIFF", more) as image:
            image.load()
            return np.asarray(image).astype(np.uint8 if self.bits == 8 else np.uint16)


_OF_ANY_SAMPLES = (
    tag.WIDTH,
    tag.HEIGHT,
    tag.COMPRESSION,
    tag.FILL_ORDER,
    tag.OFFSETS,
    tag.SIZES,
    tag.ROWS_A_STRIP,
    tag.PREDICTOR,
    tag.TILE_WIDTH,
    tag.TILE_HEIGHT,
    tag.TILE_OFFSETS,
    tag.TILE_SIZES,
)
