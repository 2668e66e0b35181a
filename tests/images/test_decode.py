"""Decoding: pixels against values written down by hand, and a reason for every file that gives none."""

import contextlib
import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from sklearn.datasets import load_sample_image

from featx.errors import ImageRejected
from featx.images.decode import decode_image, digest_image_file, read_image_file
from featx.images.sniff import sniff_format
from featx.recipe import Recipe

# pytest drops the filters that featx sets on import; this is what holds outside of pytest.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
WHITE, BLACK, RED, GREEN, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)

# Pixels a to f, each a colour of its own, far enough apart that JPEG cannot mix them up.
LETTERS = {"a": RED, "b": GREEN, "c": BLUE, "d": (250, 250, 0), "e": (0, 250, 250), "f": (250, 0, 250)}


def recipe(height: int, width: int, **options: object) -> Recipe:
    """Make a recipe of which only the decoding matters."""
    settings = {"backbone": "stub", "weights": "none", "layers": ("cells",), "preprocess": "none"} | options
    return Recipe(image_size=(height, width), **settings)


def decode(data: bytes, height: int, width: int, **options: object) -> np.ndarray:
    """Decode to the given size."""
    return decode_image(data, recipe(height, width, **options))


def reason_of(data: bytes, **limits: int) -> str:
    """Return why the bytes are rejected."""
    with pytest.raises(ImageRejected) as rejected:
        decode_image(data, recipe(4, 4), **limits)
    return rejected.value.reason


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one PNG chunk (PNG specification, 5.3)."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour_type: int, pixels: bytes, *extra: bytes) -> bytes:
    """Return a PNG written byte by byte, without Pillow; ``extra`` chunks stand before the pixels."""
    row = len(pixels) // height
    rows = b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), row))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""PNG's colour types."""


