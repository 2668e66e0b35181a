"""Odd images: a table of files built byte by byte, each with the pixels its format's standard gives or its exact reason.

What is wanted is worked out here, in NumPy or by hand; Pillow only writes the few files that cannot be built by hand.
"""

import dataclasses
import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featx
from featx.errors import ImageRejected
from featx.images import decode_image, load_batches
from featx.recipe import Recipe

# pytest drops the filters that featx sets on import; this is what holds outside of pytest.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")

Ints = NDArray[np.int64]

NOT_AN_IMAGE = "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"
TOO_LARGE = "too large (over 178956970 pixels)"


@dataclasses.dataclass(frozen=True)
class Odd:
    """One file and what becomes of it: its pixels (height, width, 3) at its own size, or the reason it is rejected."""

    name: str
    data: bytes
    wanted: Ints | str
    tolerance: int = 0
    """Largest difference from ``wanted`` [levels]; 0 unless the format's own arithmetic is not exact."""


def values(height: int, width: int, channels: int, depth: int, step: int = 1) -> Ints:
    """Draw samples of a depth, always the same; multiples of ``step``. Shape (height, width) where there is one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng([depth, channels]).integers(0, (2**depth - 1) // step + 1, shape) * step


def to_8_bits(samples: Ints, depth: int) -> Ints:
    """Spread 1, 2, 4 or 8 bits over 0 to 255; of 16 keep the high byte."""
    return samples >> 8 if depth == 16 else samples * 255 // (2**depth - 1)


def as_rgb(grey: Ints) -> Ints:
    """Repeat grey in all three channels."""
    return np.asarray(grey)[..., None].repeat(3, axis=-1)


def on_white(colour: Ints, alpha: Ints) -> Ints:
    """Lay a colour on white: ``colour a + white (1 - a)``."""
    alpha = np.asarray(alpha)[..., None]
    return np.rint((np.asarray(colour) * alpha + 255 * (255 - alpha)) / 255).astype(np.int64)


def ink_to_rgb(ink: Ints) -> Ints:
    """Give what light paper under C, M, Y and K sends back: ``(255 - ink) (255 - black) / 255``."""
    ink = np.asarray(ink)
    return np.rint((255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255).astype(np.int64)


def ycc_to_rgb(ycc: Ints) -> Ints:
    """Convert full-range YCbCr (JFIF 1.02, page 3)."""
    y, blue, red = np.moveaxis(np.asarray(ycc, np.float64), -1, 0) - np.array([0, 128, 128])[:, None, None]
    rgb = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.int64)


PALETTE = np.array([[200, 0, 0], [0, 180, 10], [5, 5, 220], [250, 250, 100]])
"""Four colours, no channel of which could be taken for another."""

TURNED = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
"""EXIF 2.3, table 6: from the stored rows and columns to the scene's."""


def exif(orientation: int, order: str = ">") -> bytes:
    """Return EXIF with nothing but an orientation: a TIFF directory of one entry."""
    mark = b"MM" if order == ">" else b"II"
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


DAMAGED_EXIF = {
    "no directory": b"nothing of the kind",
    "directory far away": b"MM\0*\xff\xff\xff\xf0",
    "cut short": exif(6)[:-8],
    "ninth orientation": exif(9),
}


def packed(row: Iterable[int], depth: int) -> bytes:
    """Pack samples of 1 to 16 bits, the first in the highest bits, and fill up the last byte."""
    bits = "".join(f"{value:0{depth}b}" for value in row)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one PNG chunk (PNG specification, 5.3)."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, INDEXED, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""PNG's colour types."""

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, row step and column step of each pass (PNG specification, 8.2)."""


def png_header(width: int, height: int, depth: int, colour_type: int, interlaced: bool = False) -> bytes:
    """Return signature and header."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    return PNG_SIGNATURE + chunk(b"IHDR", header)


def png_rows(samples: Ints, depth: int, interlaced: bool = False) -> bytes:
    """Return the compressed rows, unfiltered."""
    passes = [samples[top::down, left::right] for top, left, down, right in ADAM7] if interlaced else [samples]
    return zlib.compress(b"".join(b"\0" + packed(row.ravel(), depth) for part in passes if part.size for row in part))


def png(samples: Ints, depth: int, colour_type: int, *extra: bytes, interlaced: bool = False, after: bytes = b"") -> bytes:
    """Return a PNG; ``extra`` chunks stand before the pixels, ``after`` behind them."""
    height, width = samples.shape[:2]
    rows = chunk(b"IDAT", png_rows(samples, depth, interlaced))
    return png_header(width, height, depth, colour_type, interlaced) + b"".join(extra) + rows + after + chunk(b"IEND", b"")


PLTE = chunk(b"PLTE", bytes(PALETTE.ravel().tolist()))


def filtered_png(samples: Ints) -> bytes:
    """Return an 8-bit grey PNG of five rows, each with another of the five filters (PNG specification, 9.2)."""
    rows = b""
    for number, row in enumerate(samples):
        above = samples[number - 1] if number else np.zeros_like(row)
        left, corner = np.roll(row, 1), np.roll(above, 1)
        left[0] = corner[0] = 0
        guess = left + above - corner
        distance = np.abs(np.stack([guess - left, guess - above, guess - corner]))
        paeth = np.stack([left, above, corner])[distance.argmin(axis=0), np.arange(len(row))]
        prediction = [np.zeros_like(row), left, above, (left + above) // 2, paeth][number]
        rows += bytes([number, *((row - prediction) % 256).tolist()])
    header = png_header(samples.shape[1], len(samples), 8, GREY)
    return header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp(
    rows: Sequence[bytes] | bytes,
    width: int,
    height: int,
    bits: int,
    *,
    palette: Ints | None = None,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    version: int = 3,
) -> bytes:
    """Return a BMP of version 2 (OS/2), 3 or 5. Rows stand as they are stored: upwards, unless the height is negative."""
    body = rows if isinstance(rows, bytes) else b"".join(row + bytes(-len(row) % 4) for row in rows)
    count = 0 if palette is None else len(palette)
    header = (
        struct.pack("<IHHHH", 12, width, height, 1, bits)
        if version == 2
        else struct.pack(
            "<IiiHHIIiiII", 124 if version == 5 else 40, width, height, 1, bits, compression, len(body), 0, 0, count, 0
        )
    )
    header += b"".join(struct.pack("<I", mask) for mask in masks)
    header += bytes(124 - len(header)) if version == 5 else b""
    for red, green, blue in [] if palette is None else palette.tolist():
        header += bytes([blue, green, red]) + (b"" if version == 2 else b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(body), 0, 0, 14 + len(header)) + header + body


def lzw(indices: Iterable[int], depth: int) -> bytes:
    """Return GIF's LZW without compression: cleared so often that codes never grow past ``depth + 1`` bits."""
    clear, bits = 1 << depth, []
    for number, index in enumerate(indices):
        bits += [clear, index] if number % (clear - 2) == 0 else [index]
    word = sum(code << (depth + 1) * at for at, code in enumerate([*bits, clear + 1]))
    data = word.to_bytes(((depth + 1) * (len(bits) + 1) + 7) // 8, "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return bytes([depth]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_frame(
    indices: Ints, *, transparent: int | None = None, at: tuple[int, int] = (0, 0), interlaced: bool = False, own: bytes = b""
) -> bytes:
    """Return one frame; ``at`` is (left, top), ``own`` a palette of four colours of its own (GIF89a, 20)."""
    height, width = indices.shape
    order = [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4), *range(1, height, 2)]
    stored = indices[order] if interlaced else indices
    control = b"" if transparent is None else b"!\xf9\x04" + struct.pack("<BHBB", 1, 10, transparent, 0)
    flags = 0x40 * interlaced | (0x81 if own else 0)
    return control + b"," + struct.pack("<HHHHB", *at, width, height, flags) + own + lzw(stored.ravel().tolist(), 3)


