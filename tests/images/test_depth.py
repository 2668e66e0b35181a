"""Depth: files of 16 bits that hold fewer, by every setting of the recipe, against values worked out here."""

import io
import itertools
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from featx.errors import RecipeError
from featx.images.decode import decode_and_measure, decode_image
from featx.recipe import DEPTHS, Recipe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore:.*imagecodecs.*")

HEIGHT, WIDTH = 9, 13


def recipe(**options: Any) -> Recipe:
    """Make a recipe of which only the decoding matters."""
    return Recipe("stub", "none", ("cells",), (HEIGHT, WIDTH), "none", **options)


def levels(values: NDArray[Any], depth: str) -> NDArray[np.int64]:
    """Work out the levels of 16-bit values by the text of ``featx.images.depth``."""
    wide = values.astype(np.int64)
    if depth == "min-max":
        least, most = wide.min(), wide.max()
        return np.floor((wide - least) * 255 / (most - least) + 0.5).astype(np.int64) if most > least else np.zeros_like(wide)
    bits = int(depth) if depth != "auto" else min(b for b in (8, 10, 12, 16) if wide.max() <= 2**b - 1)
    return np.minimum(wide // 2 ** (bits - 8), 255)


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one PNG chunk (PNG specification, 5.3)."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values: NDArray[Any], *extra: bytes) -> bytes:
    """Return a PNG of 16 bits; grey, grey and alpha, RGB or RGBA by the number of channels."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values: NDArray[Any], planes: str = "contig") -> bytes:
    """Return a TIFF of 16 bits."""
    channels, file = values.shape[2], io.BytesIO()
    stored = values.squeeze() if planes == "contig" else np.moveaxis(values, -1, 0)
    tifffile.imwrite(
        file, stored, metadata=None, photometric="rgb" if channels > 2 else "minisblack",
        planarconfig=planes if channels > 1 else None, extrasamples=["unassalpha"] if channels in (2, 4) else None,
    )  # fmt: skip
    return file.getvalue()


def numbers(channels: int, bits: int) -> NDArray[np.uint16]:
    """Draw numbers that reach just as far as some bits; alpha is opaque."""
    values = np.random.default_rng([channels, bits]).integers(0, 2**bits, (HEIGHT, WIDTH, channels)).astype(np.uint16)
    values[0, 0, 0], values[0, 1, 0] = 2**bits - 1, 3
    if channels in (2, 4):
        values[..., -1] = 0xFFFF
    return values


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_follow_the_recipe_in_every_format(depth: str, channels: int) -> None:
    """Grey and colours, with and without alpha, of 8 to 16 bits: PNG, TIFF, TIFF of planes."""
    for bits in (8, 9, 10, 12, 14, 16):
        values = numbers(channels, bits)
        wanted = levels(values[..., : 1 if channels < 3 else 3], depth)
        files = [png(values), tiff(values)] + ([tiff(values, "separate")] if channels > 1 else [])
        for data in files:
            pixels = decode_image(data, recipe(depth=depth))
            np.testing.assert_array_equal(pixels, np.broadcast_to(wanted, (HEIGHT, WIDTH, 3)), err_msg=f"{bits} bits")


@pytest.mark.parametrize("depth", ["auto", "12", "min-max"])
@pytest.mark.parametrize("opaque", [4095, 65535])
def test_alpha_has_a_depth_of_its_own(depth: str, opaque: int) -> None:
    """Opaque may be 4,095 or 65,535: the colours are the same, and neither shows the background."""
    values = numbers(4, 12)
    values[..., 3] = opaque
    np.testing.assert_array_equal(decode_image(png(values), recipe(depth=depth)), levels(values[..., :3], depth))


def test_files_of_8_and_12_bits_are_the_same_whatever_the_depth() -> None:
    """What a file states is not guessed at; only its own range may be asked for."""
    grey = np.random.default_rng(0).integers(3, 99, (HEIGHT, WIDTH)).astype(np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, grey.astype(np.uint16) << 4, bitspersample=12, metadata=None)
    for data, depth in itertools.product((cv2.imencode(".png", grey)[1].tobytes(), file.getvalue()), DEPTHS[:-1]):
        np.testing.assert_array_equal(decode_image(data, recipe(depth=depth))[..., 0], grey)


def test_image_of_one_value_is_black_by_its_own_range() -> None:
    """Nothing is divided by nothing."""
    assert not decode_image(png(np.full((HEIGHT, WIDTH, 1), 700)), recipe(depth="min-max")).any()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("largest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 16)])
def test_traits_say_how_many_bits_are_used(channels: int, largest: int, bits: int) -> None:
    """By the image's largest value, alpha left out, whatever the recipe makes of it."""
    values = np.zeros((HEIGHT, WIDTH, channels), np.uint16)
    values[4, 4, 0] = largest
    if channels == 4:
        values[..., 3] = 0xFFFF
    for data, depth in itertools.product((png(values), tiff(values)), ("16", "auto")):
        assert decode_and_measure(data, recipe(depth=depth)).traits.bits == bits


def test_files_of_8_bits_have_no_depth_to_say_anything_of() -> None:
    """Neither a PNG nor a TIFF."""
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, grey)
    for data in (file.getvalue(), cv2.imencode(".png", grey)[1].tobytes()):
        assert decode_and_measure(data, recipe()).traits.bits == 0


def test_one_transparent_colour_of_16_bits_is_the_one_of_all_its_bits() -> None:
    """Its neighbour with the same upper bits stays; both ways of reading agree."""
    values = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    values[:, 1:] = (0x1234, 0x5678, 0x9ABC)
    values[:, 2:] = (0x1234, 0x5678, 0x9ABD)
    data = png(values, chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC)))
    pixels = decode_image(data, recipe())
    assert pixels[0, :3].tolist() == [[0, 0, 0], [255, 255, 255], [0x12, 0x56, 0x9A]]


def test_recipe_keeps_its_fingerprint_without_the_new_settings_and_changes_it_with_them() -> None:
    """Caches from before stay; features of another depth are others."""
    plain = recipe()
    assert not {"depth", "color_profile"} & set(plain.to_dict())
    others = {recipe(depth=depth).fingerprint for depth in DEPTHS} | {recipe(color_profile="srgb").fingerprint}
    assert len(others) == len(DEPTHS) + 1
    assert plain.fingerprint in others
    assert Recipe.from_dict(recipe(depth="12").to_dict()).depth == "12"
    assert recipe(depth="12").differences(plain) == {"depth": ("12", "16")}


@pytest.mark.parametrize("options", [{"depth": 12}, {"depth": "14"}, {"color_profile": "p3"}])
def test_unknown_settings_are_refused(options: dict[str, Any]) -> None:
    """With those that there are."""
    with pytest.raises(RecipeError, match="must be one of"):
        recipe(**options)