def exif(orientation: int) -> bytes:
    """Return EXIF with nothing but an orientation: a big-endian TIFF directory of one entry."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def letters(rows: str, scale: int = 1) -> np.ndarray:
    """Return the picture that ``abc/def`` spells, each letter a square of ``scale`` pixels."""
    pixels = np.array([[LETTERS[letter] for letter in row] for row in rows.split("/")], np.uint8)
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


# EXIF 2.3, table 6: which side of the scene the stored row 0 and column 0 are. Stored is always abc/def.
UPRIGHT = {
    1: "abc/def",  # row 0 top, column 0 left
    2: "cba/fed",  # top, right
    3: "fed/cba",  # bottom, right
    4: "def/abc",  # bottom, left
    5: "ad/be/cf",  # left, top
    6: "da/eb/fc",  # right, top
    7: "fc/eb/da",  # right, bottom
    8: "cf/be/ad",  # left, bottom
}


@pytest.mark.parametrize(("orientation", "upright"), UPRIGHT.items())
def test_exif_orientation_turns_a_png_upright(orientation: int, upright: str) -> None:
    """Each of the eight orientations puts every pixel where the EXIF standard says."""
    data = png(3, 2, 8, RGB, letters("abc/def").tobytes(), chunk(b"eXIf", exif(orientation)))
    wanted = letters(upright)
    np.testing.assert_array_equal(decode(data, *wanted.shape[:2]), wanted)


@pytest.mark.parametrize(("orientation", "upright"), UPRIGHT.items())
@pytest.mark.parametrize("scale", [16, 128])
def test_exif_orientation_turns_a_jpeg_upright(orientation: int, upright: str, scale: int) -> None:
    """The same holds for JPEG, also where it is decoded at reduced size."""
    plain = encode(Image.fromarray(letters("abc/def", scale)), "JPEG", quality=95, subsampling=0)
    marker = b"Exif\0\0" + exif(orientation)
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(marker) + 2) + marker + plain[2:]
    wanted = letters(upright, 16)
    pixels = decode(data, *wanted.shape[:2])
    np.testing.assert_allclose(pixels[8::16, 8::16].astype(int), wanted[8::16, 8::16].astype(int), atol=8)


@pytest.mark.parametrize(("image_format", "options"), [("TIFF", {}), ("WEBP", {"lossless": True})])
def test_exif_orientation_turns_other_formats_upright_once(image_format: str, options: dict[str, bool]) -> None:
    """Formats whose Pillow plugin may turn the image itself are not turned twice."""
    tags = Image.Exif()
    tags[0x0112] = 6
    data = encode(Image.fromarray(letters("abc/def")), image_format, exif=tags.tobytes(), **options)
    np.testing.assert_array_equal(decode(data, 3, 2), letters(UPRIGHT[6]))


@pytest.mark.parametrize("damaged", [b"no directory at all", b"MM\0*\xff\xff\xff\xff", exif(6)[:-8], exif(9), exif(0)])
def test_damaged_exif_leaves_the_picture_as_it_is_stored(damaged: bytes) -> None:
    """Sound pixels beside EXIF that makes no sense are used, not rejected."""
    data = png(3, 2, 8, RGB, letters("abc/def").tobytes(), chunk(b"eXIf", damaged))
    np.testing.assert_array_equal(decode(data, 2, 3), letters("abc/def"))


def test_sixteen_bit_grey_png_keeps_the_high_byte() -> None:
    """0x12FF becomes 0x12: neither clipped to white nor rounded up."""
    data = png(4, 1, 16, GREY, b"\x12\xff\xab\x00\x00\xff\xff\xff")
    assert decode(data, 1, 4)[0].tolist() == [[0x12] * 3, [0xAB] * 3, [0] * 3, [0xFF] * 3]


def test_sixteen_bit_colour_png_keeps_the_high_byte() -> None:
    """16-bit RGB is treated as 16-bit grey is."""
    assert decode(png(1, 1, 16, RGB, b"\x12\xff\xab\x00\xff\xfe"), 1, 1).tolist() == [[[0x12, 0xAB, 0xFF]]]


@pytest.mark.parametrize(("mode", "order"), [("I;16", "<u2"), ("I;16B", ">u2")])
def test_sixteen_bit_tiff_keeps_the_high_byte_in_either_byte_order(mode: str, order: str) -> None:
    """A big-endian and a little-endian TIFF of the same values give the same pixels."""
    values = np.array([0x12FF, 0xAB00, 0x00FF], order)
    data = encode(Image.frombytes(mode, (3, 1), values.tobytes()), "TIFF")
    assert decode(data, 1, 3)[0].tolist() == [[0x12] * 3, [0xAB] * 3, [0] * 3]


CMYK_TO_RGB = [
    ((0, 0, 0, 0), WHITE),
    ((0, 0, 0, 255), BLACK),
    ((255, 0, 0, 0), (0, 255, 255)),
    ((10, 100, 200, 50), (197, 125, 44)),  # 245 x 205 / 255 = 196.96, 155 x 205 / 255 = 124.6, 55 x 205 / 255 = 44.2
]


@pytest.mark.parametrize(("ink", "light"), CMYK_TO_RGB)
def test_cmyk_becomes_rgb(ink: tuple[int, ...], light: tuple[int, ...]) -> None:
    """Each channel is (255 - ink) (255 - black) / 255."""
    assert decode(encode(Image.new("CMYK", (2, 2), ink), "TIFF"), 1, 1).tolist() == [[list(light)]]


@pytest.mark.parametrize(("ink", "light"), CMYK_TO_RGB)
def test_cmyk_jpeg_is_not_inverted(ink: tuple[int, ...], light: tuple[int, ...]) -> None:
    """Adobe stores CMYK JPEGs inverted; paper still comes out white."""
    pixels = decode(encode(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100), 1, 1)
    np.testing.assert_allclose(pixels[0, 0].astype(int), light, atol=3)


COLOURS_OF_PALETTE = chunk(b"PLTE", bytes([*RED, *GREEN, *BLUE]))


def test_palette_gives_its_colours() -> None:
    """A palette image gives the colours its indices stand for, not the indices."""
    data = png(4, 1, 8, PALETTE, b"\x02\x00\x01\x02", COLOURS_OF_PALETTE)
    assert decode(data, 1, 4)[0].tolist() == [list(BLUE), list(RED), list(GREEN), list(BLUE)]


@pytest.mark.parametrize("background", [WHITE, (10, 20, 30)])
def test_transparent_palette_entries_show_the_background(background: tuple[int, int, int]) -> None:
    """Alpha 0 shows the background alone, alpha 51 a fifth of the colour, no alpha the colour alone."""
    data = png(3, 1, 8, PALETTE, b"\x00\x01\x02", COLOURS_OF_PALETTE, chunk(b"tRNS", b"\x00\x33"))
    fifth = [0.8 * below + 0.2 * colour for below, colour in zip(background, GREEN, strict=True)]
    pixels = decode(data, 1, 3, background=background)[0].astype(float)
    np.testing.assert_allclose(pixels, [background, fifth, BLUE], atol=1)
    assert tuple(pixels[0]) == background


@pytest.mark.parametrize("background", [WHITE, (10, 20, 30)])
def test_grey_with_alpha_lies_on_the_background(background: tuple[int, int, int]) -> None:
    """LA: transparent, opaque and one fifth opaque grey."""
    data = png(3, 1, 8, GREY_ALPHA, bytes([0, 0, 90, 255, 100, 51]))
    fifth = [0.8 * below + 0.2 * 100 for below in background]
    pixels = decode(data, 1, 3, background=background)[0].astype(float)
    np.testing.assert_allclose(pixels, [background, (90, 90, 90), fifth], atol=1)
    assert tuple(pixels[0]) == background


@pytest.mark.parametrize("background", [WHITE, (10, 20, 30)])
def test_colour_with_alpha_lies_on_the_background(background: tuple[int, int, int]) -> None:
    """RGBA: transparent, opaque and one fifth opaque colour."""
    data = png(3, 1, 8, RGB_ALPHA, bytes([0, 0, 0, 0, 1, 2, 3, 255, 250, 0, 100, 51]))
    fifth = [0.8 * below + 0.2 * colour for below, colour in zip(background, (250, 0, 100), strict=True)]
    pixels = decode(data, 1, 3, background=background)[0].astype(float)
    np.testing.assert_allclose(pixels, [background, (1, 2, 3), fifth], atol=1)
    assert tuple(pixels[0]) == background


def test_transparent_grey_value_shows_the_background() -> None:
    """A grey PNG may name one value as transparent instead of having an alpha channel."""
    data = png(2, 1, 8, GREY, b"\x12\xab", chunk(b"tRNS", b"\x00\x12"))
    assert decode(data, 1, 2, background=(1, 2, 3))[0].tolist() == [[1, 2, 3], [0xAB] * 3]


def test_colours_under_transparent_pixels_do_not_bleed_when_shrinking() -> None:
    """Transparency is laid on the background before the resize: half red, half hidden black is half red, half white."""
    hidden, shown = bytes([0, 0, 0, 0]), bytes([255, 0, 0, 255])
    pixels = decode(png(2, 2, 8, RGB_ALPHA, (hidden + shown) * 2), 1, 1)[0, 0]
    np.testing.assert_allclose(pixels.astype(float), [255, 127.5, 127.5], atol=1)


def test_grey_image_equals_its_rgb_copy() -> None:
    """The same photograph saved as grey and as RGB gives the same pixels, after the resize too."""
    grey = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    colour = grey[..., None].repeat(3, axis=2)
    from_grey = decode(png(30, 20, 8, GREY, grey.tobytes()), 11, 13)
    np.testing.assert_array_equal(from_grey, decode(png(30, 20, 8, RGB, colour.tobytes()), 11, 13))
    np.testing.assert_array_equal(decode(png(30, 20, 8, GREY, grey.tobytes()), 20, 30), colour)


def test_black_and_white_image_spans_the_whole_range() -> None:
    """One bit a pixel becomes 0 and 255."""
    assert decode(png(8, 1, 1, GREY, b"\x0f"), 1, 8)[0, :, 0].tolist() == [0] * 4 + [255] * 4


@pytest.mark.parametrize(("image_format", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})])
def test_many_frames_give_the_first(image_format: str, options: dict[str, bool]) -> None:
    """An animation or a document of several pages is its first frame."""
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE, GREEN)]
    data = encode(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
    assert (decode(data, 2, 2) == RED).all()


@pytest.mark.parametrize("name", ["photo.jpg", "photo.gif", "photo"])
def test_format_is_told_by_content_not_by_name(tmp_path: Path, name: str) -> None:
    """A PNG under any other name decodes as the PNG it is."""
    path = tmp_path / name
    path.write_bytes(png(3, 2, 8, RGB, letters("abc/def").tobytes()))
    np.testing.assert_array_equal(decode(read_image_file(path), 2, 3), letters("abc/def"))


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_allowed_format_gives_its_colour(image_format: str) -> None:
    """All six formats are recognised and give uint8 RGB of the recipe's height and width."""
    data = encode(Image.new("RGB", (24, 16), (200, 40, 90)), image_format)
    pixels = decode(data, 5, 7)
    assert sniff_format(data[:16]) == image_format
    assert (pixels.shape, pixels.dtype) == ((5, 7, 3), np.uint8)
    np.testing.assert_allclose(pixels.reshape(-1, 3).astype(int), np.broadcast_to((200, 40, 90), (35, 3)), atol=6)


NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8))
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, GREY, 0, 0, 0))
NOT_AN_IMAGE = "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"


def with_tiff_value(data: bytes, tag: int, value: int) -> bytes:
    """Overwrite one value in the directory of a little-endian TIFF (TIFF 6.0, section 2)."""
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    entries = range(start + 2, start + 2 + 12 * count, 12)
    (entry,) = (at for at in entries if struct.unpack("<H", data[at : at + 2])[0] == tag)
    return data[: entry + 8] + struct.pack("<I", value) + data[entry + 12 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"Dear reader, these are words.\n", NOT_AN_IMAGE),
        (b"BMW and other words that begin like a bitmap", NOT_AN_IMAGE),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NOT_AN_IMAGE),
        (b"\x89PNG", NOT_AN_IMAGE),
        (encode(NOISE, "JPEG")[:-300], "truncated JPEG"),
        (encode(NOISE, "PNG")[:-300], "truncated PNG"),
        (encode(NOISE, "PNG")[:20], "truncated PNG"),
        (encode(NOISE, "BMP")[:-300], "truncated BMP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "corrupt PNG"),
        # Pillow's answers to these are a ValueError, a SyntaxError and two ValueErrors.
        (PNG_SIGNATURE + chunk(b"IHDR", b"\0\0\0\2"), "truncated PNG"),
        (PNG_SIGNATURE + PNG_HEADER + chunk(b"IDAT", b"\x78") + chunk(b"\xf8Y\xef\xdd", b""), "corrupt PNG"),
        (with_tiff_value(encode(NOISE, "TIFF"), tag=278, value=0), "corrupt TIFF"),
        (encode(NOISE, "BMP")[:30] + b"\1" + encode(NOISE, "BMP")[31:], "corrupt BMP"),
        (b"\xff\xd8\xff" + b"nonsense" * 8, "corrupt JPEG"),
        (b"GIF89a" + bytes(60), "corrupt GIF"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(60), "corrupt WEBP"),
        (encode(Image.new("I", (2, 2), 70_000), "TIFF"), "unsupported depth (numbers without an agreed range, mode I)"),
        (encode(Image.new("F", (2, 2), 0.5), "TIFF"), "unsupported depth (numbers without an agreed range, mode F)"),
        (png(20_000, 20_000, 8, GREY, bytes(20_000)), "too large (over 178956970 pixels)"),
    ],
)
def test_each_unusable_file_has_its_own_reason(data: bytes, reason: str) -> None:
    """The reason is short, exact and the same each time: users count rejects by it."""
    assert reason_of(data) == reason