def gif(*frames: bytes, size: tuple[int, int], version: bytes = b"89a", background: int = 0) -> bytes:
    """Return a GIF of (width, height) with the four colours of ``PALETTE``."""
    screen = struct.pack("<HHBBB", *size, 0x81, background, 0)
    return b"GIF" + version + screen + bytes(PALETTE.ravel().tolist()) + b"".join(frames) + b";"


SHORT, LONG = 3, 4
"""TIFF's types of 2 and 4 bytes."""


def tiff(
    strips: Sequence[bytes],
    width: int,
    height: int,
    photometric: int,
    *,
    bits: tuple[int, ...] = (8,),
    order: str = "<",
    compression: int = 1,
    tile: int | None = None,
    big: bool = False,
    more: dict[int, tuple[int, tuple[int, ...]]] | None = None,
    following: tuple[dict[int, tuple[int, tuple[int, ...]]], bytes] | None = None,
) -> bytes:
    """Return a TIFF (TIFF 6.0, section 2; BigTIFF with ``big``). ``following`` is one more page of one strip."""
    word, offset_type = ("Q", 16) if big else ("I", LONG)
    pages = [({} if more is None else more, list(strips))]
    if following is not None:
        pages.append((following[0], [following[1]]))
    mark = b"II" if order == "<" else b"MM"
    data = mark + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0))
    link = len(data) - struct.calcsize(word)
    for extra, parts in pages:
        offsets = []
        for part in parts:
            offsets.append(len(data))
            data += part + bytes(len(part) % 2)
        where, sizes = (324, 325) if tile else (273, 279)
        tags = {
            256: (LONG, (width,)),
            257: (LONG, (height,)),
            258: (SHORT, bits),
            259: (SHORT, (compression,)),
            262: (SHORT, (photometric,)),
            where: (offset_type, tuple(offsets)),
            277: (SHORT, (len(bits),)),
            sizes: (LONG, tuple(len(part) for part in parts)),
        }
        tags |= {322: (SHORT, (tile,)), 323: (SHORT, (tile,))} if tile else {278: (LONG, (-(-height // len(parts)),))}
        entries = b""
        for tag, (kind, content) in sorted((tags | extra).items()):
            body = struct.pack(f"{order}{len(content)}{ {SHORT: 'H', LONG: 'I', 16: 'Q'}[kind] }", *content)
            if len(body) > struct.calcsize(word):
                data, body = data + body, struct.pack(order + word, len(data))
            body = body.ljust(struct.calcsize(word), b"\0")
            entries += struct.pack(f"{order}HH{word}", tag, kind, len(content)) + body
        start, count = len(data), struct.pack(order + ("Q" if big else "H"), len(tags | extra))
        data = data[:link] + struct.pack(order + word, start) + data[link + struct.calcsize(word) :]
        data += count + entries + bytes(struct.calcsize(word))
        link = len(data) - struct.calcsize(word)
    return data


def tiff_of(samples: Ints, photometric: int, **options: Any) -> bytes:
    """Return a TIFF of 8-bit samples in one strip."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    body = bytes(samples.ravel().tolist())
    return tiff([body], samples.shape[1], samples.shape[0], photometric, bits=(8,) * channels, **options)


def tiff_lzw(data: bytes) -> bytes:
    """Return TIFF's LZW without compression: 9-bit codes, cleared before they would grow (TIFF 6.0, section 13)."""
    codes = []
    for number, byte in enumerate(data):
        codes += [256, byte] if number % 200 == 0 else [byte]
    return packed([*codes, 257], 9)


def packbits(row: bytes) -> bytes:
    """Return a row as PackBits: its first byte as a run of one, the rest as they are (TIFF 6.0, section 9)."""
    return b"\0" + row[:1] + bytes([len(row) - 2]) + row[1:]


JPEG_BLOCK = 8
"""Side of the squares that a hand-built JPEG consists of [px]."""


def segment(marker: int, data: bytes) -> bytes:
    """Return one JPEG marker segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_scan(order: Iterable[tuple[int, int]], components: int, part: str) -> bytes:
    """Return entropy-coded blocks: DC differences in 4-bit categories, and one bit for "no AC"."""
    bits, last = "", [0] * components
    for component, level in order:
        if "dc" in part:
            difference = level - last[component]
            last[component] = level
            size = abs(difference).bit_length()
            bits += f"{size:04b}"
            if size:
                bits += f"{difference if difference > 0 else difference + 2**size - 1:0{size}b}"
        if "ac" in part:
            bits += "0"
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def jpeg(
    planes: Sequence[Ints],
    *,
    app: bytes = b"",
    halved: tuple[int, int] = (1, 1),
    progressive: bool = False,
    ids: Sequence[int] = (1, 2, 3, 4),
) -> bytes:
    """Return a JPEG of flat 8 x 8 squares (ITU T.81, annexes B and F); with a DC step of 8 their levels come out exactly.

    ``planes`` hold a level per square; where ``halved`` is (vertical, horizontal) 2 the chroma has half as many.
    """
    down, across = halved if len(planes) > 1 else (1, 1)
    height, width = (side * JPEG_BLOCK for side in planes[0].shape)
    factors = [across << 4 | down] + [0x11] * (len(planes) - 1)
    parts = b"".join(bytes([name, factor, 0]) for name, factor in zip(ids, factors, strict=False))
    head = b"\xff\xd8" + app + segment(0xDB, b"\0" + bytes([8]) + b"\1" * 63)
    head += segment(0xC2 if progressive else 0xC0, struct.pack(">BHHB", 8, height, width, len(planes)) + parts)
    head += segment(0xC4, b"\x00" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    head += segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")

    levels = [np.asarray(plane) - 128 for plane in planes]
    interleaved = []
    for row in range(levels[0].shape[0] // down):
        for column in range(levels[0].shape[1] // across):
            luma = levels[0][row * down : (row + 1) * down, column * across : (column + 1) * across]
            interleaved += [(0, int(level)) for level in luma.ravel()]
            interleaved += [(number, int(plane[row, column])) for number, plane in enumerate(levels[1:], 1)]

    def scan(members: range, first: int, last: int, data: bytes) -> bytes:
        listed = b"".join(bytes([ids[member], 0]) for member in members)
        return segment(0xDA, bytes([len(members)]) + listed + bytes([first, last, 0])) + data

    every = range(len(planes))
    if not progressive:
        return head + scan(every, 0, 63, jpeg_scan(interleaved, len(planes), "dc ac")) + b"\xff\xd9"
    body = scan(every, 0, 0, jpeg_scan(interleaved, len(planes), "dc"))
    for member in every:
        body += scan(range(member, member + 1), 1, 63, jpeg_scan([(0, 0)] * levels[member].size, 1, "ac"))
    return head + body + b"\xff\xd9"


def adobe(transform: int) -> bytes:
    """Return Adobe's segment: 0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK."""
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def squares(levels: Ints) -> Ints:
    """Blow every pixel up to one of JPEG's squares."""
    return np.asarray(levels).repeat(JPEG_BLOCK, axis=0).repeat(JPEG_BLOCK, axis=1)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP container."""
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8l(rgba: Ints) -> bytes:
    """Return a lossless WebP bitstream of an image with at most two levels a channel: one bit a sample (VP8L, 5 and 6)."""
    height, width = rgba.shape[:2]
    bits = [(width - 1, 14), (height - 1, 14), (1, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    choices = [np.unique(rgba[..., channel]).tolist() for channel in (1, 0, 2, 3)]
    for levels in [*choices, [0]]:
        bits += [(1, 1), (len(levels) - 1, 1), (1, 1), *((level, 8) for level in levels)]
    for pixel in rgba.reshape(-1, 4).tolist():
        for channel, levels in zip((1, 0, 2, 3), choices, strict=True):
            bits += [(levels.index(pixel[channel]), 1)] if len(levels) == 2 else []
    word = length = 0
    for value, size in bits:
        word |= value << length
        length += size
    return b"\x2f" + word.to_bytes((length + 7) // 8, "little")


def vp8x(flags: int, width: int, height: int) -> tuple[bytes, bytes]:
    """Return the chunk that announces others: 2 animation, 8 EXIF, 16 alpha."""
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def anmf(rgba: Ints, at: tuple[int, int] = (0, 0)) -> tuple[bytes, bytes]:
    """Return one frame of an animation; ``at`` is (left, top), both even."""
    image = vp8l(rgba)
    place = (at[0] // 2, at[1] // 2, rgba.shape[1] - 1, rgba.shape[0] - 1, 100)
    head = b"".join(number.to_bytes(3, "little") for number in place) + b"\2"
    return b"ANMF", head + b"VP8L" + struct.pack("<I", len(image)) + image + bytes(len(image) % 2)


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def png_rows_of_table() -> Iterator[Odd]:
    """Every colour type at every depth, its kinds of transparency, interlace, filters, EXIF."""
    for depth in (1, 2, 4, 8, 16):
        grey = values(9, 11, 1, depth)
        yield Odd(f"PNG grey {depth} bit", png(grey, depth, GREY), as_rgb(to_8_bits(grey, depth)))
        interlaced = png(grey, depth, GREY, interlaced=True)
        yield Odd(f"PNG grey {depth} bit interlaced", interlaced, as_rgb(to_8_bits(grey, depth)))
    for depth in (1, 2, 4, 8):
        index = values(5, 7, 1, depth) % 4
        colours = PALETTE[index]
        yield Odd(f"PNG palette {depth} bit", png(index, depth, INDEXED, PLTE), colours)
        alphas = np.array([0, 51, 255, 255])
        data = png(index, depth, INDEXED, PLTE, chunk(b"tRNS", b"\0\x33"))
        yield Odd(f"PNG palette {depth} bit with tRNS", data, on_white(colours, alphas[index]))
    index = values(9, 10, 1, 2)
    yield Odd("PNG palette interlaced", png(index, 2, INDEXED, PLTE, interlaced=True), PALETTE[index])
    hidden = np.array([255, 255, 0, 255])[index]
    data = png(index, 2, INDEXED, PLTE, chunk(b"tRNS", b"\xff\xff\0"))
    yield Odd("PNG palette with one transparent index", data, on_white(PALETTE[index], hidden))
    for depth in (8, 16):
        rgb = values(5, 7, 3, depth)
        yield Odd(f"PNG RGB {depth} bit", png(rgb, depth, RGB), to_8_bits(rgb, depth))
        yield Odd(f"PNG RGB {depth} bit interlaced", png(rgb, depth, RGB, interlaced=True), to_8_bits(rgb, depth))
        for name, colour_type, channels in (("GA", GREY_ALPHA, 2), ("RGBA", RGB_ALPHA, 4)):
            mixed = values(5, 7, channels, 8, step=5)
            mixed[..., -1] = np.resize([0, 51, 255, 204], (5, 7))
            # The low bytes of 16 bits are lost, whatever they are.
            stored = mixed if depth == 8 else mixed << 8 | values(5, 7, channels, 8)
            colour = as_rgb(mixed[..., 0]) if channels == 2 else mixed[..., :3]
            data = png(stored, depth, colour_type)
            yield Odd(f"PNG {name} {depth} bit", data, on_white(colour, mixed[..., -1]))
    for depth, key in ((1, 0), (8, 205)):
        grey = values(5, 7, 1, depth)
        grey[2, 3] = key
        data = png(grey, depth, GREY, chunk(b"tRNS", struct.pack(">H", key)))
        wanted = np.where(grey == key, 255, to_8_bits(grey, depth))
        yield Odd(f"PNG grey {depth} bit with tRNS", data, as_rgb(wanted))
    rgb = values(5, 7, 3, 8)
    data = png(rgb, 8, RGB, chunk(b"tRNS", struct.pack(">HHH", *rgb[2, 3].tolist())))
    wanted = rgb.copy()
    wanted[2, 3] = 255
    yield Odd("PNG RGB 8 bit with tRNS", data, wanted)
    grey = values(5, 9, 1, 8)
    yield Odd("PNG with each of the five filters", filtered_png(grey), as_rgb(grey))
    rows = png_rows(grey, 8)
    split = b"".join(chunk(b"IDAT", rows[at : at + 7]) for at in range(0, len(rows), 7))
    yield Odd("PNG in many IDAT chunks", png_header(9, 5, 8, GREY) + split + chunk(b"IEND", b""), as_rgb(grey))
    yield Odd("PNG of one pixel", png(np.array([[77]]), 8, GREY), np.full((1, 1, 3), 77))
    control = struct.pack(">IIIIIHHBB", 0, 9, 5, 0, 0, 1, 10, 0, 0)
    again = struct.pack(">IIIIIHHBB", 1, 9, 5, 0, 0, 1, 10, 0, 0)
    second = chunk(b"fcTL", again) + chunk(b"fdAT", struct.pack(">I", 2) + png_rows(255 - grey, 8))
    animated = png(grey, 8, GREY, chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fcTL", control), after=second)
    yield Odd("APNG", animated, as_rgb(grey))
    rgb = values(2, 3, 3, 8)
    for orientation, turn in TURNED.items():
        data = png(rgb, 8, RGB, chunk(b"eXIf", exif(orientation)))
        yield Odd(f"PNG orientation {orientation}", data, turn(rgb))
    yield Odd("PNG orientation behind the pixels", png(rgb, 8, RGB, after=chunk(b"eXIf", exif(6))), TURNED[6](rgb))
    for name, damaged in DAMAGED_EXIF.items():
        yield Odd(f"PNG EXIF {name}", png(rgb, 8, RGB, chunk(b"eXIf", damaged)), rgb)
    yield Odd("PNG with bytes behind its end", png(rgb, 8, RGB) + b"and more", rgb)
    yield Odd("PNG without its end chunk", png(rgb, 8, RGB)[:-12], rgb)


def bmp_rows_of_table() -> Iterator[Odd]:
    """Every depth, both row orders, bit fields, run lengths, OS/2."""
    for bits in (1, 4, 8):
        index = values(5, 7, 1, bits) % 4
        palette = PALETTE[:2] if bits == 1 else PALETTE
        rows = [packed(row, bits) for row in index]
        yield Odd(f"BMP {bits} bit", bmp(rows[::-1], 7, 5, bits, palette=palette), palette[index])
        yield Odd(f"BMP {bits} bit top-down", bmp(rows, 7, -5, bits, palette=palette), palette[index])
    rgb = values(5, 7, 3, 8)
    rows = [bytes(row[:, ::-1].ravel().tolist()) for row in rgb]
    yield Odd("BMP 24 bit", bmp(rows[::-1], 7, 5, 24), rgb)
    yield Odd("BMP 24 bit top-down", bmp(rows, 7, -5, 24), rgb)
    yield Odd("BMP 24 bit OS/2", bmp(rows[::-1], 7, 5, 24, version=2), rgb)
    index = values(5, 7, 1, 8) % 4
    full = np.vstack([PALETTE, np.zeros((252, 3), np.int64)])
    stored = [bytes(row.tolist()) for row in index[::-1]]
    yield Odd("BMP 8 bit OS/2", bmp(stored, 7, 5, 8, palette=full, version=2), PALETTE[index])
    grey = values(5, 7, 1, 8)
    steps = as_rgb(np.arange(256))
    yield Odd("BMP 8 bit grey", bmp([bytes(row.tolist()) for row in grey[::-1]], 7, 5, 8, palette=steps), as_rgb(grey))
    spare = np.concatenate([rgb[..., ::-1], values(5, 7, 1, 8)[..., None]], axis=-1)
    rows = [bytes(row.ravel().tolist()) for row in spare]
    yield Odd("BMP 32 bit, fourth byte unused", bmp(rows[::-1], 7, 5, 32), rgb)
    masked = bmp(rows, 7, -5, 32, compression=3, masks=(0xFF0000, 0xFF00, 0xFF))
    yield Odd("BMP 32 bit with bit fields", masked, rgb)
    mixed = values(5, 7, 4, 8, step=5)
    mixed[..., 3] = np.resize([0, 51, 255, 204], (5, 7))
    rows = [bytes(row[:, [2, 1, 0, 3]].ravel().tolist()) for row in mixed]
    alpha = bmp(rows[::-1], 7, 5, 32, compression=3, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000), version=5)
    yield Odd("BMP 32 bit with alpha", alpha, on_white(mixed[..., :3], mixed[..., 3]))
    fields = np.stack([values(5, 7, 1, depth) for depth in (5, 6, 5)], axis=-1)
    words = fields @ np.array([1 << 11, 1 << 5, 1])
    rows = [struct.pack("<7H", *row.tolist()) for row in words]
    data = bmp(rows[::-1], 7, 5, 16, compression=3, masks=(0xF800, 0x7E0, 0x1F))
    yield Odd("BMP 16 bit 565", data, fields * 255 // np.array([31, 63, 31]), tolerance=1)
    fields = np.stack([values(5, 7, 1, 5)] * 3, axis=-1)
    rows = [struct.pack("<7H", *(row @ np.array([1 << 10, 1 << 5, 1])).tolist()) for row in fields]
    yield Odd("BMP 16 bit 555", bmp(rows[::-1], 7, 5, 16), fields * 255 // 31, tolerance=1)
    runs = b"\x03\x01\x01\x02\0\0" + b"\0\x03\x02\0\x03\0\x01\x03\0\0" + b"\0\1"
    wanted = PALETTE[np.array([[2, 0, 3, 3], [1, 1, 1, 2]])]
    yield Odd("BMP 8 bit run lengths", bmp(runs, 4, 2, 8, palette=PALETTE, compression=1), wanted)
    runs = b"\x03\x12\x01\x30\0\0" + b"\x04\x22\0\0" + b"\0\1"
    wanted = PALETTE[np.array([[2, 2, 2, 2], [1, 2, 1, 3]])]
    yield Odd("BMP 4 bit run lengths", bmp(runs, 4, 2, 4, palette=PALETTE, compression=2), wanted)


def gif_rows_of_table() -> Iterator[Odd]:
    """Both versions, transparency, interlace, animation, frames smaller than the screen."""
    index = values(9, 7, 1, 2)
    colours, size = PALETTE[index], (7, 9)
    hidden = on_white(colours, np.where(index == 2, 0, 255))
    yield Odd("GIF87a", gif(gif_frame(index), size=size, version=b"87a"), colours)
    yield Odd("GIF89a", gif(gif_frame(index), size=size), colours)
    yield Odd("GIF interlaced", gif(gif_frame(index, interlaced=True), size=size), colours)
    yield Odd("GIF transparent", gif(gif_frame(index, transparent=2), size=size), hidden)
    yield Odd("GIF background colour is transparent", gif(gif_frame(index, transparent=2), size=size, background=2), hidden)
    both = gif_frame(index), gif_frame(3 - index)
    yield Odd("GIF animated", gif(*both, size=size), colours)
    both = gif_frame(index, transparent=2), gif_frame(3 - index, transparent=1)
    yield Odd("GIF animated and transparent", gif(*both, size=size), hidden)
    own = bytes(PALETTE[::-1].ravel().tolist())
    yield Odd("GIF with a palette of the frame's own", gif(gif_frame(index, own=own), size=size), PALETTE[::-1][index])
    comment = b"!\xfe\x05words\0"
    yield Odd("GIF with a comment", gif(comment, gif_frame(index), size=size), colours)
    small = np.full((9, 7, 3), 255)
    small[1:4, 2:6] = PALETTE[index[:3, :4]]
    data = gif(gif_frame(index[:3, :4], at=(2, 1), transparent=3), size=size)
    small[1:4, 2:6][index[:3, :4] == 3] = 255
    yield Odd("GIF transparent frame smaller than the screen", data, small)
    yield Odd("GIF without its trailer", gif(gif_frame(index), size=size)[:-1], colours)


def tiff_rows_of_table() -> Iterator[Odd]:
    """Both byte orders, every photometric reading, compressions, tiles, strips, planes, pages, orientation."""
    for order, name in (("<", "II"), (">", "MM")):
        for bits in (1, 2, 4, 8):
            grey = values(5, 7, 1, bits)
            rows = [b"".join(packed(row, bits) for row in grey)]
            data = tiff(rows, 7, 5, 1, bits=(bits,), order=order)
            yield Odd(f"TIFF {name} grey {bits} bit", data, as_rgb(to_8_bits(grey, bits)))
            data = tiff(rows, 7, 5, 0, bits=(bits,), order=order)
            yield Odd(f"TIFF {name} grey {bits} bit, 0 is white", data, as_rgb(255 - to_8_bits(grey, bits)))
        grey = values(5, 7, 1, 16)
        data = tiff([struct.pack(f"{order}35H", *grey.ravel().tolist())], 7, 5, 1, bits=(16,), order=order)
        yield Odd(f"TIFF {name} grey 16 bit", data, as_rgb(grey >> 8))
        rgb = values(5, 7, 3, 8)
        yield Odd(f"TIFF {name} RGB 8 bit", tiff_of(rgb, 2, order=order), rgb)
        deep = values(5, 7, 3, 16)
        body = struct.pack(f"{order}105H", *deep.ravel().tolist())
        yield Odd(f"TIFF {name} RGB 16 bit", tiff([body], 7, 5, 2, bits=(16,) * 3, order=order), deep >> 8)
        for bits in (1, 2, 4, 8):
            index = values(5, 7, 1, bits) % 4
            table = np.zeros((3, 2**bits), np.int64)
            table[:, :4] = PALETTE.T[:, : 2**bits] * 257
            rows = b"".join(packed(row, bits) for row in index)
            colours = {320: (SHORT, tuple(table.ravel().tolist()))}
            data = tiff([rows], 7, 5, 3, bits=(bits,), order=order, more=colours)
            yield Odd(f"TIFF {name} palette {bits} bit", data, PALETTE[index])
    ink = values(5, 7, 4, 8)
    yield Odd("TIFF CMYK 8 bit", tiff_of(ink, 5), ink_to_rgb(ink), tolerance=1)
    ink = values(5, 7, 4, 16)
    body = struct.pack("<140H", *ink.ravel().tolist())
    yield Odd("TIFF CMYK 16 bit", tiff([body], 7, 5, 5, bits=(16,) * 4), ink_to_rgb(ink >> 8), tolerance=1)
    ycc = 80 + values(5, 7, 3, 4)
    yield Odd("TIFF YCbCr", tiff_of(ycc, 6, more={530: (SHORT, (1, 1))}), ycc_to_rgb(ycc), tolerance=1)
    mixed = values(5, 7, 4, 8, step=5)
    mixed[..., 3] = np.resize([0, 51, 255, 204], (5, 7))
    wanted = on_white(mixed[..., :3], mixed[..., 3])
    yield Odd("TIFF RGBA 8 bit", tiff_of(mixed, 2, more={338: (SHORT, (2,))}), wanted)
    body = struct.pack(">140H", *(mixed << 8 | 0x7F).ravel().tolist())
    data = tiff([body], 7, 5, 2, bits=(16,) * 4, order=">", more={338: (SHORT, (2,))})
    yield Odd("TIFF RGBA 16 bit", data, wanted)
    soaked = np.concatenate([mixed[..., :3] * mixed[..., 3:] // 255, mixed[..., 3:]], axis=-1)
    yield Odd("TIFF RGBA multiplied", tiff_of(soaked, 2, more={338: (SHORT, (1,))}), wanted, tolerance=1)
    yield Odd("TIFF RGB and a channel unspecified", tiff_of(mixed, 2, more={338: (SHORT, (0,))}), mixed[..., :3])
    grey = mixed[..., [0, 3]]
    yield Odd("TIFF GA", tiff_of(grey, 1, more={338: (SHORT, (2,))}), on_white(as_rgb(grey[..., 0]), grey[..., 1]))
    rgb = values(5, 7, 3, 8)
    body = bytes(rgb.ravel().tolist())
    yield Odd("TIFF LZW", tiff([tiff_lzw(body)], 7, 5, 2, bits=(8,) * 3, compression=5), rgb)
    for code, name in ((8, "deflate"), (32946, "old deflate")):
        yield Odd(f"TIFF {name}", tiff([zlib.compress(body)], 7, 5, 2, bits=(8,) * 3, compression=code), rgb)
    runs = b"".join(packbits(bytes(row.ravel().tolist())) for row in rgb)
    yield Odd("TIFF PackBits", tiff([runs], 7, 5, 2, bits=(8,) * 3, compression=32773), rgb)
    steps = rgb.copy()
    steps[:, 1:] -= rgb[:, :-1]
    steps %= 256
    squeezed, predictor = zlib.compress(bytes(steps.ravel().tolist())), {317: (SHORT, (2,))}
    data = tiff([squeezed], 7, 5, 2, bits=(8,) * 3, compression=8, more=predictor)
    yield Odd("TIFF deflate with predictor", data, rgb)
    strips = [bytes(rgb[at : at + 2].ravel().tolist()) for at in range(0, 5, 2)]
    yield Odd("TIFF in three strips", tiff(strips, 7, 5, 2, bits=(8,) * 3), rgb)
    large = values(20, 24, 1, 8)
    padded = np.pad(large, ((0, 12), (0, 8)))
    tiles = [bytes(padded[top : top + 16, left : left + 16].ravel().tolist()) for top in (0, 16) for left in (0, 16)]
    yield Odd("TIFF in four tiles", tiff(tiles, 24, 20, 1, tile=16), as_rgb(large))
    planes = [bytes(rgb[..., channel].ravel().tolist()) for channel in range(3)]
    split = {284: (SHORT, (2,)), 278: (LONG, (5,))}
    yield Odd("TIFF in separate planes", tiff(planes, 7, 5, 2, bits=(8,) * 3, more=split), rgb)
    bilevel = values(5, 8, 1, 1)
    reversed_bits = b"".join(packed(row[::-1], 1) for row in bilevel)
    data = tiff([reversed_bits], 8, 5, 1, bits=(1,), more={266: (SHORT, (2,))})
    yield Odd("TIFF lowest bit first", data, as_rgb(bilevel * 255))
    yield Odd("TIFF big", tiff_of(rgb, 2, big=True), rgb)
    yield Odd("TIFF of two pages", tiff_of(rgb, 2, following=({}, bytes((255 - rgb).ravel().tolist()))), rgb)
    for orientation, turn in TURNED.items():
        yield Odd(f"TIFF orientation {orientation}", tiff_of(rgb, 2, more={274: (SHORT, (orientation,))}), turn(rgb))
    yield Odd("TIFF ninth orientation", tiff_of(rgb, 2, more={274: (SHORT, (9,))}), rgb)
    data = tiff([zlib.compress(body)], 7, 5, 2, bits=(8,) * 3, compression=8, more={274: (SHORT, (6,))}, order=">")
    yield Odd("TIFF deflate, big-endian, orientation 6", data, TURNED[6](rgb))


def jpeg_rows_of_table() -> Iterator[Odd]:
    """Baseline and progressive, every colour reading, subsampling, EXIF, what may stand around the image."""
    grey = values(2, 3, 1, 8)
    ycc = np.stack([80 + values(2, 4, 1, 4), *(100 + values(2, 4, 2, 4).transpose(2, 0, 1))], axis=-1)
    planes = [ycc[..., channel] for channel in range(3)]
    rgb = values(2, 4, 3, 8)
    ink = values(2, 4, 4, 8)
    for name, progressive in (("baseline", False), ("progressive", True)):
        yield Odd(f"JPEG grey {name}", jpeg([grey], progressive=progressive), squares(as_rgb(grey)))
        yield Odd(f"JPEG 4:4:4 {name}", jpeg(planes, progressive=progressive), squares(ycc_to_rgb(ycc)), tolerance=1)
        for halved, ratio in (((2, 2), "4:2:0"), ((1, 2), "4:2:2"), ((2, 1), "4:4:0")):
            small = [np.full((2 // halved[0], 4 // halved[1]), level) for level in (90, 150)]
            whole = np.stack([planes[0], np.full((2, 4), 90), np.full((2, 4), 150)], axis=-1)
            data = jpeg([planes[0], *small], halved=halved, progressive=progressive)
            yield Odd(f"JPEG {ratio} {name}", data, squares(ycc_to_rgb(whole)), tolerance=1)
        stored = [255 - ink[..., channel] for channel in range(4)]
        data = jpeg(stored, app=adobe(0), progressive=progressive)
        yield Odd(f"JPEG Adobe CMYK {name}", data, squares(ink_to_rgb(ink)), tolerance=1)
    channels = [rgb[..., channel] for channel in range(3)]
    yield Odd("JPEG Adobe RGB", jpeg(channels, app=adobe(0)), squares(rgb))
    yield Odd("JPEG RGB by its component names", jpeg(channels, ids=b"RGB"), squares(rgb))
    yield Odd("JPEG Adobe YCbCr", jpeg(planes, app=adobe(1)), squares(ycc_to_rgb(ycc)), tolerance=1)
    black = values(2, 4, 1, 8)
    # YCCK is YCbCr of 255 - CMY; Adobe stores all four inks inverted, so red is cyan itself, and K is 255 - black.
    wanted = ink_to_rgb(np.concatenate([ycc_to_rgb(ycc), black[..., None]], axis=-1))
    yield Odd("JPEG Adobe YCCK", jpeg([*planes, 255 - black], app=adobe(2)), squares(wanted), tolerance=2)
    for orientation, turn in TURNED.items():
        marker = segment(0xE1, b"Exif\0\0" + exif(orientation, "<" if orientation % 2 else ">"))
        yield Odd(f"JPEG orientation {orientation}", jpeg([grey], app=marker), turn(squares(as_rgb(grey))))
    for name, damaged in DAMAGED_EXIF.items():
        marker = segment(0xE1, b"Exif\0\0" + damaged)
        yield Odd(f"JPEG EXIF {name}", jpeg([grey], app=marker), squares(as_rgb(grey)))
    plain = jpeg([grey])
    yield Odd("JPEG with bytes behind its end", plain + b"\0garbage\xff\xd8" * 9, squares(as_rgb(grey)))
    yield Odd("JPEG with a comment", jpeg([grey], app=segment(0xFE, b"\xff\xd8 words")), squares(as_rgb(grey)))
    yield Odd("JPEG with fill bytes before a marker", plain[:2] + b"\xff" * 5 + plain[2:], squares(as_rgb(grey)))
    frames = [Image.new("RGB", (16, 8), colour) for colour in ((200, 40, 90), (10, 20, 30))]
    data = encode(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95)
    yield Odd("MPO", data, np.broadcast_to((200, 40, 90), (8, 16, 3)).astype(np.int64), tolerance=3)
    yield Odd("JPEG by Pillow", encode(frames[0], "JPEG"), np.broadcast_to((200, 40, 90), (8, 16, 3)).astype(np.int64), 6)


def webp_rows_of_table() -> Iterator[Odd]:
    """Lossless and lossy, alpha, animation, EXIF."""
    rng = np.random.default_rng(3)
    rgba = np.stack([rng.choice(levels, (5, 7)) for levels in ((10, 200), (0, 250), (90, 100), (0, 255))], axis=-1)
    opaque = rgba.copy()
    opaque[..., 3] = 255
    rgb, wanted = rgba[..., :3], on_white(rgba[..., :3], rgba[..., 3])
    yield Odd("WebP lossless", riff((b"VP8L", vp8l(opaque))), rgb)
    yield Odd("WebP lossless with alpha", riff((b"VP8L", vp8l(rgba))), wanted)
    part = rgba.copy()
    part[..., 3] = np.where(rgba[..., 3], 204, 51)
    yield Odd("WebP lossless with part alpha", riff((b"VP8L", vp8l(part))), on_white(rgb, part[..., 3]))
    for orientation, turn in TURNED.items():
        data = riff(vp8x(0x08, 7, 5), (b"VP8L", vp8l(opaque)), (b"EXIF", exif(orientation)))
        yield Odd(f"WebP orientation {orientation}", data, turn(rgb))
    for name, damaged in DAMAGED_EXIF.items():
        data = riff(vp8x(0x08, 7, 5), (b"VP8L", vp8l(opaque)), (b"EXIF", damaged))
        yield Odd(f"WebP EXIF {name}", data, rgb)
    loop = (b"ANIM", bytes(6))
    other = np.full((5, 7, 4), 255)
    yield Odd("WebP animated", riff(vp8x(2, 7, 5), loop, anmf(opaque), anmf(other)), rgb)
    yield Odd("WebP animated with alpha", riff(vp8x(0x12, 7, 5), loop, anmf(rgba), anmf(other)), wanted)
    canvas = np.full((8, 12, 3), 255)
    canvas[2:7, 4:11] = rgb
    data = riff(vp8x(0x12, 12, 8), loop, anmf(opaque, at=(4, 2)), anmf(other))
    yield Odd("WebP animated, first frame smaller than the canvas", data, canvas)
    flat = Image.new("RGB", (16, 8), (200, 40, 90))
    colour = np.broadcast_to((200, 40, 90), (8, 16, 3)).astype(np.int64)
    yield Odd("WebP lossy", encode(flat, "WEBP", quality=90), colour, tolerance=6)
    clear = flat.convert("RGBA")
    clear.putalpha(51)
    wanted = on_white(colour, np.full((8, 16), 51))
    yield Odd("WebP lossy with alpha", encode(clear, "WEBP", quality=90), wanted, tolerance=3)


NOISE = values(24, 32, 3, 8)
SOUND = {
    "PNG": png(NOISE, 8, RGB),
    "BMP": bmp([bytes(row.ravel().tolist()) for row in NOISE], 32, 24, 24),
    "GIF": gif(gif_frame(NOISE[..., 0] % 4), size=(32, 24)),
    "TIFF": tiff_of(NOISE, 2),
    "JPEG": jpeg([NOISE[..., 0]]),
    "WEBP": encode(Image.fromarray(NOISE.astype(np.uint8)), "WEBP", lossless=True),
}


def mended_rows_of_table() -> Iterator[Odd]:
    """Files that Pillow alone reads wrongly and without a word, or for minutes."""
    black_or_white = np.array([[255, 0, 255, 255]])
    mask = bmp([bytes([1, 0, 1, 1])], 4, 1, 8, palette=as_rgb(np.array([0, 255])))
    yield Odd("BMP 8 bit of black and white alone", mask, as_rgb(black_or_white))
    inverted = tiff([struct.pack("<2H", 0, 65535)], 2, 1, 0, bits=(16,))
    yield Odd("TIFF II 16 bit where 0 is white", inverted, as_rgb(np.array([[255, 0]])))
    twelve = tiff([packed([0, 2048, 4095, 16], 12)], 4, 1, 1, bits=(12,))
    yield Odd("TIFF 12 bit grey", twelve, as_rgb(np.array([[0, 128, 255, 1]])))
    deep = png(np.array([[0x1234, 0x1235, 0]]), 16, GREY, chunk(b"tRNS", b"\x12\x34"))
    yield Odd("PNG 16 bit grey, one value transparent", deep, as_rgb(np.array([[255, 0x12, 0]])))
    for depth, step in ((2, 85), (4, 17)):
        few = png(np.array([[1, 2, 3]]), depth, GREY, chunk(b"tRNS", b"\0\2"))
        yield Odd(f"PNG {depth} bit grey, one value transparent", few, as_rgb(np.array([[step, 255, 3 * step]])))
    for interlaced in (False, True):
        first_row = png_rows(np.array([[9, 8]]), 8)
        lacking = png_header(2, 2, 8, GREY, interlaced) + chunk(b"IDAT", first_row) + chunk(b"IEND", b"")
        name = "PNG whose pixels end early, the stream well closed" + (", interlaced" if interlaced else "")
        yield Odd(name, lacking, "truncated PNG")
    yield Odd("JPEG without its end", SOUND["JPEG"][:-2], squares(as_rgb(NOISE[..., 0])))
    yield Odd("PPM", b"P6\n32 24\n255\n" + bytes(NOISE.ravel().tolist()), NOISE)
    black = png(np.zeros((3, 2), int), 8, GREY)
    yield Odd("PNG that is black to its last row", black, as_rgb(np.zeros((3, 2), int)))
    canvas = riff(vp8x(2, 16_000_000, 5), (b"ANIM", bytes(6)), anmf(np.full((5, 7, 4), 255)))
    yield Odd("WebP with a canvas of sixteen million columns", canvas, "too large (a side over 16383 pixels)")


def faults_of_table() -> Iterator[Odd]:
    """What is no image, what is damaged, what lies."""
    for name, data in {
        "text": b"Dear reader, these are words.\n",
        "HTML": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='4' height='4'/>",
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
        "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(40),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 " + bytes(40),
        "JPEG XL": b"\xff\x0a" + bytes(40),
        "ICO": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(40),
        "PSD": b"8BPS\0\1" + bytes(40),
        "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
        "zeros": bytes(1000),
        "one byte": b"\xff",
        "gzip'ed JPEG": gzip.compress(SOUND["JPEG"], mtime=0),
        "JPEG behind other bytes": b"\r\n" + SOUND["JPEG"],
        "PNG with its line ends mangled": SOUND["PNG"].replace(b"\r\n", b"\n"),
        "PNG with its line ends doubled": SOUND["PNG"].replace(b"\n", b"\r\n"),
        "PNG without its high bits": bytes(byte & 0x7F for byte in SOUND["PNG"]),
    }.items():
        yield Odd(name, data, NOT_AN_IMAGE)
    yield Odd("nothing", b"", "empty file")
    for name, magic, reason in (
        ("JPEG", b"\xff\xd8\xff", "corrupt JPEG"),
        ("PNG", PNG_SIGNATURE, "corrupt PNG"),
        ("WEBP", b"RIFF\x24\0\0\0WEBP", "corrupt WEBP"),
        ("BMP", b"BM" + bytes(12), "corrupt BMP"),
        ("GIF", b"GIF89a", "corrupt GIF"),
        ("TIFF", b"II*\0", "corrupt or unsupported TIFF"),
    ):
        yield Odd(f"{name} of nothing but magic bytes", magic, reason)
        # Pillow's WebP decoder and a TIFF without the directory at its end do not say that something is missing.
        kind = {"WEBP": "corrupt", "TIFF": "corrupt or unsupported"}.get(name, "truncated")
        yield Odd(f"{name} cut at half", SOUND[name][: len(SOUND[name]) // 2], f"{kind} {name}")
    grey = png(values(4, 4, 1, 8), 8, GREY)
    for width, height in ((100_000, 100_000), (2**31 - 1, 1), (20_000, 20_000)):
        data = png_header(width, height, 8, GREY) + grey[len(png_header(4, 4, 8, GREY)) :]
        yield Odd(f"PNG claims {width} x {height}", data, TOO_LARGE)
    yield Odd("GIF claims 65535 x 65535", gif(gif_frame(values(4, 4, 1, 2)), size=(65535, 65535)), TOO_LARGE)
    yield Odd("BMP claims 50000 x 50000", bmp([bytes(12)], 50_000, 50_000, 24), TOO_LARGE)
    yield Odd("TIFF claims 50000 x 50000", tiff([bytes(12)], 50_000, 50_000, 1), TOO_LARGE)
    huge = SOUND["JPEG"]
    at = huge.index(b"\xff\xc0") + 5
    yield Odd("JPEG claims 65500 x 65500", huge[:at] + struct.pack(">HH", 65500, 65500) + huge[at + 4 :], TOO_LARGE)
    yield Odd("JPEG claims no width", huge[:at] + struct.pack(">HH", 24, 0) + huge[at + 4 :], "corrupt JPEG")
    cut = SOUND["TIFF"]
    at = cut.index(struct.pack("<HHI", 273, LONG, 1)) + 8
    data = cut[:at] + struct.pack("<I", len(cut) - 50) + cut[at + 4 :]
    yield Odd("TIFF with pixels that reach behind its end", data, "truncated TIFF")
    yield Odd("PNG claims no width", png_header(0, 4, 8, GREY) + grey[33:], "corrupt PNG")
    yield Odd("PNG claims no height", png_header(4, 0, 8, GREY) + grey[33:], "corrupt PNG")
    yield Odd("BMP claims no width", bmp([bytes(12)], 0, 4, 24), "corrupt BMP")
    yield Odd("TIFF claims no width", tiff([bytes(12)], 0, 4, 1), "corrupt or unsupported TIFF")
    yield Odd("GIF claims no width", gif(size=(0, 0)), "corrupt GIF")
    yield Odd("PNG of colour type 5", png(values(4, 4, 1, 8), 8, 5), "corrupt PNG")
    yield Odd("PNG of depth 3", png(values(4, 4, 1, 8), 3, GREY), "corrupt PNG")
    yield Odd("PNG header's CRC wrong", grey[:29] + b"\0\0\0\0" + grey[33:], "corrupt PNG")
    stored = bytearray(zlib.compress(bytes(20), 0))
    stored[12] ^= 0xFF
    wrong = png_header(4, 4, 8, GREY) + chunk(b"IDAT", bytes(stored)) + chunk(b"IEND", b"")
    yield Odd("PNG pixels' checksum wrong", wrong, "corrupt PNG")
    rows = chunk(b"IDAT", b"no zlib stream")
    yield Odd("PNG pixels not compressed", png_header(4, 4, 8, GREY) + rows + chunk(b"IEND", b""), "corrupt PNG")
    yield Odd("PNG without pixels", png_header(4, 4, 8, GREY) + chunk(b"IEND", b""), "corrupt PNG")
    yield Odd("PNG palette without colours", png(values(4, 4, 1, 2), 2, INDEXED), "corrupt PNG")
    yield Odd("BMP of 7 bits", bmp([bytes(4)], 2, 1, 7), "corrupt BMP")
    yield Odd("BMP compressed in an unknown way", bmp([bytes(4)], 1, 1, 24, compression=9), "corrupt BMP")
    unknown = tiff([bytes(4)], 2, 2, 1, compression=60_000)
    yield Odd("TIFF compressed in an unknown way", unknown, "unsupported TIFF (compression 60000)")
    whole = tiff([struct.pack("<4i", 0, 1, 70_000, -1)], 2, 2, 1, bits=(32,), more={339: (SHORT, (2,))})
    yield Odd("TIFF int32", whole, "unsupported depth (numbers without an agreed range, mode I)")
    unsigned = tiff([struct.pack("<4I", 0, 1, 70_000, 5)], 2, 2, 1, bits=(32,))
    yield Odd("TIFF uint32", unsigned, "unsupported depth (numbers without an agreed range, mode I)")
    for order, name in (("<", "II"), (">", "MM")):
        body = struct.pack(order + "4f", 0, 0.5, 1, 255)
        real = tiff([body], 2, 2, 1, bits=(32,), order=order, more={339: (SHORT, (3,))})
        yield Odd(f"TIFF {name} float32", real, "unsupported depth (numbers without an agreed range, mode F)")
    yield Odd("GIF without a frame", gif(size=(4, 4)), "corrupt GIF")


ODD = [
    *png_rows_of_table(),
    *bmp_rows_of_table(),
    *gif_rows_of_table(),
    *tiff_rows_of_table(),
    *jpeg_rows_of_table(),
    *webp_rows_of_table(),
    *faults_of_table(),
    *mended_rows_of_table(),
]


def recipe(height: int, width: int) -> Recipe:
    """Make a recipe of which only the decoding matters."""
    return Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(height, width), preprocess="none")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_odd_image_gives_the_pixels_of_its_standard_or_its_reason(odd: Odd) -> None:
    """Each file of the table has one exact outcome: its pixels at its own size, or why there are none."""
    if isinstance(odd.wanted, str):
        with pytest.raises(ImageRejected) as rejected:
            decode_image(odd.data, recipe(4, 4))
        assert rejected.value.reason == odd.wanted
        return
    pixels = decode_image(odd.data, recipe(*odd.wanted.shape[:2]))
    assert (pixels.shape, pixels.dtype) == (odd.wanted.shape, np.uint8)
    np.testing.assert_allclose(pixels.astype(int), odd.wanted, rtol=0, atol=odd.tolerance)


def test_table_of_odd_images_is_long_and_names_each_row_once() -> None:
    """At least 60 files, no two of the same name, both outcomes well represented."""
    assert len(ODD) >= 60
    assert len({odd.name for odd in ODD}) == len(ODD)
    assert min(sum(isinstance(odd.wanted, kind) for odd in ODD) for kind in (str, np.ndarray)) >= 30


STORED_AS = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The turn that undoes each orientation."""


def copies() -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """Name, plain file, its odd copy, and the copy's pixels without what makes it the same picture."""
    blocks = np.random.default_rng(11).integers(0, 52, (4, 6, 4)) * 5
    blocks[..., 3] = np.resize([0, 51, 255, 204, 102], (4, 6))
    # Wide, and no quarter like another: any wrong turn shows.
    scene = blocks.repeat(10, axis=0).repeat(10, axis=1)
    upright, alpha = scene[..., :3], scene[..., 3]
    plain = png(upright, 8, RGB)
    for orientation, undo in STORED_AS.items():
        stored = TURNED[undo](upright)
        turned = png(stored, 8, RGB, chunk(b"eXIf", exif(orientation)))
        yield f"orientation {orientation}", plain, turned, png(stored, 8, RGB)
    stored = TURNED[STORED_AS[6]](upright)
    yield "TIFF orientation 6", plain, tiff_of(stored, 2, more={274: (SHORT, (6,))}), tiff_of(stored, 2)
    yield "RGBA", png(on_white(upright, alpha), 8, RGB), png(scene, 8, RGB_ALPHA), plain
    grey = upright[..., 0]
    flattened = png(on_white(as_rgb(grey), alpha), 8, RGB)
    yield "grey with alpha", flattened, png(scene[..., [0, 3]], 8, GREY_ALPHA), png(grey, 8, GREY)
    yield "grey", png(as_rgb(grey), 8, RGB), png(grey, 8, GREY), plain


@pytest.mark.parametrize("options", [{}, {"backbone": "vgg16", "weights": "random", "batch_size": 1}], ids=["stub", "vgg16"])
def test_copies_of_one_picture_give_equal_features(
    tmp_path: Path, extract: Callable[..., featx.ExtractResult], options: dict[str, Any]
) -> None:
    """A turned, transparent or grey file has its upright, flattened or RGB copy's features, to the last bit."""
    folder, names = tmp_path / "copies", []
    for name, *files in copies():
        names.append(name)
        (folder / name).mkdir(parents=True)
        for kind, data in zip(("plain", "odd", "unlike"), files, strict=True):
            # Decoders stop at the picture's end, but the digest counts all: without this, equal files would share a row.
            (folder / name / f"{kind}.png").write_bytes(data + f"{name} {kind}".encode())
    result = extract(folder, **options)
    assert (result.extracted, result.rejected) == (3 * len(names), 0)
    cache = featx.open_cache(str(result.cache))
    rows = cache.catalog.rows()
    features = dict(zip((cache.catalog.paths[row] for row in rows), cache.features(rows), strict=True))
    for name in names:
        np.testing.assert_array_equal(features[f"{name}/odd.png"], features[f"{name}/plain.png"], err_msg=name)
        assert not np.array_equal(features[f"{name}/odd.png"], features[f"{name}/unlike.png"]), name


MUTANTS = 500

SMALL = {
    **SOUND,
    "PPM": b"P6\n15 12\n255\n" + bytes(NOISE[:12, :15].ravel().tolist()),
    "TIFF in deep planes": tiff(
        [struct.pack("<180H", *(NOISE[:12, :15, channel].ravel() << 8).tolist()) for channel in range(3)],
        15,
        12,
        2,
        bits=(16,) * 3,
        more={284: (SHORT, (2,)), 278: (LONG, (12,))},
    ),
    "16-bit PNG": png(NOISE[:12, :15, 0] << 8 | 1, 16, GREY),
    "interlaced PNG": png(NOISE[:12, :15], 8, RGB, interlaced=True),
    "progressive JPEG": jpeg([NOISE[:4, :4, channel] for channel in range(3)], progressive=True),
    "CMYK JPEG": jpeg([NOISE[:2, :2, 0]] * 4, app=adobe(0)),
    "animated GIF": gif(*[gif_frame(NOISE[:12, :15, channel] % 4, transparent=1) for channel in range(3)], size=(15, 12)),
    "animated WebP": next(odd.data for odd in ODD if odd.name == "WebP animated with alpha"),
    "deflated TIFF": next(odd.data for odd in ODD if odd.name == "TIFF deflate, big-endian, orientation 6"),
}


def flip_bytes(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Change one to eight bytes anywhere."""
    for at in rng.integers(4, len(data), rng.integers(1, 9)):
        data[at] ^= int(rng.integers(1, 256))
    return data


def truncate(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Cut the file off anywhere."""
    return data[: rng.integers(0, len(data))]


def lie_in_the_header(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Overwrite up to four of the first bytes by an extreme or a random number; a PNG's CRC is made to agree."""
    lie = [b"\0\0", b"\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", rng.bytes(1), rng.bytes(4)][rng.integers(6)]
    at = int(rng.integers(4, min(64, len(data) - 4)))
    data[at : at + len(lie)] = lie
    if data.startswith(PNG_SIGNATURE):
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return data


MUTATIONS = (flip_bytes, truncate, lie_in_the_header)


@pytest.mark.parametrize("seed", [20])
def test_five_hundred_mutated_files_give_pixels_or_a_short_reason_each(tmp_path: Path, seed: int) -> None:
    """Nothing is raised and nobody is lost: every position comes once, decoded to its shape or rejected in few words."""
    rng = np.random.default_rng(seed)
    sound, paths = list(SMALL.values()), []
    for number in range(MUTANTS):
        mutated = MUTATIONS[number % len(MUTATIONS)](bytearray(sound[number % len(sound)]), rng)
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(mutated)
    decoded: list[int] = []
    rejected: dict[int, str] = {}
    # Of a lie that claims a hundred million pixels the test would only learn how long they take.
    for batch in load_batches(paths, recipe(9, 10), batch_size=16, max_pixels=1_000_000):
        assert (batch.images.shape, batch.images.dtype) == ((len(batch.positions), 9, 10, 3), np.uint8)
        assert not rejected.keys() & batch.rejected.keys()
        decoded += batch.positions
        rejected |= batch.rejected
    assert len(decoded) + len(rejected) == MUTANTS
    assert {*decoded, *rejected} == set(range(MUTANTS))
    assert all(0 < len(reason) < 120 for reason in rejected.values())
    assert min(len(decoded), len(rejected)) > 100
