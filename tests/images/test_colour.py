"""Colour profiles: converted to sRGB where the recipe says so, against the profiles' matrices and curves by hand."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from featx.images.decode import decode_image
from featx.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

Floats = NDArray[np.float64]

# Columns are red, green and blue in XYZ, adapted to D50 (the profiles of Display P3 and Adobe RGB (1998), and sRGB's).
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def srgb_curve(value: Floats) -> Floats:
    """Light from a value, both from 0 to 1 (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def gamma_curve(value: Floats) -> Floats:
    """Light of Adobe RGB (1998)."""
    return np.asarray(value ** (563 / 256))


def to_srgb(pixels: NDArray[np.uint8], matrix: Floats, curve: Any) -> NDArray[np.int64]:
    """Convert by curve, matrix, inverse matrix and inverse curve; what is outside is cut off."""
    light = np.clip(curve(pixels / 255) @ matrix.T @ np.linalg.inv(SRGB).T, 0, 1)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(values * 255).astype(np.int64)


def fixed(value: float) -> bytes:
    """Return a number of 16 bits before and 16 after the point (ICC.1, 4.6)."""
    return struct.pack(">i", round(value * 65536))


def profile(matrix: Floats, curve: bytes) -> bytes:
    """Return a display's profile byte by byte (ICC.1:2010, 7 and 8.4): three colours and one curve."""
    white = b"XYZ \0\0\0\0" + fixed(0.9642) + fixed(1) + fixed(0.8249)
    colours = [b"XYZ \0\0\0\0" + b"".join(map(fixed, column)) for column in matrix.T]
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0x\0", b"wtpt": white}
    tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True)) | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    body, table = b"", struct.pack(">I", len(tags))
    for name, data in tags.items():
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12s4s", 128 + len(table) + len(body), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp"
    )
    return (head + bytes(28) + fixed(0.9642) + fixed(1) + fixed(0.8249)).ljust(128, b"\0") + table + body


PARAMETRIC = b"para\0\0\0\0\0\3\0\0" + b"".join(map(fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
GAMMA = b"curv\0\0\0\0\0\0\0\1\x02\x33\0\0"
PROFILES = {
    "Display P3": (DISPLAY_P3, srgb_curve, profile(DISPLAY_P3, PARAMETRIC)),
    "Adobe RGB": (ADOBE_RGB, gamma_curve, profile(ADOBE_RGB, GAMMA)),
}

COLOURS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)


def decode(data: bytes, color_profile: str = "srgb", **options: Any) -> NDArray[np.int64]:
    """Decode to the colours' own size."""
    recipe = Recipe("stub", "none", ("cells",), COLOURS.shape[:2], "none", color_profile=color_profile, **options)
    return decode_image(data, recipe).astype(np.int64)


def encode(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("image_format", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_colours_become_those_of_srgb_by_the_matrices(name: str, image_format: str, options: dict[str, Any]) -> None:
    """Within two of 255 levels; without the setting they are as they are stored."""
    matrix, curve, icc = PROFILES[name]
    data = encode(Image.fromarray(COLOURS), image_format, icc_profile=icc, **options)
    wanted = to_srgb(COLOURS, matrix, curve)
    assert np.abs(wanted - COLOURS).max() > 20
    assert np.abs(decode(data) - wanted).max() <= 2
    np.testing.assert_array_equal(decode(data, "ignore"), COLOURS)


def test_jpeg_is_converted_after_it_is_decoded() -> None:
    """A flat colour, so that nothing else changes it."""
    matrix, curve, icc = PROFILES["Display P3"]
    flat = np.broadcast_to(np.array([200, 60, 40], np.uint8), COLOURS.shape)
    data = encode(Image.fromarray(np.ascontiguousarray(flat)), "JPEG", quality=100, subsampling=0, icc_profile=icc)
    assert np.abs(decode(data) - to_srgb(flat, matrix, curve)).max() <= 3


def test_transparent_pixels_show_the_background_as_it_was_given() -> None:
    """The background is sRGB: only what lies on it is converted."""
    matrix, curve, icc = PROFILES["Display P3"]
    alpha = np.zeros((*COLOURS.shape[:2], 1), np.uint8)
    alpha[:, 12:] = 255
    pixels = decode(
        encode(Image.fromarray(np.concatenate([COLOURS, alpha], axis=-1)), icc_profile=icc), background=(10, 200, 30)
    )
    assert (pixels[:, :12] == (10, 200, 30)).all()
    assert np.abs(pixels[:, 12:] - to_srgb(COLOURS, matrix, curve)[:, 12:]).max() <= 2


def test_grey_stays_grey_under_a_profile_of_colours() -> None:
    """Display P3 has sRGB's white and curve."""
    grey = COLOURS[..., 0]
    pixels = decode(encode(Image.fromarray(grey), icc_profile=PROFILES["Display P3"][2]))
    assert np.abs(pixels - grey[..., None].astype(int)).max() <= 1


def test_srgb_itself_changes_nothing() -> None:
    """Within a level of rounding."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(decode(encode(Image.fromarray(COLOURS), icc_profile=icc)) - COLOURS).max() <= 1


@pytest.mark.parametrize("icc", [b"no profile at all", PROFILES["Display P3"][2][:200], bytes(200)])
def test_damaged_profile_leaves_the_colours_as_they_are(icc: bytes) -> None:
    """The picture is sound; it is not rejected for what stands beside it."""
    np.testing.assert_array_equal(decode(encode(Image.fromarray(COLOURS), icc_profile=icc)), COLOURS)


def test_files_without_a_profile_are_as_they_were() -> None:
    """They are taken for sRGB."""
    np.testing.assert_array_equal(decode(encode(Image.fromarray(COLOURS))), COLOURS)