def test_images_up_to_the_limit_are_decoded_and_larger_ones_rejected() -> None:
    """The limit counts pixels: 12 of them pass a limit of 12, not one of 11."""
    data = png(4, 3, 8, GREY, bytes(12))
    assert decode_image(data, recipe(3, 4), max_pixels=12).shape == (3, 4, 3)
    assert reason_of(data, max_pixels=11) == "too large (over 11 pixels)"


@pytest.mark.parametrize(("name", "said"), [("nowhere.png", "No such file or directory"), (".", "Is a directory")])
def test_unreadable_file_is_rejected_with_the_systems_reason(tmp_path: Path, name: str, said: str) -> None:
    """A path that cannot be read is one rejected image, not a crash."""
    with pytest.raises(ImageRejected) as rejected:
        read_image_file(tmp_path / name)
    assert rejected.value.reason == f"cannot be read: {said}"


def make_socket(path: Path) -> None:
    """Bind a socket; its file stays."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, make_socket, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_rejected_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """A pipe would block for ever, a device may never end."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = Path("1.png")
    make(path)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    for read in (read_image_file, digest_image_file):
        with pytest.raises(ImageRejected) as rejected:
            read(path)
        assert rejected.value.reason == "not a regular file"


def test_a_huge_file_that_is_no_image_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A sparse file of 40 GB, named like an image: its first bytes tell, and no memory is asked for it."""
    path = tmp_path / "disk.jpg"
    with path.open("wb") as file:
        file.truncate(40_000_000_000)
    with pytest.raises(ImageRejected) as rejected:
        read_image_file(path)
    assert rejected.value.reason == reason_of(bytes(100))


def test_large_image_decodes_without_a_warning() -> None:
    """Pillow's warning at half of the limit would tear the progress bar; it stays away even with ``-W error``."""
    code = """
import contextlib
import io
from PIL import Image, ImageFile
from featx.images import decode_image
from featx.recipe import Recipe
file = io.BytesIO()
Image.new("RGB", (4, 4), (1, 2, 3)).save(file, "PNG")
Image.MAX_IMAGE_PIXELS = 10
print(decode_image(file.getvalue(), Recipe("stub", "none", ("cells",), (1, 1), "none")).tolist())
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[[[1, 2, 3]]]\n", "")


def test_rejected_tiff_writes_nothing_to_stderr() -> None:
    """Pillow logs an error of its own beside the exception; the reason is enough, and the progress bar stays whole."""
    data = with_tiff_value(encode(NOISE, "TIFF"), tag=277, value=255)
    code = """
