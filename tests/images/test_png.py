"""PNG and BMP: sound pixels are read whatever stands beside them; damaged pixels are not."""

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images.decode import decode_and_measure, decode_image
from featx.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
HEIGHT, WIDTH = PIXELS.shape[:2]


def decode(data: bytes, height: int = HEIGHT, width: int = WIDTH, **options: Any) -> NDArray[np.uint8]:
    """Decode to the given size."""
    return decode_image(data, Recipe("stub", "none", ("cells",), (height, width), "none", **options))


def reason_of(data: bytes) -> str:
    """Return why a file is rejected."""
    with pytest.raises(ImageRejected) as rejected:
        decode(data)
    return rejected.value.reason


def chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    """Return one PNG chunk (PNG specification, 5.3), with its checksum or another one."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) if crc is None else crc)


def png(*extra: bytes, after: bytes = b"", damaged: bool = False) -> bytes:
    """Return the pixels as a PNG; ``extra`` chunks stand before the pixels, ``after`` behind them."""
    rows = bytearray(zlib.compress(b"".join(b"\0" + row.tobytes() for row in PIXELS), 0))
    rows[50] ^= damaged  # which the stream's own checksum tells
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", bytes(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


TEXT = b"word " * 300_000
NOISE = np.random.default_rng(1).integers(0, 256, 1_500_000, np.uint8).tobytes()
BESIDE = {
    "a large compressed text": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(TEXT)),
    "a large plain text": chunk(b"tEXt", b"workflow\0" + TEXT),
    "a large international text": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(TEXT)),
    "a large plain international text": chunk(b"iTXt", b"workflow\0\0\0\0\0" + TEXT),
    "many texts": b"".join(chunk(b"zTXt", b"part\0\0" + zlib.compress(TEXT[:1_000_000])) for _ in range(70)),
    "a text that unpacks without end": chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(200_000_000), 9)),
    "a text that does not unpack": chunk(b"zTXt", b"words\0\0" + b"no zlib stream"),
    "a large colour profile": chunk(b"iCCP", b"scanner\0\0" + zlib.compress(NOISE)),
    "a profile that does not unpack": chunk(b"iCCP", b"scanner\0\0" + b"no zlib stream"),
    "pHYs with a wrong checksum": chunk(b"pHYs", bytes(9), crc=7),
    "tEXt with a wrong checksum": chunk(b"tEXt", b"a\0b", crc=7),
    "eXIf with a wrong checksum": chunk(b"eXIf", b"MM\0*" + bytes(40), crc=7),
    "pHYs that is cut short": chunk(b"pHYs", bytes(3)),
    "gAMA of nothing": chunk(b"gAMA", b""),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("name", BESIDE)
def test_sound_pixels_are_read_whatever_stands_beside_them(name: str, behind: bool) -> None:
    """Before the pixels and behind them."""
    data = png(after=BESIDE[name]) if behind else png(BESIDE[name])
    np.testing.assert_array_equal(decode(data), PIXELS)


def test_orientation_is_found_beside_a_text_that_is_too_large() -> None:
    """What is dropped is the text alone."""
    orientation = chunk(b"eXIf", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0))
    data = png(BESIDE["a large compressed text"], orientation)
    np.testing.assert_array_equal(decode(data, WIDTH, HEIGHT), PIXELS[::-1].swapaxes(0, 1))


@pytest.mark.parametrize("beside", [b"", BESIDE["a large compressed text"], BESIDE["pHYs with a wrong checksum"]])
def test_damaged_pixels_are_corrupt_whatever_stands_beside_them(beside: bytes) -> None:
    """Only what is beside them is passed over."""
    assert reason_of(png(beside, damaged=True)) == "corrupt PNG"
    cut = png(beside)[:-60]
    assert reason_of(cut) == "truncated PNG"


def test_frames_of_an_animation_are_counted() -> None:
    """An APNG says how many it has."""
    control = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    data = png(chunk(b"acTL", struct.pack(">II", 3, 0)), chunk(b"fcTL", control))
    assert decode_and_measure(data, Recipe("stub", "none", ("cells",), (4, 4), "none")).traits.frames == 3


def bitmap(reserved: bytes) -> bytes:
    """Return the pixels as a BMP that OpenCV wrote, with other reserved bytes."""
    data = cv2.imencode(".bmp", np.ascontiguousarray(PIXELS[..., ::-1]))[1].tobytes()
    return data[:6] + reserved + data[10:]


@pytest.mark.parametrize("reserved", [bytes(4), b"\1\0\0\0", b"\xff\xff\xff\xff", b"GIMP"])
def test_reserved_bytes_of_a_bitmap_are_no_matter(reserved: bytes) -> None:
    """Some programs sign there."""
    np.testing.assert_array_equal(decode(bitmap(reserved)), PIXELS)


@pytest.mark.parametrize("text", [b"BMW and other words that begin like a bitmap", b"BM", b"BM1234567890123456789012345"])
def test_text_that_begins_like_a_bitmap_is_none(text: bytes) -> None:
    """Neither are its bytes zero where they should be, nor is the size of a header there."""
    assert reason_of(text).startswith("not an image")