import sys
from featx.errors import ImageRejected
from featx.images import decode_image
from featx.recipe import Recipe
try:
    decode_image(sys.stdin.buffer.read(), Recipe("stub", "none", ("cells",), (1, 1), "none"))
except ImageRejected as rejected:
    print(rejected.reason)
"""
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"corrupt or unsupported TIFF\n", b"")


def grey_rows(values: list[int], width: int) -> bytes:
    """Return a grey PNG of flat rows."""
    return png(width, len(values), 8, GREY, b"".join(bytes([value]) * width for value in values))


def test_stretch_shrinks_with_an_antialiased_bilinear_filter() -> None:
    """An edge shrunk eightfold: a triangle as wide as two pixels leaves 1/8 of the step on either side of it."""
    wanted = [0, 0, 0, 25, 175, 200, 200, 200]
    pixels = decode(grey_rows([0] * 32 + [200] * 32, 64), 8, 4)
    assert pixels.shape == (8, 4, 3)
    assert pixels[:, :, 0].T.tolist() == [wanted] * 4


def test_stretch_ignores_the_shape_of_the_image() -> None:
    """All of a wide image is there in a tall one: nothing cut off, nothing added."""
    halves = np.zeros((16, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = RED, BLUE
    pixels = decode(png(64, 16, 8, RGB, halves.tobytes()), 32, 8)
    assert pixels.shape == (32, 8, 3)
    assert (pixels[:, :3] == RED).all()
    assert (pixels[:, 5:] == BLUE).all()


# A quarter red, a half green, a quarter blue along the longer side.
STRIPES = np.array([RED] * 16 + [GREEN] * 32 + [BLUE] * 16, np.uint8)


@pytest.mark.parametrize("tall", [False, True])
def test_crop_keeps_the_middle_of_the_longer_side(tall: bool) -> None:
    """Of 2:1 a square takes the green half; at its edges the filter reaches 1/8 of its weight into the colour beside it."""
    stripes = STRIPES[None].repeat(32, axis=0)
    stripes = stripes.swapaxes(0, 1).copy() if tall else stripes
    pixels = decode(png(stripes.shape[1], stripes.shape[0], 8, RGB, stripes.tobytes()), 16, 16, resize="crop")
    assert pixels.shape == (16, 16, 3)
    wanted = [(32, 223, 0), *[GREEN] * 14, (0, 223, 32)]
    np.testing.assert_array_equal(pixels.swapaxes(0, 1) if tall else pixels, [wanted] * 16)


@pytest.mark.parametrize("background", [WHITE, (10, 20, 30)])
@pytest.mark.parametrize("tall", [False, True])
def test_pad_keeps_the_whole_image_between_margins(background: tuple[int, int, int], tall: bool) -> None:
    """2:1 in a square fills the middle half; a quarter is background on either side."""
    width, height = (32, 64) if tall else (64, 32)
    pixels = decode(png(width, height, 8, RGB, bytes(GREEN) * width * height), 32, 32, resize="pad", background=background)
    pixels = pixels.swapaxes(0, 1) if tall else pixels
    assert pixels.shape == (32, 32, 3)
    assert (pixels[:8] == background).all()
    assert (pixels[8:24] == GREEN).all()
    assert (pixels[24:] == background).all()


@pytest.mark.parametrize("mode", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(("width", "height"), [(1000, 1), (1, 1000)])
def test_extremely_long_image_still_shows_its_own_pixels(mode: str, width: int, height: int) -> None:
    """However thin an image is, some of it is seen: it is never replaced by plain background."""
    pixels = decode(png(width, height, 8, GREY, bytes(width * height)), 16, 16, resize=mode)
    assert pixels.shape == (16, 16, 3)
    assert pixels.min() < 128


def photograph(height: int, width: int) -> Image.Image:
    """Return a photograph that comes with scikit-learn, cut to a size."""
    return Image.fromarray(load_sample_image("china.jpg")[:height, :width])


def full_decode(data: bytes, height: int, width: int) -> np.ndarray:
    """Decode at full size with plain Pillow, then shrink."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def test_reduced_jpeg_decode_is_close_to_the_full_one() -> None:
    """Decoding at reduced size saves time, and costs less than two of 255 levels on average."""
    data = encode(photograph(400, 600), "JPEG", quality=90)
    reduced, full = decode(data, 32, 32), full_decode(data, 32, 32)
    assert not np.array_equal(reduced, full)
    difference = np.abs(reduced.astype(int) - full)
    assert difference.mean() < 2
    assert difference.max() < 16


def test_exact_decode_reads_a_jpeg_at_full_size() -> None:
    """With ``exact_decode`` the pixels are those of a full decode, to the last bit."""
    data = encode(photograph(400, 600), "JPEG", quality=90)
    np.testing.assert_array_equal(decode(data, 32, 32, exact_decode=True), full_decode(data, 32, 32))


@pytest.mark.parametrize(("image_size", "reduced"), [((64, 64), True), ((65, 65), False), ((40, 65), False), ((65, 40), False)])
def test_jpeg_is_never_reduced_below_twice_the_target(image_size: tuple[int, int], reduced: bool) -> None:
    """256 px halved is enough for 64 px; for 65 px on either side the full size is read."""
    data = encode(photograph(256, 256), "JPEG", quality=90)
    assert np.array_equal(decode(data, *image_size), full_decode(data, *image_size)) is not reduced


SMALL = {image_format: encode(NOISE.resize((12, 9)), image_format) for image_format in FORMATS}
# Half of the edits hit the headers, where the damage is most various.
EDITS = st.lists(
    st.tuples(st.integers(4, 120) | st.integers(0, 4000), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=4
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FORMATS), EDITS, st.none() | st.integers(1, 4000))
def test_damaged_bytes_give_pixels_or_a_rejection_and_nothing_else(
    image_format: str, edits: list[tuple[int, bytes, int]], cut: int | None
) -> None:
    """Whatever bytes are overwritten, inserted, removed or cut off, one bad file cannot stop a run."""
    data = SMALL[image_format]
    for position, written, removed in edits:
        position %= len(data) + 1
        data = data[:position] + written + data[position + removed :]
    try:
        pixels = decode_image(data[:cut], recipe(8, 8), max_pixels=1_000_000)
    except ImageRejected:
        return
    assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)


# Which rows are whole in half of a file: BMP begins at the bottom.
UPPER, LOWER = slice(None, 36), slice(-36, None)
HALVES = {
    "JPEG": ({"quality": 90}, slice(None, 16)),
    "PNG": ({}, UPPER),
    "BMP": ({}, LOWER),
    "GIF": ({"interlace": False}, UPPER),
    "TIFF": ({}, UPPER),
}
LARGE_NOISE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (96, 128, 3), dtype=np.uint8))


@pytest.mark.parametrize(("image_format", "options", "rows"), [(name, *half) for name, half in HALVES.items()], ids=HALVES)
def test_half_a_file_gives_its_half_of_the_picture(image_format: str, options: dict[str, object], rows: slice) -> None:
    """What is left is exactly what the whole file gives there, and the rest is not; a strict recipe rejects the same bytes."""
    data = encode(LARGE_NOISE, image_format, **options)
    half = data[: len(data) // 2]
    whole, left = decode(data, 96, 128), decode(half, 96, 128, allow_truncated=True)
    np.testing.assert_array_equal(left[rows], whole[rows])
    assert (left[::-1][rows] != whole[::-1][rows]).mean() > 0.9
    with pytest.raises(ImageRejected, match=f"^truncated {image_format}$"):
        decode(half, 96, 128)


def test_half_a_progressive_jpeg_gives_the_whole_picture_coarsely() -> None:
    """Its halves are not above each other: all of the picture is there, near what it will be."""
    data = encode(photograph(192, 256), "JPEG", progressive=True, quality=90)
    whole, left = decode(data, 96, 128), decode(data[: len(data) // 2], 96, 128, allow_truncated=True)
    difference = np.abs(left.astype(int) - whole)
    assert 0 < difference.mean() < 10


@pytest.mark.parametrize("image_format", FORMATS)
def test_whole_files_are_the_same_to_a_recipe_that_allows_truncated_ones(image_format: str) -> None:
    """Only what would be rejected is decoded in another way."""
    data = encode(LARGE_NOISE, image_format)
    np.testing.assert_array_equal(decode(data, 50, 40, allow_truncated=True), decode(data, 50, 40))


def header_of(data: bytes, image_format: str) -> int:
    """Return where the pixels of ``LARGE_NOISE`` begin in a file."""
    scan = data.find(b"\xff\xda")
    return {
        "JPEG": scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big"),
        "PNG": data.find(b"IDAT") + 4,
        "BMP": int.from_bytes(data[10:14], "little"),
        "GIF": 13 + 3 * 256 + 10 + 1,
        "TIFF": len(data) - 96 * 128 * 3,
    }[image_format]


@pytest.mark.parametrize("image_format", HALVES)
def test_file_cut_right_after_its_header_has_nothing_left(image_format: str) -> None:
    """A picture made of nothing would pass for one of the class it lies in."""
    data = encode(LARGE_NOISE, image_format, **HALVES[image_format][0])
    cut = data[: header_of(data, image_format)]
    with pytest.raises(ImageRejected, match=f"^truncated {image_format}, nothing of the picture left$"):
        decode(cut, 96, 128, allow_truncated=True)


@pytest.mark.parametrize("image_format", FORMATS)
def test_file_cut_within_its_header_is_rejected(image_format: str) -> None:
    """Without a width and height there is no picture, whatever the recipe allows."""
    with pytest.raises(ImageRejected, match=rf"^(truncated|corrupt|corrupt or unsupported) {image_format}$"):
        decode(encode(LARGE_NOISE, image_format)[:20], 8, 8, allow_truncated=True)


def with_flipped_byte(data: bytes, position: int) -> bytes:
    """Overwrite one byte with another one."""
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Dear reader, these are words.\n",
        with_flipped_byte(encode(LARGE_NOISE, "PNG"), 20_000),
        encode(LARGE_NOISE, "WEBP", lossless=True)[:20_000],  # libwebp gives all of a picture or nothing
        PNG_SIGNATURE + PNG_HEADER + chunk(b"IDAT", b"\x78") + chunk(b"\xf8Y\xef\xdd", b""),
        with_tiff_value(encode(NOISE, "TIFF"), tag=278, value=0),
        b"\xff\xd8\xff" + b"nonsense" * 8,
        b"GIF89a" + bytes(60),
        encode(Image.new("I", (2, 2), 70_000), "TIFF"),
        png(20_000, 20_000, 8, GREY, bytes(20_000)),
    ],
)
def test_what_is_not_truncated_is_rejected_all_the_same(data: bytes) -> None:
    """A corrupt, unsupported or too large file has the same reason whether truncated ones are allowed or not."""
    reason = reason_of(data)
    assert not reason.startswith("truncated")
    with pytest.raises(ImageRejected) as rejected:
        decode(data, 4, 4, allow_truncated=True)
    assert rejected.value.reason == reason


@pytest.mark.parametrize("allow_truncated", [False, True])
@pytest.mark.parametrize("pillows_own", [False, True])
def test_pillows_settings_are_left_as_they_were(
    monkeypatch: pytest.MonkeyPatch, allow_truncated: bool, pillows_own: bool
) -> None:
    """They are of the whole process, and another program's: sound, cut and rejected files all leave them alone."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 123_456_789)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", pillows_own)
    data = encode(LARGE_NOISE, "PNG")
    for length in (len(data), len(data) // 2, 60, 20, 0):
        with contextlib.suppress(ImageRejected):
            decode(data[:length], 8, 8, allow_truncated=allow_truncated)
        left = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        assert left == (123_456_789, pillows_own)


def test_pillows_own_setting_does_not_let_truncated_files_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that lets Pillow load anything still gets from featx what the recipe says."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encode(LARGE_NOISE, "PNG")
    assert reason_of(data[: len(data) // 2]) == "truncated PNG"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(0, 4000))
def test_file_cut_anywhere_gives_pixels_or_a_rejection(image_format: str, cut: int) -> None:
    """Wherever a file ends, a recipe that allows it gets pixels of its size or a reason, and never an endless loop."""
    data = SMALL[image_format]
    try:
        pixels = decode(data[: cut % len(data)], 8, 8, allow_truncated=True)
    except ImageRejected:
        return
    assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)
